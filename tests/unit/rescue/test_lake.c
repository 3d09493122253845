/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "base/bits.h"
#include "store/keys.h"

static int rebuild(struct rig *x, struct rescue_store *r)
{
    *r = (struct rescue_store){.data = x->data, .lake = x->lake_path};
    return rescue_store(x->sys, r, &x->e);
}

/* A log that begins in the middle: some keys stand only in the lake, others in both. */
static void trimmed(struct rig *x)
{
    rig_up(x);
    rig_load(x, 400, 3000);
    rig_commit(x);
    rig_trim(x);
    rig_load(x, 20, 100);
    rig_close(x);
}

Test(rescue_lake, a_damaged_data_file_is_named_and_the_old_store_stays)
{
    struct rig x;
    struct rescue_store r;
    trimmed(&x);
    char command[256], place[128];
    (void)snprintf(place, sizeof(place), "%s/store/CURRENT", x.data);
    (void)snprintf(command, sizeof(command), "mkdir %s/store && touch %s", x.data, place);
    cr_assert_eq(system(command), 0);
    char *file = rig_file(&x, "lake/a/b/one", ".parquet", 0);
    rig_flip(file, 1000);

    cr_assert_eq(rebuild(&x, &r), ERR_DAMAGED, "%s", x.e.text);

    cr_assert_not_null(strstr(x.e.text, strrchr(file, '/') + 1));
    bool exists;
    cr_assert_eq(sys_exists(x.sys, place, &exists, &x.e), 0);
    cr_assert(exists);
    rig_flip(file, 1000);
    cr_assert_eq(rebuild(&x, &r), 0, "%s", x.e.text);
    rig_check_store(&x);
    mem_free(file);
    rig_down(&x);
}

Test(rescue_lake, a_table_that_left_the_lake_is_not_passed_over)
{
    struct rig x;
    struct rescue_store r;
    trimmed(&x);
    char command[256];
    (void)snprintf(command, sizeof(command), "rm -r %s/a/b/two", x.lake_path);
    cr_assert_eq(system(command), 0);

    int rc = rebuild(&x, &r);

    cr_assert_lt(rc, 0);
    cr_assert_not_null(strstr(x.e.text, "a.b.two"));
    rig_down(&x);
}

/* R1, and docs/formats/store.md (Rebuilt): every version of the lake's stands below the log's first
 * position; of one table no two have the same, and there are as many as the lake gave. */
Test(rescue_lake, rows_of_the_lake_have_positions_of_their_own_below_the_log)
{
    struct rig x;
    struct rescue_store r;
    trimmed(&x);
    cr_assert_eq(rebuild(&x, &r), 0, "%s", x.e.text);

    char path[128];
    struct store *st;
    (void)snprintf(path, sizeof(path), "%s/store", x.data);
    struct store_options o = {.path = path};
    cr_assert_eq(store_open_rocksdb(&o, &st, &x.e), 0);
    uint8_t prefix = STORE_ROW;
    uint64_t below = 0, versions = 0;
    struct store_iter *it = store_iter_new(st, NULL);
    for (store_iter_seek(it, slice_of(&prefix, 1)); store_iter_valid(it); store_iter_next(it)) {
        struct slice key = store_iter_key(it);
        if (key.data[0] != STORE_ROW)
            break;
        versions++;
        below += ~get_be64(key.data + key.len - 8) < r.log_from;
    }
    store_iter_free(it);
    store_close(st);

    cr_assert_eq(below, r.rows_lake);
    cr_assert_eq(versions, (uint64_t)x.rows);
    rig_down(&x);
}

/* Files of two versions of each table, below the log's beginning. */
Test(rescue_lake, files_of_every_version_are_read)
{
    struct rig x;
    struct rescue_store r;
    rig_up(&x);
    rig_load(&x, 200, 3000);
    rig_alter(&x);
    rig_load(&x, 200, 3000);
    rig_commit(&x);
    rig_trim(&x);
    rig_load(&x, 20, 100);
    rig_close(&x);

    int rc = rebuild(&x, &r);

    cr_assert_eq(rc, 0, "%s", x.e.text);
    cr_assert_geq(r.rows_lake, 200);
    rig_check_store(&x);
    rig_down(&x);
}

Test(rescue_lake, commits_that_the_log_forgot_are_recorded_again)
{
    struct rig x;
    struct rescue_store r;
    trimmed(&x);
    cr_assert_eq(rebuild(&x, &r), 0);

    char path[128];
    struct store *st;
    (void)snprintf(path, sizeof(path), "%s/store", x.data);
    struct store_options o = {.path = path};
    cr_assert_eq(store_open_rocksdb(&o, &st, &x.e), 0);
    uint8_t key[13] = {STORE_LAKE};
    put_be32(key + 1, x.table_ids[1]);
    put_be64(key + 5, 1);
    struct buf value = BUF_NULL;
    char name[CATALOG_FILE_NAME_MAX];
    struct catalog_lake_commit k;
    cr_assert_eq(store_get(st, NULL, slice_of(key, 13), false, &value, &x.e), STORE_FOUND);
    cr_assert(catalog_lake_commit_of(slice_of(value.data + 8, value.len - 8), name, &k));
    buf_deinit(&value);
    store_close(st);

    char *file = rig_file(&x, "lake/a/b/two", ".parquet", 0);
    cr_assert_str_eq(name, strrchr(file, '/') + 1);
    cr_assert_gt(k.row_count, 0);
    cr_assert_gt(k.commit_size, 0);
    mem_free(file);
    rig_down(&x);
}

/* Another writer's commit: it adds the file of the version before it @times again, tags and all. */
static void add_again(struct rig *x, const char *table, int version, unsigned times)
{
    char path[160], line[4096];
    (void)snprintf(path, sizeof(path), "%s/%s/_delta_log/%020d.json", x->lake_path, table,
                   version - 1);
    FILE *in = fopen(path, "r");
    cr_assert_not_null(in);
    do
        cr_assert_not_null(fgets(line, sizeof(line), in));
    while (strncmp(line, "{\"add\"", 6) != 0);
    cr_assert_eq(fclose(in), 0);
    (void)snprintf(path, sizeof(path), "%s/%s/_delta_log/%020d.json", x->lake_path, table, version);
    FILE *out = fopen(path, "wx");
    cr_assert_not_null(out);
    fputs("{\"commitInfo\":{\"inCommitTimestamp\":4102444800000,\"operation\":\"OPTIMIZE\","
          "\"engineInfo\":\"other\"}}\n",
          out);
    for (unsigned i = 0; i < times; i++)
        fprintf(out, "%s%s", line, strchr(line, '\n') == NULL ? "\n" : "");
    cr_assert_eq(fclose(out), 0);
}

Test(rescue_lake, many_files_in_another_writers_commit_are_nothing_to_the_next)
{
    struct rig x;
    struct rescue_store r;
    rig_up(&x);
    rig_load(&x, 60, 10);
    rig_commit(&x);
    add_again(&x, "a/b/one", 2, 9);
    rig_load(&x, 400, 3000);
    rig_commit(&x);
    rig_trim(&x);
    rig_close(&x);

    int rc = rebuild(&x, &r);

    cr_assert_eq(rc, 0, "%s", x.e.text);
    cr_assert_eq(r.files, 4);
    rig_check_store(&x);
    rig_down(&x);
}

/* Version 1 of a table with another character behind @text. */
static void change_commit(struct rig *x, const char *text, char c)
{
    char path[160], commit[4096];
    (void)snprintf(path, sizeof(path), "%s/a/b/one/_delta_log/%020d.json", x->lake_path, 1);
    FILE *f = fopen(path, "r+");
    cr_assert_not_null(f);
    size_t len = fread(commit, 1, sizeof(commit) - 1, f);
    commit[len] = '\0';
    char *at = strstr(commit, text);
    cr_assert_not_null(at, "%s", text);
    cr_assert_eq(fseek(f, at - commit + (long)strlen(text), SEEK_SET), 0);
    cr_assert_eq(fputc(c, f), c);
    cr_assert_eq(fclose(f), 0);
}

Test(rescue_lake, a_commit_that_contradicts_itself_is_named)
{
    static const struct {
        const char *text;
        char now;
        const char *says;
    } changes[] = {
        {"\"tag", 'z', "no tags"},
        {"\"engineInfo\":\"sl", 'y', "names no writer"},
        {"\"appId\":\"sl", 'y', "names no writer"},
        {"\"path\":\"sluice-", '1', "first position"},
        {"\"sluice.firstPosition\":\"", '7', "first position"},
        {"\"sluice.lastPosition\":\"", '9', "beyond"},
    };
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct rig x;
        struct rescue_store r;
        rig_up(&x);
        rig_load(&x, 120, 10);
        rig_commit(&x);
        rig_close(&x);
        change_commit(&x, changes[i].text, changes[i].now);

        int rc = rebuild(&x, &r);

        cr_assert_eq(rc, ERR_DAMAGED, "%s", changes[i].text);
        cr_assert_not_null(strstr(x.e.text, "00001.json is damaged"), "%s", x.e.text);
        cr_assert_not_null(strstr(x.e.text, changes[i].says), "%s", x.e.text);
        rig_down(&x);
    }
}
