/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The judge of rows.
 *
 *   record ─► type check ─► rules ─► kept
 *                │ fails       │ fails
 *                ▼             ▼
 *            on_error      the rule's action ─► dropped │ quarantined │ the request is refused
 *
 *   J1  A request is taken whole or not at all: one rejected record refuses it, the others are
 *       looked at only to be named.
 *   J2  A table without rules costs its good rows one codec_check() and nothing else: what follows
 *       a bad record is the slow path.
 *   J3  Rows that are kept stay in the order they came in.
 *
 * Thread: the lane's that owns the scratch.
 */
#include "judge_priv.h"

#include "base/mem.h"
#include "base/must.h"
#include "codec/codec.h"
#include "codec/variant.h"
#include "rule/rule.h"

#define NO_REASON "the record does not fit the table; the reason cannot be told as text"

void ingest__judge_deinit(struct judge *j)
{
    buf_deinit(&j->json);
    mem_free(j->ends);
    arena_deinit(&j->arena);
    mem_free(j->values);
    buf_deinit(&j->text);
    ingest__report_deinit(&j->report);
    buf_deinit(&j->details);
    buf_deinit(&j->bad);
    mem_free(j->bad_rows);
    *j = (struct judge){0};
}

/* ---- one record ---- */

/* Decode the row, as the rules and the rendering want it: with the columns of the version that the
 * stream works with, also where its descriptor is older. False: it does not decode after all. */
static bool decode(struct judge *j, const struct judge_by *by, struct slice row)
{
    uint32_t columns =
        MAX(by->table->schema->column_count, codec_plan_schema(by->plan)->column_count);
    if (j->value_cap < columns) {
        j->value_cap = columns;
        j->values = mem_realloc(j->values, columns * sizeof(*j->values));
    }
    arena_reset(&j->arena);
    j->decoded = codec_decode(by->plan, row, &j->arena, j->values) == 0;
    if (j->decoded)
        row_values_raise(codec_plan_schema(by->plan), by->table->schema, j->values, &j->arena);
    return j->decoded;
}

static enum verdict verdict_of(enum rule_action a)
{
    switch (a) {
    case RULE_WARN: return VERDICT_KEEP;
    case RULE_DROP: return VERDICT_DROP;
    case RULE_QUARANTINE: return VERDICT_QUARANTINE;
    case RULE_REJECT: break;
    }
    return VERDICT_REJECT;
}

/* A row that fails some rules: the weightiest decides, each is counted. */
static enum verdict ask_failed(struct judge *j, const struct catalog_properties *p, uint64_t failed,
                               struct slice *ret_rule, struct err *e)
{
    uint32_t i = rule_set_deciding(p->rules, failed);
    const struct rule_text *text = rule_set_text(p->rules, i);
    enum verdict v = verdict_of(text->action);
    j->failed_rules = true;
    for (uint64_t left = failed; left != 0; left &= left - 1)
        j->rule_fails[__builtin_ctzll(left)]++;
    *ret_rule = text->name;
    j->warned += v == VERDICT_KEEP;
    bool told =
        v == VERDICT_QUARANTINE || (v == VERDICT_REJECT && ingest__report_wants(&j->report));
    if (told)
        (void)rule_set_explain(p->rules, i, j->values, e);
    return v;
}

/* Does the record fit the table's types? With rules it is decoded, which is the same check: then
 * codec_check() is asked for the reason only. */
static int check_types(struct judge *j, const struct judge_by *by, struct slice record,
                       struct err *e)
{
    bool ruled = by->table->properties.rules != NULL;
    size_t start = j->json.len;
    if (by->json) {
        TRY(codec_json_to_row(by->plan, record, &j->json, e));
        record = slice_of(j->json.data + start, j->json.len - start);
    }
    if (ruled && likely(decode(j, by, record)))
        return 0;
    if (ruled || !by->json)
        TRY(codec_check(by->plan, record, e));
    return ruled ? err_set(e, ERR_INTERNAL, "the row is valid, and cannot be decoded") : 0;
}

enum verdict ingest__judge_one(struct judge *j, const struct judge_by *by, struct slice record,
                               struct slice *ret_rule, struct err *e)
{
    const struct catalog_properties *p = &by->table->properties;
    *ret_rule = SLICE_NULL;
    j->decoded = false;
    if (unlikely(check_types(j, by, record, e) < 0))
        return p->quarantine ? VERDICT_QUARANTINE : VERDICT_REJECT;
    uint64_t failed = p->rules == NULL ? 0 : rule_set_check(p->rules, j->values);
    return likely(failed == 0) ? VERDICT_KEEP : ask_failed(j, p, failed, ret_rule, e);
}

/* ---- rows of the quarantine table ---- */

struct at {
    int64_t offset, now_us;
    uint32_t record; /* its index */
    struct slice bytes;
    struct slice rule; /* that it failed; data NULL: none */
};

static struct row_value text_value(struct slice s)
{
    return (struct row_value){.null = s.data == NULL, .bytes = s};
}

static struct row_value number_value(int64_t v)
{
    return (struct row_value){.i64 = v};
}

/* The row as JSON, where it has such a form: JSON itself, or what could be decoded. */
static struct slice render(struct judge *j, const struct judge_by *by, struct slice record)
{
    if (j->bad.len > QUARANTINE_JSON_TOTAL_MAX || record.len > QUARANTINE_JSON_BYTES_MAX)
        return SLICE_NULL;
    if (by->json)
        return codec_variant_check(record, NULL) == 0 ? record : SLICE_NULL;
    if (!j->decoded)
        return SLICE_NULL;
    buf_reset(&j->text);
    codec_values_to_json(by->table->schema, j->values, &j->text);
    return j->text.len <= QUARANTINE_JSON_BYTES_MAX ? buf_slice(&j->text) : SLICE_NULL;
}

static void note_bad(struct judge *j)
{
    if (j->bad_count == j->bad_cap) {
        j->bad_cap = MAX(16u, j->bad_cap * 2);
        j->bad_rows = mem_realloc(j->bad_rows, j->bad_cap * sizeof(*j->bad_rows));
    }
    /* Places for now: the buffer may move. */
    j->bad_rows[j->bad_count++] = slice_of(NULL, j->bad.len);
}

/* What cannot be read again would stop every reader of the quarantine table: a reason that is no
 * text is not kept. */
static int write_bad(struct judge *j, const struct judge_by *by, struct row_value values[],
                     struct err *e)
{
    const struct catalog_table *q = by->quarantine;
    size_t start = j->bad.len;
    codec_values_to_row(q->schema, values, &j->bad);
    if (codec_check(q->own, slice_of(j->bad.data + start, j->bad.len - start), NULL) == 0)
        return 0;
    j->bad.len = start;
    values[CATALOG_Q_REASON] = text_value(slice_str(NO_REASON));
    values[CATALOG_Q_COLUMN_PATH] = values[CATALOG_Q_JSON] = text_value(SLICE_NULL);
    codec_values_to_row(q->schema, values, &j->bad);
    return codec_check(q->own, slice_of(j->bad.data + start, j->bad.len - start), e);
}

static int add_bad(struct judge *j, const struct judge_by *by, const struct at *at,
                   const struct err *why, struct err *e)
{
    if (j->bad.len + at->bytes.len > BLOCK_BYTES_MAX)
        return err_set(e, ERR_INVALID,
                       "table %s, offset %lld: the bad records of this request, up to record %u, "
                       "take more than the quarantine table takes at once: send smaller requests",
                       by->table->name, (long long)at->offset, at->record);
    struct row_value values[CATALOG_QUARANTINE_COLUMNS] = {
        [CATALOG_Q_ARRIVED] = number_value(at->now_us),
        [CATALOG_Q_STREAM_ID] = text_value(slice_str(by->stream)),
        [CATALOG_Q_STREAM_OFFSET] = number_value(at->offset),
        [CATALOG_Q_RECORD_INDEX] = number_value(at->record),
        [CATALOG_Q_REASON] = text_value(slice_str(why->text)),
        [CATALOG_Q_RULE] = text_value(at->rule),
        [CATALOG_Q_COLUMN_PATH] =
            text_value(why->field[0] != '\0' ? slice_str(why->field) : SLICE_NULL),
        [CATALOG_Q_PRINCIPAL] = text_value(slice_str(by->principal)),
        [CATALOG_Q_RAW] = {.bytes = at->bytes},
        [CATALOG_Q_JSON] = text_value(render(j, by, at->bytes)),
        [CATALOG_Q_FORMAT] = text_value(slice_str(by->json ? "json" : "protobuf")),
        [CATALOG_Q_TABLE_ID] = number_value(by->table->id),
        [CATALOG_Q_DESCRIPTOR_ID] = number_value(by->descriptor_id),
        [CATALOG_Q_REPLAYED] = {.null = true},
    };
    TRY(write_bad(j, by, values, e));
    note_bad(j);
    return 0;
}

/* The buffer moves no more: places become slices. */
static void settle_bad(struct judge *j)
{
    for (uint32_t i = 0, at = 0; i < j->bad_count; i++) {
        size_t end = j->bad_rows[i].len;
        j->bad_rows[i] = slice_of(j->bad.data + at, end - at);
        at = (uint32_t)end;
    }
}

/* ---- a request ---- */

static void begin(struct judge *j, const struct judge_by *by, const struct request_rows *rows)
{
    buf_reset(&j->json);
    buf_reset(&j->details);
    buf_reset(&j->bad);
    ingest__report_reset(&j->report);
    j->bad_count = j->dropped = j->warned = 0;
    if (j->failed_rules)
        memset(j->rule_fails, 0, sizeof(j->rule_fails));
    j->failed_rules = false;
    if (by->json && j->ends_cap < rows->cap) {
        j->ends_cap = rows->cap;
        j->ends = mem_realloc(j->ends, j->ends_cap * sizeof(*j->ends));
    }
}

/* How many records from the first on are good: all of them, as a rule (J2). */
static uint32_t count_good(const struct judge_by *by, const struct request_rows *rows)
{
    uint32_t i = 0;
    while (i < rows->count && likely(codec_check(by->plan, rows->rows[i], NULL) == 0))
        i++;
    return i;
}

/* JSON can be short for much: a decimal is written with all its digits. */
static int check_size(const struct judge *j, const struct judge_by *by, const struct at *at,
                      struct err *e)
{
    if (likely(j->json.len <= BLOCK_BYTES_MAX))
        return 0;
    return err_set(e, ERR_INVALID,
                   "table %s, offset %lld: the JSON records of this request, up to record %u, take "
                   "more than a block of the log (%u bytes): send smaller requests",
                   by->table->name, (long long)at->offset, at->record, BLOCK_BYTES_MAX);
}

/* 1: it is kept, 0: not. */
static int take(struct judge *j, const struct judge_by *by, struct at *at, struct err *e)
{
    struct err why; /* written only where it is read: this is done for each record */
    size_t start = j->json.len;
    switch (ingest__judge_one(j, by, at->bytes, &at->rule, &why)) {
    case VERDICT_KEEP: TRY(check_size(j, by, at, e)); return 1;
    case VERDICT_DROP: j->dropped++; break;
    case VERDICT_REJECT: ingest__report_add(&j->report, at->record, &why); break;
    case VERDICT_QUARANTINE:
        if (j->report.total == 0) /* else nothing of the request is stored */
            TRY(add_bad(j, by, at, &why, e));
        break;
    }
    j->json.len = start;
    return 0;
}

/* Judges the records from @from on; those before it are kept. */
static int judge_from(struct judge *j, const struct judge_by *by, uint32_t from, struct at *at,
                      struct request_rows *rows, struct err *e)
{
    uint32_t kept = from;
    for (uint32_t i = from; i < rows->count; i++) {
        at->record = i;
        at->bytes = rows->rows[i];
        int r = take(j, by, at, e);
        TRY(r);
        if (r == 0)
            continue;
        if (by->json)
            j->ends[kept] = j->json.len;
        else
            rows->rows[kept] = rows->rows[i];
        kept++;
    }
    struct report_about about = {by->table->name, by->stream, at->offset, rows->count};
    rows->count = kept;
    return j->report.total == 0 ? 0 : ingest__report_tell(&j->report, &about, &j->details, e);
}

int ingest__judge_rows(struct judge *j, const struct judge_by *by, int64_t offset, int64_t now_us,
                       struct request_rows *rows, struct err *e)
{
    begin(j, by, rows);
    struct at at = {.offset = offset, .now_us = now_us};
    bool plain = !by->json && by->table->properties.rules == NULL;
    uint32_t good = plain ? count_good(by, rows) : 0;
    if (good < rows->count)
        TRY(judge_from(j, by, good, &at, rows, e));
    settle_bad(j);
    if (by->json)
        for (uint32_t i = 0, start = 0; i < rows->count; start = (uint32_t)j->ends[i++])
            rows->rows[i] = slice_of(j->json.data + start, j->ends[i] - start);
    return 0;
}
