/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing is wrong with what real modules wrote; what is then changed is named. The real server,
 * rows with keys and a server at work: tests/e2e/test_verify.py. Single bits: tests/flip. */
#include "rig.h"

#define WELL ((struct verify_options){.stopped_well = true})

static void ledger_of(const struct rig *x, char path[128])
{
    snprintf(path, 128, "%s/ledger", x->path);
}

static void add_line(const char *path, const char *line)
{
    FILE *f = fopen(path, "a");
    cr_assert_not_null(f);
    fputs(line, f);
    fclose(f);
}

Test(verify_run, finds_nothing_in_a_folder_that_was_closed_well)
{
    struct rig x;
    rig_up(&x);
    rig_rows(&x, 0, 20, NULL);
    rig_commit(&x);
    rig_close(&x);

    cr_assert_eq(rig_verify(&x, WELL), 0, "%s", x.all);

    cr_assert_eq(x.report.notes, 0, "%s", x.all);
    cr_assert(x.report.rows_log == 20 && x.report.rows_delta == 20);
    cr_assert(x.report.rows_compared == 20 && x.report.rows_waiting == 0);
    cr_assert(x.report.commits == 2 && x.report.data_files == 1 && x.report.tables == 1);
    rig_down(&x);
}

Test(verify_run, rows_that_wait_are_a_fault_only_after_a_stop_in_good_order)
{
    struct rig x;
    rig_up(&x);
    rig_commit(&x);
    rig_rows(&x, 0, 5, NULL);
    rig_close(&x);

    cr_assert_eq(rig_verify(&x, (struct verify_options){.no_rows = false}), 0, "%s", x.all);
    cr_assert_eq(x.report.rows_waiting, 5);
    cr_assert_gt(rig_verify(&x, WELL), 0);
    cr_assert(rig_told(&x, "rows are not in Delta"), "%s", x.all);
    rig_down(&x);
}

Test(verify_ledger, rows_of_delta_and_rows_that_wait_are_found)
{
    struct rig x;
    char ledger[128];
    const char *ledgers[] = {ledger};
    rig_up(&x);
    ledger_of(&x, ledger);
    rig_rows(&x, 0, 20, ledger);
    rig_commit(&x);
    rig_rows(&x, 20, 7, ledger);
    rig_close(&x);

    struct verify_options o = {.ledgers = ledgers, .ledger_count = 1};
    cr_assert_eq(rig_verify(&x, o), 0, "%s", x.all);

    cr_assert(x.report.ledger_sent == 27 && x.report.ledger_acked == 27);
    rig_down(&x);
}

/* The budget fits fewer entries than the ledger has rows, so there are several passes. */
Test(verify_ledger, with_little_memory_gives_the_same_verdict_in_several_passes)
{
    struct rig x;
    char ledger[128];
    const char *ledgers[] = {ledger};
    rig_up(&x);
    ledger_of(&x, ledger);
    rig_rows(&x, 0, 5000, ledger);
    rig_commit(&x);
    rig_close(&x);
    add_line(ledger, "S\tother\t" RIG_TABLE "\tid\tcrc32\nR\tother\t0\t5000\t00000000\n"
                     "A\tother\t0\n");

    struct verify_options o = {.ledgers = ledgers, .ledger_count = 1, .memory_bytes = 1};
    cr_assert_eq(rig_verify(&x, o), 1, "%s", x.all);

    cr_assert(x.report.ledger_sent == 5001 && x.report.ledger_missing == 1);
    cr_assert(rig_told(&x, "key 5000"), "%s", x.all);
    rig_down(&x);
}

Test(verify_ledger, tells_missing_different_and_doubled_rows_with_stream_offset_and_key)
{
    struct rig x;
    char ledger[128], lines[256];
    const char *ledgers[] = {ledger};
    rig_up(&x);
    ledger_of(&x, ledger);
    rig_rows(&x, 0, 3, ledger);
    rig_rows(&x, 2, 1, NULL); /* row 2 again: sent once by the ledger, twice there */
    rig_commit(&x);
    rig_close(&x);
    snprintf(lines, sizeof(lines),
             "S\ts\t%s\tid\tcrc32\nR\ts\t0\t77\t12345678\nR\ts\t1\t1\t12345678\n"
             "R\ts\t2\t78\t12345678\nA\ts\t1\n",
             RIG_TABLE);
    add_line(ledger, lines);

    struct verify_options o = {.ledgers = ledgers, .ledger_count = 1};
    cr_assert_eq(rig_verify(&x, o), 3, "%s", x.all);

    cr_assert(rig_told(&x, "fault missing") && rig_told(&x, "stream s offset 0 key 77"));
    cr_assert(rig_told(&x, "fault different") && rig_told(&x, "stream s offset 1 key 1:"));
    cr_assert(rig_told(&x, "fault doubled") && rig_told(&x, "sent 1 times"));
    cr_assert_not(rig_told(&x, "key 78"), "it was never acknowledged");
    cr_assert(x.report.ledger_missing == 2 && x.report.ledger_doubled == 1);
    cr_assert_eq(x.report.ledger_different, 1);
    rig_down(&x);
}

Test(verify_ledger, a_line_that_was_cut_off_does_not_count)
{
    struct rig x;
    char ledger[128];
    const char *ledgers[] = {ledger};
    rig_up(&x);
    ledger_of(&x, ledger);
    rig_rows(&x, 0, 3, ledger);
    rig_commit(&x);
    rig_close(&x);
    add_line(ledger, "R\tnobo");

    struct verify_options o = {.ledgers = ledgers, .ledger_count = 1};
    cr_assert_eq(rig_verify(&x, o), 0, "%s", x.all);

    cr_assert_eq(x.report.ledger_sent, 3);
    rig_down(&x);
}

Test(verify_ledger, that_does_not_read_is_refused_with_file_and_byte)
{
    static const char *const wrong[] = {
        "X\n",
        "R\tnobody\t0\t1\t12345678\n",
        "S\ts\t" RIG_TABLE "\tnowhere\tcrc32\n",
        "S\ts\t" RIG_TABLE "\tid\tmd5\n",
        "S\ts\t" RIG_TABLE "\tid\tcrc32\nR\ts\t0\t1\n",
        "S\ts\t" RIG_TABLE "\tid\tcrc32\nR\ts\t0\t1\tXYZ\n",
        "S\ts\t" RIG_TABLE "\tid\tcrc32\nA\ts\tx\n",
        "S\ts\t" RIG_TABLE "\tid\tcrc32\nS\tt\t" RIG_TABLE "\ttext\tcrc32\n",
    };
    struct rig x;
    char ledger[128];
    const char *ledgers[] = {ledger};
    rig_up(&x);
    ledger_of(&x, ledger);
    rig_close(&x);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        remove(ledger);
        add_line(ledger, wrong[i]);
        struct verify_options o = {
            .data = x.data, .lake = x.lake_path, .ledgers = ledgers, .ledger_count = 1};

        cr_assert_eq(verify_run(x.sys, &o, &x.report, &x.e), ERR_INVALID, "%s", wrong[i]);

        cr_assert_not_null(strstr(x.e.text, "at byte"), "%s", x.e.text);
    }
    rig_down(&x);
}

/* A hash of "-" in the S line: rows are told apart by their keys. */
Test(verify_ledger, without_hashes_compares_keys)
{
    struct rig x;
    char ledger[128];
    const char *ledgers[] = {ledger};
    rig_up(&x);
    ledger_of(&x, ledger);
    rig_rows(&x, 0, 3, NULL);
    rig_commit(&x);
    rig_close(&x);
    add_line(ledger, "S\ts\t" RIG_TABLE "\ttext,id\t-\nR\ts\t0\trow 0,0\t-\nR\ts\t1\trow 1,1\n"
                     "R\ts\t2\trow 9,9\t-\nA\ts\t2\n");

    struct verify_options o = {.ledgers = ledgers, .ledger_count = 1};
    cr_assert_eq(rig_verify(&x, o), 1, "%s", x.all);

    cr_assert(rig_told(&x, "key row 9,9"), "%s", x.all);
    rig_down(&x);
}

#define ORPHAN "sluice-00000000000000000001-01234567-89ab-4cde-8f01-23456789abcd.zstd.parquet"

Test(verify_lake, other_writers_files_and_orphans_are_notes)
{
    struct rig x;
    rig_up(&x);
    rig_rows(&x, 0, 3, NULL);
    rig_commit(&x);
    cr_assert_eq(objstore_put(x.lake, "a/b/c/" ORPHAN, slice_str("x"), &x.e), 0);
    cr_assert_eq(objstore_put(x.lake, "a/b/c/part-0.parquet", slice_str("x"), &x.e), 0);
    cr_assert_eq(objstore_put(x.lake, "a/b/c/_delta_log/00000000000000000002.json",
                              slice_str("{\"commitInfo\":{\"engineInfo\":\"other\"}}\n"
                                        "{\"add\":{\"path\":\"part-0.parquet\",\"size\":1}}\n"),
                              &x.e),
                 0);
    rig_close(&x);

    cr_assert_eq(rig_verify(&x, WELL), 0, "%s", x.all);

    cr_assert(rig_told(&x, "note orphan") && rig_told(&x, ORPHAN " an orphan"));
    cr_assert(rig_told(&x, "part-0.parquet not ours"), "%s", x.all);
    cr_assert(rig_told(&x, "00000000000000000002.json not ours"), "%s", x.all);
    rig_down(&x);
}

Test(verify_lake, a_commit_that_was_changed_and_one_that_is_gone_are_faults)
{
    static const char name[] = "a/b/c/_delta_log/00000000000000000001.json";
    struct rig x;
    struct buf text = BUF_NULL;
    rig_up(&x);
    rig_rows(&x, 0, 3, NULL);
    rig_commit(&x);
    cr_assert_eq(objstore_get(x.lake, name, 1 << 20, &text, &x.e), 0);
    buf_add_byte(&text, '\n');
    cr_assert_eq(objstore_put(x.lake, name, buf_slice(&text), &x.e), 0);
    rig_close(&x);

    cr_assert_eq(rig_verify(&x, WELL), 1, "%s", x.all);
    cr_assert(rig_told(&x, "fault damaged") && rig_told(&x, name), "%s", x.all);

    char path[256];
    snprintf(path, sizeof(path), "%s/%s", x.lake_path, name);
    cr_assert_eq(remove(path), 0);
    cr_assert_gt(rig_verify(&x, WELL), 1);
    cr_assert(rig_told(&x, "fault missing") && rig_told(&x, "watermark is above the txn"), "%s",
              x.all);
    buf_deinit(&text);
    rig_down(&x);
}

static void commit_path(char path[64], unsigned version)
{
    snprintf(path, 64, "a/b/c/_delta_log/%020u.json", version);
}

/* Another writer's commit, with the first "add" of our commit @of as an action of this kind. */
static void put_foreign(struct rig *x, unsigned version, const char *kind, unsigned of)
{
    char path[64], text[1024];
    struct buf ours = BUF_NULL;
    commit_path(path, of);
    cr_assert_eq(objstore_get(x->lake, path, 1 << 20, &ours, &x->e), 0);
    buf_add_byte(&ours, '\0');
    const char *name = strstr(strstr((const char *)ours.data, "{\"add\""), "\"path\"");
    cr_assert_not_null(name);
    snprintf(text, sizeof(text),
             "{\"commitInfo\":{\"engineInfo\":\"other\"}}\n{\"%s\":{%.*s,\"size\":1}}\n", kind,
             (int)strcspn(name, ","), name);
    commit_path(path, version);
    cr_assert_eq(objstore_put(x->lake, path, slice_str(text), &x->e), 0);
    buf_deinit(&ours);
}

Test(verify_lake, a_lost_row_is_found_though_another_writer_has_rewritten_a_file)
{
    struct rig x;
    char path[64];
    struct buf text = BUF_NULL;
    rig_up(&x);
    rig_rows(&x, 0, 3, NULL);
    rig_commit(&x);
    rig_rows(&x, 3, 3, NULL);
    rig_commit(&x);
    commit_path(path, 2);
    cr_assert_eq(objstore_get(x.lake, path, 1 << 20, &text, &x.e), 0);
    buf_add_byte(&text, '\0');
    char *add = strstr((char *)text.data, "{\"add\"");
    cr_assert_not_null(add);
    size_t line = strcspn(add, "\n") + 1; /* the commit adds no file any more */
    memmove(add, add + line, strlen(add + line) + 1);
    cr_assert_eq(objstore_put(x.lake, path, slice_str((char *)text.data), &x.e), 0);
    put_foreign(&x, 3, "remove", 1);
    rig_close(&x);

    cr_assert_gt(rig_verify(&x, WELL), 0);

    cr_assert(rig_told(&x, "is not in Delta, whose txn"), "%s", x.all);
    cr_assert_eq(x.report.rows_waiting, 0);
    buf_deinit(&text);
    rig_down(&x);
}

Test(verify_store, is_not_compared_when_another_writer_has_rewritten_files_and_that_is_told)
{
    struct rig x;
    rig_up_keyed(&x);
    rig_rows(&x, 0, 3, NULL);
    rig_commit(&x);
    put_foreign(&x, 2, "remove", 1);
    rig_close(&x);

    cr_assert_eq(rig_verify(&x, WELL), 0, "%s", x.all);

    cr_assert(rig_told(&x, "rows of the store were not compared: another writer"), "%s", x.all);
    rig_down(&x);
}

/* As RESTORE does it. */
Test(verify_lake, a_file_that_another_writer_has_removed_and_added_again_is_compared)
{
    struct rig x;
    rig_up_keyed(&x);
    rig_rows(&x, 0, 3, NULL);
    rig_commit(&x);
    put_foreign(&x, 2, "remove", 1);
    put_foreign(&x, 3, "add", 1);
    rig_close(&x);

    cr_assert_eq(rig_verify(&x, WELL), 0, "%s", x.all);

    cr_assert(x.report.rows_compared == 3 && x.report.rows_keyed == 3, "%s", x.all);
    cr_assert_not(rig_told(&x, "were not compared"), "%s", x.all);
    rig_down(&x);
}

Test(verify_order, a_store_ahead_of_the_log_is_a_fault)
{
    struct rig x;
    rig_up(&x);
    rig_commit(&x);
    rig_close(&x);
    rig_open(&x);
    uint8_t far[8] = {0xff, 0xff};
    struct store_batch *b = store_batch_new(x.store);
    store_batch_put(b, slice_str("m/applied"), slice_of(far, 8));
    cr_assert_eq(store_write(x.store, b, &x.e), 0);
    store_batch_free(b);
    /* closed without applying: what is wrong stays */
    x.compact = compact_free(x.compact);
    bronze_stop(x.log);
    x.catalog = catalog_free(x.catalog);
    x.log = bronze_close(x.log);
    x.store = store_close(x.store);
    x.lake = objstore_close(x.lake);

    cr_assert_gt(rig_verify(&x, (struct verify_options){.no_rows = true}), 0);

    cr_assert(rig_told(&x, "store is ahead of the log"), "%s", x.all);
    rig_down(&x);
}

Test(verify_run, says_what_is_not_there)
{
    struct rig x;
    rig_up(&x);
    rig_close(&x);
    struct verify_options no_data = {.data = "/nowhere", .lake = x.lake_path};
    struct verify_options no_lake = {.data = x.data, .lake = "/nowhere"};

    cr_assert_eq(verify_run(x.sys, &no_data, &x.report, &x.e), ERR_NOT_FOUND);
    cr_assert_eq(verify_run(x.sys, &no_lake, &x.report, &x.e), ERR_NOT_FOUND);
    rig_down(&x);
}

/* The folder's lock is held: a server is at work, and nothing of it is touched. */
Test(verify_run, looks_at_a_folder_that_is_in_use)
{
    struct rig x;
    char ledger[128];
    const char *ledgers[] = {ledger};
    rig_up(&x);
    ledger_of(&x, ledger);
    rig_rows(&x, 0, 9, ledger);
    rig_commit(&x);
    rig_rows(&x, 9, 3, ledger);

    struct verify_options o = {.ledgers = ledgers, .ledger_count = 1};
    cr_assert_eq(rig_verify(&x, o), 0, "%s", x.all);

    cr_assert(x.report.live && x.report.ledger_acked == 12);
    rig_rows(&x, 12, 1, NULL);
    rig_down(&x);
}

/* What waits is committed and leaves the log, after verify has looked at the lake. */
static void commit_and_trim(void *ctx, const char *stage, uint64_t done, uint64_t total)
{
    struct rig *x = ctx;
    (void)done;
    (void)total;
    if (strcmp(stage, "ledgers") != 0 || x->segments_to_trim == 0)
        return;
    rig_commit(x);
    for (; x->segments_to_trim > 0; x->segments_to_trim--)
        rig_trim(x);
}

Test(verify_ledger, a_doubled_row_is_told_though_the_log_was_trimmed_meanwhile)
{
    struct rig x;
    char ledger[128];
    const char *ledgers[] = {ledger};
    rig_up(&x);
    ledger_of(&x, ledger);
    rig_rows(&x, 0, 3, ledger);
    rig_rows(&x, 2, 1, NULL); /* row 2 again */
    rig_commit(&x);
    rig_rows(&x, 3, 3, ledger);
    rig_next_life(&x);
    x.segments_to_trim = 1;

    struct verify_options o = {
        .ledgers = ledgers, .ledger_count = 1, .on_progress = commit_and_trim};
    cr_assert_eq(rig_verify(&x, o), 1, "%s", x.all);

    cr_assert(rig_told(&x, "fault doubled") && rig_told(&x, "key 2:"), "%s", x.all);
    cr_assert(rig_told(&x, "the log was trimmed while"), "%s", x.all);
    cr_assert(x.report.ledger_missing == 0 && x.report.ledger_doubled == 1, "%s", x.all);
    rig_down(&x);
}

Test(verify_store, rows_with_a_key_are_those_of_delta_and_the_log)
{
    struct rig x;
    rig_up_keyed(&x);
    rig_rows(&x, 0, 10, NULL);
    rig_commit(&x);
    rig_rows(&x, 5, 10, NULL); /* wait in the log; five keys come again */
    rig_close(&x);

    cr_assert_eq(rig_verify(&x, (struct verify_options){.no_rows = false}), 0, "%s", x.all);

    cr_assert_eq(x.report.rows_keyed, 20);
    rig_down(&x);
}

Test(verify_store, a_row_that_it_lacks_is_named_with_its_position)
{
    struct rig x;
    rig_up_keyed(&x);
    rig_rows(&x, 0, 10, NULL);
    rig_commit(&x);
    x.skip_a_row = true;
    rig_close(&x);

    cr_assert_eq(rig_verify(&x, WELL), 1, "%s", x.all);

    cr_assert(rig_told(&x, "fault missing") && rig_told(&x, "is missing in the store"), "%s",
              x.all);
    rig_down(&x);
}

/* The store was flushed in the middle of the file, the log trimmed, then the process was killed. */
Test(verify_store, is_compared_where_a_file_begins_in_the_trimmed_log_and_ends_above_applied)
{
    struct rig x;
    rig_up_keyed(&x);
    rig_rows(&x, 0, 10, NULL);
    rig_next_life(&x);
    bronze_pos before = bronze_appended_pos(x.log);
    rig_rows(&x, 10, 10, NULL);
    rig_commit(&x);
    rig_trim(&x);
    x.apply_to = before + 6; /* the stream's record, and five rows */
    rig_close(&x);

    cr_assert_eq(rig_verify(&x, (struct verify_options){.no_rows = false}), 0, "%s", x.all);

    cr_assert(x.report.first_pos > 10 && x.report.data_files == 1);
    cr_assert(x.report.rows_keyed > 10 && x.report.rows_keyed < 20);
    rig_down(&x);
}

/* Lives that log only their own records, and then the log forgets what came before the last. */
Test(verify_order, what_a_table_without_key_may_have_had_in_the_trimmed_log_is_told_as_not_checked)
{
    struct rig x;
    rig_up(&x);
    rig_rows(&x, 0, 3, NULL);
    rig_commit(&x);
    rig_close(&x);
    cr_assert_eq(rig_verify(&x, WELL), 0, "%s", x.all);
    cr_assert_not(rig_told(&x, "not checked"), "%s", x.all);

    rig_open(&x);
    for (unsigned i = 0; i < 3; i++)
        rig_next_life(&x);
    rig_commit(&x);
    rig_trim(&x);
    rig_close(&x);

    cr_assert_eq(rig_verify(&x, WELL), 0, "%s", x.all);
    cr_assert(rig_told(&x, "not checked: whether 1 tables without key"), "%s", x.all);
    rig_down(&x);
}
