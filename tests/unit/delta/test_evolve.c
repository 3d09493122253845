/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of a table changes in a commit of ours. */
#include "lake.h"

static bool contains(const char *text, const char *part)
{
    return text && strstr(text, part) != NULL;
}

static int change(struct delta_table *t, const char *ddl, int64_t position,
                  struct delta_commit *ret, struct err *e)
{
    struct row_schema *s = NULL;
    int checkpoint = 0;
    cr_assert_eq(row_schema_parse(slice_str(ddl), NULL, 0, &s, NULL), 0);
    *ret = (struct delta_commit){
        .app_id = APP, .txn_version = position, .schema = s, .now_us = NOW_US + 9000000};
    int r = delta_commit(t, ret, &checkpoint, e);
    ret->schema = NULL;
    row_schema_unref(s);
    return r;
}

/* The schemaString as it stands escaped in the commit. */
#define FIELD(name, type, nullable, metadata)                                                      \
    "{\\\"name\\\":\\\"" name "\\\",\\\"type\\\":\\\"" type "\\\",\\\"nullable\\\":" nullable      \
    ",\\\"metadata\\\":{" metadata "}}"
#define CHANGE(from, to) "{\\\"fromType\\\":\\\"" from "\\\",\\\"toType\\\":\\\"" to "\\\"}"
#define CHANGES(list)    "\\\"delta.typeChanges\\\":[" list "]"

Test(delta_evolve, an_added_column_is_new_metadata_beside_the_txn)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    struct delta_commit c;

    cr_assert_eq(change(t, "id BIGINT NOT NULL, name STRING, more INT", 7, &c, NULL), 0);

    char *text = lake_log(&l, 1);
    cr_assert(contains(text, "\"operation\":\"UPDATE SCHEMA\""));
    cr_assert(
        contains(text, "{\"metaData\":{\"id\":\"" TABLE_ID "\",\"name\":\"main.farm.quotes\""));
    cr_assert(contains(text, FIELD("id", "long", "false",
                                   "") "," FIELD("name", "string", "true",
                                                 "") "," FIELD("more", "integer", "true", "") "]"));
    cr_assert(contains(text, "\"createdTime\":1760000000000"));
    cr_assert(contains(text, "\"version\":7,"));
    cr_assert_not(contains(text, "\"protocol\"")); /* it asks for nothing new */
    cr_assert_not(contains(text, "enableTypeWidening"));
    mem_free(text);
    delta_close(t);
    lake_close(&l);
}

Test(delta_evolve, a_widened_column_says_what_it_was_and_asks_for_the_feature)
{
    struct lake l;
    struct delta_table *t = NULL;
    struct delta_commit c;
    lake_open(&l, "id BIGINT NOT NULL, n SMALLINT");
    cr_assert_eq(lake_create(&l, TABLE_ID), 0);
    cr_assert_eq(delta_open(l.sys, l.store, TABLE, &t, NULL), 0);

    cr_assert_eq(change(t, "id BIGINT NOT NULL, n INT", 7, &c, NULL), 0);

    char *text = lake_log(&l, 1);
    cr_assert(contains(text, "{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,"
                             "\"writerFeatures\":[\"appendOnly\",\"invariants\","
                             "\"inCommitTimestamp\",\"typeWidening\"],"
                             "\"readerFeatures\":[\"typeWidening\"]}}"));
    cr_assert(contains(text, "\"delta.enableTypeWidening\":\"true\""));
    cr_assert(contains(text, FIELD("n", "integer", "true", CHANGES(CHANGE("short", "integer")))));
    mem_free(text);
    delta_close(t);
    lake_close(&l);
}

Test(delta_evolve, earlier_changes_stay_known_through_later_ones_and_checkpoints)
{
    struct lake l;
    struct delta_table *t = NULL;
    struct delta_commit c;
    lake_open(&l, "id BIGINT NOT NULL, n SMALLINT");
    cr_assert_eq(lake_create(&l, TABLE_ID), 0);
    cr_assert_eq(delta_open(l.sys, l.store, TABLE, &t, NULL), 0);
    cr_assert_eq(change(t, "id BIGINT NOT NULL, n INT", 1, &c, NULL), 0);
    for (uint64_t i = 2; i <= 150; i++) { /* a checkpoint lies between */
        struct delta_file f = lake_file(i, i);
        cr_assert_eq(lake_commit(t, &f, &c), 0);
    }

    cr_assert_eq(change(t, "id BIGINT NOT NULL, n BIGINT, x DATE", 200, &c, NULL), 0);
    cr_assert_eq(change(t, "id BIGINT NOT NULL, n BIGINT, x TIMESTAMP_NTZ", 201, &c, NULL), 0);

    char *first = lake_log(&l, 151), *text = lake_log(&l, 152);
    const char *both = CHANGES(CHANGE("short", "integer") "," CHANGE("integer", "long"));
    cr_assert(contains(first, both));
    cr_assert_not(contains(first, "\"protocol\""));
    cr_assert(contains(text, both));
    cr_assert(contains(
        text, FIELD("x", "timestamp_ntz", "true", CHANGES(CHANGE("date", "timestamp_ntz")))));
    cr_assert(contains(text, "\"readerFeatures\":[\"typeWidening\",\"timestampNtz\"]"));
    mem_free(first);
    mem_free(text);
    delta_close(t);
    lake_close(&l);
}

Test(delta_evolve, what_is_no_widening_is_refused_by_column_and_nothing_is_written)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    struct delta_commit c;
    struct err e = {0};

    cr_assert_eq(change(t, "id INT NOT NULL, name STRING", 7, &c, &e), ERR_INVALID);
    cr_assert(contains(e.text, "column id: type long cannot become integer"), "%s", e.text);
    cr_assert_eq(change(t, "id BIGINT NOT NULL, other STRING", 7, &c, &e), ERR_INVALID);
    cr_assert(contains(e.text, "column name"), "%s", e.text);

    cr_assert_null(lake_log(&l, 1));
    delta_close(t);
    lake_close(&l);
}

Test(delta_evolve, a_table_changed_by_us_opens_again)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    struct delta_commit c;
    cr_assert_eq(change(t, "id BIGINT NOT NULL, name STRING, more INT", 7, &c, NULL), 0);
    t = delta_close(t);

    cr_assert_eq(delta_open(l.sys, l.store, TABLE, &t, NULL), 0);

    int64_t txn = 0;
    struct delta_version v = {.version = 1, .app_id = APP};
    cr_assert_eq(delta_txn(t, APP, &txn, NULL), 0);
    cr_assert_eq(txn, 7);
    cr_assert_eq(delta_version_read(l.store, TABLE, &v, NULL, NULL, NULL), 0);
    cr_assert(v.ours && !v.changes_table);
    delta_close(t);
    lake_close(&l);
}

Test(delta_evolve, a_change_by_others_still_stops_the_table)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    struct delta_commit c;
    lake_foreign(&l, 1,
                 "{\"commitInfo\":{\"engineInfo\":\"sluice/0.1.0\"}}\n"
                 "{\"metaData\":{\"id\":\"x\"}}\n"); /* without a txn of ours */

    cr_assert_eq(change(t, "id BIGINT NOT NULL, name STRING, more INT", 7, &c, NULL),
                 ERR_PRECONDITION);
    t = delta_close(t);

    cr_assert_eq(delta_open(l.sys, l.store, TABLE, &t, NULL), ERR_UNSUPPORTED);
    lake_close(&l);
}

Test(delta_evolve, a_change_whose_answer_was_lost_is_found_again)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    struct delta_commit c;
    objstore_fake_order(l.store, "1.json", OBJSTORE_LOSE_ANSWER, 0, 1);

    cr_assert_eq(change(t, "id BIGINT NOT NULL, name STRING, more INT", 7, &c, NULL), ERR_TIMEOUT);
    cr_assert_eq(change(t, "id BIGINT NOT NULL, name STRING, more INT", 7, &c, NULL), 0);

    cr_assert(c.was_there);
    cr_assert_eq(c.version, 1);
    cr_assert_null(lake_log(&l, 2));
    delta_close(t);
    lake_close(&l);
}

Test(delta_evolve, a_change_goes_behind_the_winner_of_a_race)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    struct delta_commit c;
    lake_foreign(&l, 1, "{\"commitInfo\":{\"inCommitTimestamp\":1,\"operation\":\"OPTIMIZE\"}}\n");

    cr_assert_eq(change(t, "id BIGINT NOT NULL, name STRING, more INT", 7, &c, NULL), 0);

    cr_assert_eq(c.version, 2);
    delta_close(t);
    lake_close(&l);
}
