/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "codec_priv.h"

static const char flat[] =
    "id bigint not null, n int, s smallint, name string, price decimal(9,2), "
    "raw binary, ok boolean, f float, d double, day date, t timestamp";

Test(codec_own, the_tables_own_descriptor_makes_a_plan_for_each_of_its_columns)
{
    struct row_schema *s = help_schema(flat, "id");
    struct buf d = BUF_NULL;
    struct codec_plan *own = codec_plan_new_own(s), *again = NULL;

    codec_table_descriptor(s, "Flat", &d);
    cr_assert_eq(codec_plan_new(buf_slice(&d), s, &again, NULL), 0);

    cr_assert_eq(own->root.field_count, s->column_count);
    cr_assert_eq(again->root.field_count, s->column_count);
    cr_assert_arr_eq(d.data,
                     "\x0a\x04"
                     "Flat"
                     "\x12\x0a\x0a\x02id\x18\x01\x20\x02\x28\x03",
                     18);
    codec_plan_unref(own);
    codec_plan_unref(again);
    row_schema_unref(s);
    buf_deinit(&d);
}

/* The names of the types nested in @body, and of those in them: "A(Entry*) B". A map's entry has a
 * star. */
static void show_types(struct slice body, struct buf *out)
{
    const uint8_t *p = body.data, *end = p + body.len;
    struct wire_field w;
    while (wire_next(&p, end, &w) > 0) {
        if (w.number == 1 && out->len > 0 && out->data[out->len - 1] != '(')
            buf_add_byte(out, ' ');
        if (w.number == 1)
            buf_add_slice(out, w.bytes);
        if (w.number == 7)
            buf_add_byte(out, '*');
        if (w.number == 3) {
            buf_add_byte(out, '(');
            show_types(w.bytes, out);
            buf_add_byte(out, ')');
        }
    }
}

Test(codec_own, types_are_named_like_their_fields_and_stand_beside_them)
{
    static const struct {
        const char *ddl, *types;
    } cases[] = {
        {"unit_price struct<a int>", "Row(UnitPrice)"},
        {"a array<struct<b struct<c int>>>", "Row(A(B))"},
        {"m array<array<double>>", "Row(M)"},
        {"t map<string,map<string,int>>", "Row(T(EntriesEntry*))(TEntry*)"},
        {"t array<array<array<struct<x int>>>>", "Row(T(Element(Element)))"},
        {"s map<int,struct<a int>>, sEntry struct<b int>", "Row(S)(SEntry*)(SEntry_)"},
        {"sEntry struct<b int>, s map<int,int>", "Row(SEntry)(SEntry_)"},
        {"A struct<x int>, a_ struct<x int>", "Row(A_)(A__)"},
        {"SEntry int, s map<int,int>", "Row(SEntry_)"},
        {"A_ struct<x int>, a struct<x int>, _a struct<x int>, A____ int, a___ struct<x int>",
         "Row(A)(A__)(A___)(A_____)"},
        {"_1 map<int,int>, _ struct<a int>", "Row(T1Entry)(T)"},
        {"v variant, l array<variant>, k map<int,variant>", "Row(KEntry*)"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct row_schema *s = help_schema(cases[i].ddl, NULL);
        struct buf d = BUF_NULL, types = BUF_NULL;

        codec_table_descriptor(s, "Row", &d);

        show_types(buf_slice(&d), &types);
        if (strcmp(buf_cstr(&types), cases[i].types) != 0)
            fprintf(stderr, "%s: %s\n", cases[i].ddl, buf_cstr(&types));
        cr_assert_str_eq(buf_cstr(&types), cases[i].types);
        codec_plan_unref(codec_plan_new_own(s));
        row_schema_unref(s);
        buf_deinit(&d);
        buf_deinit(&types);
    }
}

Test(codec_own, lists_are_repeated_and_numbers_packed)
{
    struct row_schema *s = help_schema("l array<bigint>, t array<string not null> not null, "
                                       "s struct<a int not null> not null",
                                       NULL);
    struct buf d = BUF_NULL;
    const uint8_t *at;
    struct codec__field_descriptor f;

    codec_table_descriptor(s, "Row", &d);

    at = d.data;
    cr_assert_eq(codec__next_field(&at, d.data + d.len, &f), 1);
    cr_assert_eq(f.label, CODEC__LABEL_REPEATED);
    cr_assert_eq(f.type, PB_INT64);
    cr_assert(memcmp(at - 4, "\x42\x02\x10\x01", 4) == 0); /* options {packed = true} */
    cr_assert_eq(codec__next_field(&at, d.data + d.len, &f), 1);
    cr_assert_eq(f.label, CODEC__LABEL_REPEATED);
    cr_assert_eq(f.type, PB_STRING);
    cr_assert_eq(codec__next_field(&at, d.data + d.len, &f), 1);
    cr_assert_eq(f.label, CODEC__LABEL_REQUIRED);
    cr_assert(slice_eq(f.type_name, slice_str("S")));
    row_schema_unref(s);
    buf_deinit(&d);
}

/* As many types as DDL can say: no limit of a descriptor ends the process. */
Test(codec_own, a_schema_of_thousands_of_structs_has_its_plan)
{
    struct buf ddl = BUF_NULL;
    for (int i = 0; i < 1900; i++)
        buf_printf(&ddl, "%sc%d struct<a:struct<a:struct<a:struct<a:struct<a:struct<a:int>>>>>>",
                   i == 0 ? "" : ",", i);
    struct row_schema *s = help_schema(buf_cstr(&ddl), NULL);

    struct codec_plan *own = codec_plan_new_own(s);

    cr_assert_eq(own->root.field_count, 1900u);
    codec_plan_unref(own);
    row_schema_unref(s);
    buf_deinit(&ddl);
}

/* A table's plan is made under the catalog's lock. */
Test(codec_own, two_thousand_types_of_one_name_are_told_apart_at_once, .timeout = 15)
{
    struct buf ddl = BUF_NULL, d = BUF_NULL;
    for (int i = 0; i < COLUMNS_MAX; i++) /* "a", "a_", …, "_a", "_a_", … */
        buf_printf(&ddl, "%s%.*sa%.*s struct<x int>", i == 0 ? "" : ",", i / 50,
                   "________________________________________", i % 50,
                   "__________________________________________________");
    struct row_schema *s = help_schema(buf_cstr(&ddl), NULL);
    struct codec__field_descriptor f;

    codec_table_descriptor(s, "Row", &d);

    const uint8_t *at = d.data;
    for (size_t i = 0; i < COLUMNS_MAX; i++) {
        cr_assert_eq(codec__next_field(&at, d.data + d.len, &f), 1);
        cr_assert_eq(f.type_name.len, i + 1); /* "A" and so many underscores */
    }
    codec_plan_unref(codec_plan_new_own(s));
    row_schema_unref(s);
    buf_deinit(&ddl);
    buf_deinit(&d);
}
