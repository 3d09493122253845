/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows of a request are kept, and what becomes of the others. */
#include "judge_priv.h"

#include "base/mem.h"
#include "codec/codec.h"

#include "test.h"

#include <string.h>

#define DDL "id BIGINT NOT NULL, name STRING, n INT"
#define NOW 1700000000000000

struct court {
    struct catalog_table table, quarantine;
    struct codec_plan *plan, *quarantine_plan;
    struct judge judge;
    struct judge_by by;
    struct buf bytes; /* of the records; room for all is made at once */
    struct request_rows rows;
    struct err e;
};

static void set_up(struct court *c, bool json, const struct catalog_property *list, size_t count)
{
    *c = (struct court){.table = {.id = 7, .name = "a.b.c"}, .quarantine = {.id = 8}};
    cr_assert_eq(row_schema_parse(slice_str(DDL), NULL, 0, &c->table.schema, &c->e), 0);
    cr_assert_eq(
        catalog_properties_parse(list, count, c->table.schema, &c->table.properties, &c->e), 0,
        "%s", c->e.text);
    c->quarantine.schema = catalog_quarantine_schema();
    c->plan = codec_plan_new_own(c->table.schema);
    c->quarantine_plan = codec_plan_new_own(c->quarantine.schema);
    c->quarantine.own = c->quarantine_plan;
    bool has = catalog_quarantines(&c->table.properties);
    c->by = (struct judge_by){.table = &c->table,
                              .quarantine = has ? &c->quarantine : NULL,
                              .plan = c->plan,
                              .descriptor_id = 0,
                              .json = json,
                              .stream = "a-stream",
                              .principal = "someone"};
    (void)buf_reserve(&c->bytes, 1 << 20);
}

static void tear_down(struct court *c)
{
    ingest__judge_deinit(&c->judge);
    codec_plan_unref(c->plan);
    codec_plan_unref(c->quarantine_plan);
    catalog_properties_deinit(&c->table.properties);
    row_schema_unref(c->table.schema);
    row_schema_unref(c->quarantine.schema);
    buf_deinit(&c->bytes);
    mem_free(c->rows.rows);
}

static void add(struct court *c, struct slice record)
{
    struct request_rows *r = &c->rows;
    if (r->count == r->cap) {
        r->cap = r->cap * 2 + 16;
        r->rows = mem_realloc(r->rows, r->cap * sizeof(*r->rows));
    }
    r->rows[r->count++] = record;
}

static void add_row(struct court *c, int64_t id, const char *name, int32_t n)
{
    struct row_value values[] = {{.i64 = id}, {.bytes = slice_str(name)}, {.i64 = n}};
    size_t start = c->bytes.len;
    codec_values_to_row(c->table.schema, values, &c->bytes);
    add(c, slice_of(c->bytes.data + start, c->bytes.len - start));
}

static int judge(struct court *c)
{
    return ingest__judge_rows(&c->judge, &c->by, 5, NOW, &c->rows, &c->e);
}

static int64_t id_of(struct court *c, uint32_t row)
{
    struct row_value values[3];
    cr_assert_eq(codec_decode(c->plan, c->rows.rows[row], &c->judge.arena, values), 0);
    return values[0].i64;
}

static void read_bad(struct court *c, uint32_t i, struct row_value values[])
{
    cr_assert_lt(i, c->judge.bad_count);
    cr_assert_eq(codec_check(c->quarantine_plan, c->judge.bad_rows[i], &c->e), 0, "%s", c->e.text);
    cr_assert_eq(codec_decode(c->quarantine_plan, c->judge.bad_rows[i], NULL, values), 0);
}

static bool is_text(struct row_value v, const char *text)
{
    return !v.null && slice_eq(v.bytes, slice_str(text));
}

/* A record without its id. */
static const struct slice no_id = {(const uint8_t *)"\x12\x01x", 3};
static const struct catalog_property quarantine[] = {{"on_error", "quarantine"}};

Test(ingest_judge, good_rows_are_kept_as_they_are)
{
    struct court c;
    set_up(&c, false, NULL, 0);
    add_row(&c, 1, "one", 1);
    add_row(&c, 2, "two", 2);
    const uint8_t *first = c.rows.rows[0].data;

    cr_assert_eq(judge(&c), 0);

    cr_assert_eq(c.rows.count, 2);
    cr_assert_eq(c.rows.rows[0].data, first);
    cr_assert_eq(c.judge.bad_count + c.judge.report.total, 0);
    tear_down(&c);
}

Test(ingest_judge, names_every_bad_record_of_a_request_that_it_refuses)
{
    struct court c;
    set_up(&c, false, NULL, 0);
    add_row(&c, 1, "one", 1);
    add(&c, no_id);
    add_row(&c, 3, "three", 3);
    add(&c, slice_str("\xff"));

    cr_assert_eq(judge(&c), ERR_INVALID);

    cr_assert_eq(c.judge.report.total, 2);
    cr_assert_not_null(strstr(c.e.text, "table a.b.c, offset 5: 2 of 4 records are bad"), "%s",
                       c.e.text);
    cr_assert_not_null(strstr(c.e.text, "record 1: column id"), "%s", c.e.text);
    cr_assert_not_null(strstr(c.e.text, "record 3: "), "%s", c.e.text);
    cr_assert_gt(c.judge.details.len, 0);
    cr_assert_eq(c.judge.bad_count, 0);
    tear_down(&c);
}

Test(ingest_judge, bad_rows_go_to_quarantine_with_all_that_is_known_of_them)
{
    struct court c;
    set_up(&c, false, quarantine, 1);
    add_row(&c, 1, "one", 1);
    add(&c, no_id);
    add_row(&c, 3, "three", 3);

    cr_assert_eq(judge(&c), 0, "%s", c.e.text);

    cr_assert_eq(c.rows.count, 2);
    cr_assert_eq(id_of(&c, 0), 1);
    cr_assert_eq(id_of(&c, 1), 3);
    cr_assert_eq(c.judge.bad_count, 1);
    struct row_value v[CATALOG_QUARANTINE_COLUMNS];
    read_bad(&c, 0, v);
    cr_assert_eq(v[CATALOG_Q_ARRIVED].i64, NOW);
    cr_assert(is_text(v[CATALOG_Q_STREAM_ID], "a-stream"));
    cr_assert_eq(v[CATALOG_Q_STREAM_OFFSET].i64, 5);
    cr_assert_eq(v[CATALOG_Q_RECORD_INDEX].i64, 1);
    cr_assert_eq(memcmp(v[CATALOG_Q_REASON].bytes.data, "column id", 9), 0);
    cr_assert(v[CATALOG_Q_RULE].null);
    cr_assert(is_text(v[CATALOG_Q_PRINCIPAL], "someone"));
    cr_assert(slice_eq(v[CATALOG_Q_RAW].bytes, no_id));
    cr_assert(is_text(v[CATALOG_Q_FORMAT], "protobuf"));
    cr_assert_eq(v[CATALOG_Q_TABLE_ID].i64, 7);
    cr_assert(v[CATALOG_Q_REPLAYED].null);
    tear_down(&c);
}

Test(ingest_judge, a_request_of_bad_rows_only_leaves_none_and_is_taken)
{
    struct court c;
    set_up(&c, true, quarantine, 1);
    add(&c, slice_str("{\"id\":\"x\"}"));
    add(&c, slice_str("not JSON"));
    add(&c, slice_str(""));

    cr_assert_eq(judge(&c), 0, "%s", c.e.text);

    cr_assert_eq(c.rows.count, 0);
    cr_assert_eq(c.judge.bad_count, 3);
    struct row_value v[CATALOG_QUARANTINE_COLUMNS];
    read_bad(&c, 0, v);
    cr_assert(is_text(v[CATALOG_Q_JSON], "{\"id\":\"x\"}"));
    cr_assert(is_text(v[CATALOG_Q_FORMAT], "json"));
    read_bad(&c, 1, v);
    cr_assert(v[CATALOG_Q_JSON].null);
    cr_assert(is_text(v[CATALOG_Q_RAW], "not JSON"));
    read_bad(&c, 2, v);
    cr_assert(!v[CATALOG_Q_RAW].null);
    cr_assert_eq(v[CATALOG_Q_RAW].bytes.len, 0);
    tear_down(&c);
}

Test(ingest_judge, json_rows_beside_bad_ones_are_whole)
{
    struct court c;
    set_up(&c, true, quarantine, 1);
    add(&c, slice_str("{\"name\":\"a long one without an id, which leaves nothing behind\"}"));
    add(&c, slice_str("{\"id\":1,\"name\":\"one\"}"));
    add(&c, slice_str("{\"id\":"));
    add(&c, slice_str("{\"id\":2}"));

    cr_assert_eq(judge(&c), 0);

    cr_assert_eq(c.rows.count, 2);
    cr_assert_eq(id_of(&c, 0), 1);
    cr_assert_eq(id_of(&c, 1), 2);
    cr_assert_eq(c.judge.bad_count, 2);
    tear_down(&c);
}

Test(ingest_judge, json_that_grows_beyond_a_block_ends_early)
{
    struct court c;
    struct buf record = BUF_NULL;
    set_up(&c, true, NULL, 0);
    buf_add_str(&record, "{\"id\":1,\"name\":\"");
    memset(buf_reserve(&record, 1 << 20), 'x', 1 << 20);
    record.len += 1 << 20;
    buf_add_str(&record, "\"}");
    for (int i = 0; i < 40; i++)
        add(&c, buf_slice(&record));

    cr_assert_eq(judge(&c), ERR_INVALID);

    cr_assert_not_null(strstr(c.e.text, "up to record 11, take more than a block"));
    cr_assert(c.judge.json.len < BLOCK_BYTES_MAX + (2u << 20));
    buf_deinit(&record);
    tear_down(&c);
}

static const struct catalog_property rules[] = {{"rule.small", "drop: n < 100"},
                                                {"rule.named", "quarantine: length(name) > 0"},
                                                {"rule.even", "warn: n % 2 = 0"},
                                                {"rule.positive", "reject: id > 0"}};

Test(ingest_judge, each_action_of_a_rule_does_what_it_says)
{
    struct court c;
    set_up(&c, false, rules, 4);
    add_row(&c, 1, "odd", 1);   /* warned of */
    add_row(&c, 2, "big", 101); /* dropped: outweighs the warning */
    add_row(&c, 3, "", 200);    /* quarantined: outweighs the drop */
    add_row(&c, 4, "fine", 4);

    cr_assert_eq(judge(&c), 0, "%s", c.e.text);

    cr_assert_eq(c.rows.count, 2);
    cr_assert_eq(id_of(&c, 0), 1);
    cr_assert_eq(id_of(&c, 1), 4);
    cr_assert_eq(c.judge.warned, 1);
    cr_assert_eq(c.judge.dropped, 1);
    cr_assert_eq(c.judge.bad_count, 1);
    struct row_value v[CATALOG_QUARANTINE_COLUMNS];
    read_bad(&c, 0, v);
    cr_assert(is_text(v[CATALOG_Q_RULE], "named"));
    cr_assert(is_text(v[CATALOG_Q_COLUMN_PATH], "name"));
    cr_assert(is_text(v[CATALOG_Q_JSON], "{\"id\":3,\"name\":\"\",\"n\":200}"));
    /* Each failed rule is counted: even, named, positive, small. */
    cr_assert_eq(c.judge.rule_fails[0], 2);
    cr_assert_eq(c.judge.rule_fails[1], 1);
    cr_assert_eq(c.judge.rule_fails[2], 0);
    cr_assert_eq(c.judge.rule_fails[3], 2);
    tear_down(&c);
}

Test(ingest_judge, a_rule_that_rejects_refuses_the_request_and_is_named)
{
    struct court c;
    set_up(&c, true, rules, 4);
    add(&c, slice_str("{\"id\":1,\"name\":\"x\",\"n\":2}"));
    add(&c, slice_str("{\"id\":-1,\"name\":\"x\",\"n\":2}"));

    cr_assert_eq(judge(&c), ERR_INVALID);

    cr_assert_not_null(strstr(c.e.text, "record 1: rule \"positive\""), "%s", c.e.text);
    cr_assert_str_eq(c.e.field, "id");
    tear_down(&c);
}

Test(ingest_judge, a_bad_type_refuses_though_a_rule_quarantines)
{
    struct court c;
    set_up(&c, false, rules, 4);
    add_row(&c, 3, "", 2);
    add(&c, no_id);

    cr_assert_eq(judge(&c), ERR_INVALID);

    cr_assert_eq(c.judge.report.total, 1);
    tear_down(&c);
}

Test(ingest_judge, is_ready_for_the_next_request_whatever_the_last_one_held)
{
    struct court c;
    set_up(&c, false, rules, 4);
    add_row(&c, -1, "", 101);
    cr_assert_eq(judge(&c), ERR_INVALID);
    c.rows.count = 0;
    add_row(&c, 1, "fine", 2);

    cr_assert_eq(judge(&c), 0);

    cr_assert_eq(c.rows.count, 1);
    cr_assert_eq(c.judge.bad_count + c.judge.dropped + c.judge.warned, 0);
    cr_assert_eq(c.judge.details.len, 0);
    cr_assert_eq(c.judge.rule_fails[3], 0);
    tear_down(&c);
}

Test(ingest_judge, more_bad_bytes_than_a_block_holds_are_refused_and_the_limit_is_named)
{
    struct court c;
    set_up(&c, false, quarantine, 1);
    for (int i = 0; i < 200000; i++)
        add(&c, no_id);

    cr_assert_eq(judge(&c), ERR_INVALID);

    cr_assert_not_null(strstr(c.e.text, "send smaller requests"), "%s", c.e.text);
    cr_assert_leq(c.judge.bad.len, BLOCK_BYTES_MAX + 1024);
    tear_down(&c);
}

Test(ingest_judge, refuses_what_the_quarantine_table_could_not_read_again)
{
    struct court c;
    set_up(&c, false, quarantine, 1);
    c.by.principal = "\xff";
    add(&c, no_id);

    cr_assert_eq(judge(&c), ERR_INVALID);

    cr_assert_eq(c.judge.bad_count, 0);
    tear_down(&c);
}
