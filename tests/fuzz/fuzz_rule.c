/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Row rules: any text against one table of every type, and any row. A text that was taken gives the
 * same verdict each time, its explanation agrees with it, and NOT turns TRUE into FALSE and back;
 * a text that was refused says why.
 *
 * Input: a part with the predicate, then bytes for the row's values.
 */
#include "fuzz.h"

#include "base/limits.h"
#include "base/mem.h"
#include "rule/rule.h"

#include <string.h>

static const char ddl[] =
    "t BOOLEAN, i INT, l BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10,2), w DECIMAL(38,0), s STRING, "
    "b BINARY, day DATE, at TIMESTAMP, wall TIMESTAMP_NTZ, st STRUCT<x: INT, s: STRING>, "
    "a ARRAY<INT>, m MAP<STRING, DOUBLE>, v VARIANT";
#define COLUMNS 16

static struct row_value flat_value(struct fuzz_in *in, const struct row_column *c)
{
    struct row_value v = {.null = (fuzz_u8(in) & 3) == 0};
    uint64_t bits;
    switch (c->type) {
    case ROW_BOOLEAN: v.boolean = fuzz_u8(in) & 1; break;
    case ROW_INT:
    case ROW_DATE: v.i64 = (int32_t)fuzz_u64(in); break;
    case ROW_FLOAT: v.f32 = (float)(int16_t)fuzz_u16(in) / 16; break;
    case ROW_DOUBLE:
        bits = fuzz_u64(in);
        memcpy(&v.f64, &bits, sizeof(bits));
        break;
    case ROW_DECIMAL:
        v.decimal = (int64_t)fuzz_u64(in);
        v.decimal = c->scale > 0 ? v.decimal % 10000000000 : v.decimal * INT64_MAX;
        break;
    case ROW_STRING:
    case ROW_VARIANT:
    case ROW_BINARY: v.bytes = fuzz_take(in, fuzz_u8(in) & 31); break;
    default: v.i64 = (int64_t)fuzz_u64(in); break;
    }
    return v;
}

static struct row_value value_of(struct fuzz_in *in, const struct row_column *c,
                                 struct arena *arena)
{
    if (row_type_is_flat(c->type) || c->type == ROW_VARIANT)
        return flat_value(in, c);
    struct row_value v = {.null = (fuzz_u8(in) & 3) == 0};
    v.item_count = c->type == ROW_STRUCT ? c->field_count : (fuzz_u8(in) & 3) * c->field_count;
    struct row_value *items = arena_alloc(arena, (v.item_count + 1) * sizeof(*items));
    for (uint32_t i = 0; i < v.item_count; i++) {
        items[i] = flat_value(in, &c->fields[i % c->field_count]);
        items[i].null &= c->type != ROW_MAP || i % 2 == 1;
    }
    v.items = items;
    return v;
}

/* The verdict's word in a failure's sentence, which stands behind the predicate. */
static bool says(const struct rule_set *set, uint32_t rule, const struct row_value *values,
                 const char *word)
{
    struct err e = {0};
    FUZZ_CHECK(rule_set_explain(set, rule, values, &e) == ERR_INVALID);
    FUZZ_CHECK(strncmp(e.text, "rule \"", 6) == 0);
    return strstr(e.text, word) != NULL;
}

/* The hot path and the sentence come to the same. */
static void check_truth(const struct rule_set *set, const struct row_value *values, uint64_t failed)
{
    for (uint32_t i = 0; i < rule_set_count(set); i++)
        FUZZ_CHECK(says(set, i, values, " is TRUE") == ((failed >> i & 1) == 0));
}

/* @plain: neither predicate nor row has the words of a verdict. */
static void check_row(const struct rule_set *set, struct fuzz_in *in, const struct row_schema *s,
                      bool plain)
{
    struct arena arena = ARENA_NULL;
    struct row_value values[COLUMNS];
    for (uint32_t i = 0; i < COLUMNS; i++)
        values[i] = value_of(in, &s->columns[i], &arena);
    uint64_t failed = rule_set_check(set, values);
    FUZZ_CHECK(failed == rule_set_check(set, values));
    FUZZ_CHECK(failed != 0); /* a text and its NOT are never both TRUE */
    FUZZ_CHECK((failed & ~(uint64_t)3) == 0);
    bool holds = (failed & 1) == 0, not_holds = (failed & 2) == 0;
    if (plain)
        check_truth(set, values, failed);
    FUZZ_CHECK(!holds || says(set, 1, values, " is FALSE"));
    FUZZ_CHECK(!not_holds || says(set, 0, values, " is FALSE"));
    FUZZ_CHECK(rule_set_deciding(set, failed) == (holds ? 1 : 0));
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = fuzz_in(data, size);
    struct slice text = fuzz_part(&in);
    struct row_schema *s = NULL;
    FUZZ_CHECK(row_schema_parse(slice_str(ddl), NULL, 0, &s, NULL) == 0);
    FUZZ_CHECK(s->column_count == COLUMNS);
    struct buf negated = BUF_NULL;
    buf_add_str(&negated, "NOT (");
    buf_add_slice(&negated, text);
    buf_add_str(&negated, ")");
    struct rule_text rules[] = {{slice_str("yes"), RULE_REJECT, text},
                                {slice_str("no"), RULE_DROP, buf_slice(&negated)}};
    struct rule_set *set = NULL;
    struct err e = {0};
    int r = rule_set_new(s, rules, 1, &set, &e);
    FUZZ_CHECK(r == 0 || (r == ERR_INVALID && e.text[0] != '\0'));
    rule_set_unref(TAKE(set));
    /* NOT and its parentheses nest two levels deeper, or make the text too long. */
    if (r == 0 && rule_set_new(s, rules, 2, &set, &e) == 0) {
        check_row(set, &in, s, memmem(data, size, " is TRUE", 8) == NULL);
        rule_set_unref(set);
    }
    buf_deinit(&negated);
    row_schema_unref(s);
    return 0;
}
