/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "codec_priv.h"

static const char flat[] =
    "id bigint not null, n int, s smallint, name string, price decimal(9,2), "
    "raw binary, ok boolean, f float, d double, day date, t timestamp";

Test(codec_plan, matches_fields_to_columns_by_name_in_any_case_and_at_any_number)
{
    struct row_schema *s = help_schema(flat, NULL);
    struct codec_plan *p = NULL;
    struct buf d = BUF_NULL;
    wire_add_bytes(&d, 1, slice_str("Anything"));
    help_field(&d, "NAME", 1, PB_OPTIONAL, PB_STRING);
    help_field(&d, "Id", 536870911, PB_OPTIONAL, PB_INT64);
    help_field(&d, "t", 4095, PB_REQUIRED, PB_INT64);
    help_field(&d, "price", 4096, PB_OPTIONAL, PB_STRING);

    cr_assert_eq(codec_plan_new(buf_slice(&d), s, &p, NULL), 0);

    cr_assert_eq(codec_plan_schema(p), s);
    cr_assert_eq(p->field_count, 4u);
    cr_assert_eq(p->fields[0].column, 3);
    cr_assert_eq(p->fields[1].column, 10);
    cr_assert_eq(p->fields[2].column, 4);
    cr_assert_eq(p->fields[2].op, CODEC__DECIMAL);
    cr_assert_eq(p->fields[3].column, 0);
    cr_assert_eq(codec_plan_ref(p), p);
    codec_plan_unref(p);
    codec_plan_unref(p);
    cr_assert_null(codec_plan_unref(NULL));
    row_schema_unref(s);
    buf_deinit(&d);
}

Test(codec_plan, takes_every_integer_form_of_the_columns_width_and_no_other_type)
{
    static const struct {
        const char *ddl;
        uint32_t types; /* bit per FieldDescriptorProto.Type */
    } cases[] = {
        {"a boolean", 1u << PB_BOOL},
        {"a tinyint",
         1u << PB_INT32 | 1u << PB_UINT32 | 1u << PB_SINT32 | 1u << PB_FIXED32 | 1u << PB_SFIXED32},
        {"a date",
         1u << PB_INT32 | 1u << PB_UINT32 | 1u << PB_SINT32 | 1u << PB_FIXED32 | 1u << PB_SFIXED32},
        {"a bigint",
         1u << PB_INT64 | 1u << PB_UINT64 | 1u << PB_SINT64 | 1u << PB_FIXED64 | 1u << PB_SFIXED64},
        {"a timestamp_ntz",
         1u << PB_INT64 | 1u << PB_UINT64 | 1u << PB_SINT64 | 1u << PB_FIXED64 | 1u << PB_SFIXED64},
        {"a float", 1u << PB_FLOAT},
        {"a double", 1u << PB_DOUBLE},
        {"a decimal(3,1)", 1u << PB_STRING},
        {"a varchar(3)", 1u << PB_STRING},
        {"a binary", 1u << PB_BYTES},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (int type = PB_DOUBLE; type <= PB_SINT64; type++) {
            struct row_schema *s = help_schema(cases[i].ddl, NULL);
            struct codec_plan *p = NULL;
            struct buf d = BUF_NULL;
            help_field(&d, "a", 1, PB_OPTIONAL, (enum proto_type)type);

            int r = codec_plan_new(buf_slice(&d), s, &p, NULL);

            cr_assert_eq(r == 0, cases[i].types >> type & 1);
            codec_plan_unref(p);
            row_schema_unref(s);
            buf_deinit(&d);
        }
}

struct field {
    const char *name;
    uint32_t number;
    enum proto_label label;
    int type;
    const char *type_name;
};

static const struct {
    struct field fields[3];
    int code;
    const char *part;
} unfitting[] = {
    {{{"id", 1, PB_OPTIONAL, PB_INT64, NULL}, {"extra", 2, PB_OPTIONAL, PB_INT64, NULL}},
     ERR_INVALID,
     "no column for the descriptor's field \"extra\""},
    {{{"n", 1, PB_OPTIONAL, PB_INT32, NULL}},
     ERR_INVALID,
     "column id is NOT NULL but the descriptor has no field for it"},
    {{{"id", 1, PB_OPTIONAL, PB_INT32, NULL}},
     ERR_INVALID,
     "column id is bigint and takes a field of type int64, not int32"},
    {{{"id", 1, PB_OPTIONAL, PB_INT64, NULL}, {"n", 2, PB_OPTIONAL, PB_INT64, NULL}},
     ERR_INVALID,
     "column n is int and takes a field of type int32, not int64"},
    {{{"price", 1, PB_OPTIONAL, PB_DOUBLE, NULL}},
     ERR_INVALID,
     "column price is decimal(9,2) and takes a field of type string, not double"},
    {{{"name", 1, PB_REPEATED, PB_STRING, NULL}},
     ERR_INVALID,
     "column name is string, but the field is repeated"},
    {{{"name", 1, PB_REPEATED, PB_MESSAGE, "NameEntry"}}, ERR_INVALID, "the field is repeated"},
    {{{"name", 1, PB_OPTIONAL, PB_MESSAGE, ".pkg.Outer.Nested"}},
     ERR_INVALID,
     "column name is string, but the field is of message type .pkg.Outer.Nested"},
    {{{"name", 1, PB_OPTIONAL, PB_MESSAGE, "Nested"}}, ERR_INVALID, "of message type Nested"},
    {{{"name", 1, PB_OPTIONAL, 0, "Nested"}}, ERR_INVALID, "of message or enum type Nested"},
    {{{"n", 1, PB_OPTIONAL, PB_ENUM, ".pkg.Colour"}}, ERR_INVALID, "of enum type .pkg.Colour"},
    {{{"n", 1, PB_OPTIONAL, 0, NULL}}, ERR_INVALID, "of message or enum type (no name)"},
    {{{"n", 1, PB_OPTIONAL, PB_GROUP, "N"}}, ERR_UNSUPPORTED, "column n: the field is a group"},
    {{{"n", 1, PB_OPTIONAL, 19, NULL}}, ERR_INVALID, "column n: the field's type 19 is unknown"},
    {{{"n", 0, PB_OPTIONAL, PB_INT32, NULL}}, ERR_INVALID, "the field number 0 is outside"},
    {{{"n", 536870912, PB_OPTIONAL, PB_INT32, NULL}}, ERR_INVALID, "number 536870912 is outside"},
    {{{"id", 1, PB_OPTIONAL, PB_INT64, NULL}, {"ID", 2, PB_OPTIONAL, PB_INT64, NULL}},
     ERR_INVALID,
     "column id: two fields have its name"},
    {{{"id", 7, PB_OPTIONAL, PB_INT64, NULL}, {"n", 7, PB_OPTIONAL, PB_INT32, NULL}},
     ERR_INVALID,
     "both fields have the number 7"},
    {{{"", 1, PB_OPTIONAL, PB_INT64, NULL}}, ERR_INVALID, "not a serialised DescriptorProto"},
    {{{"\xff\n", 1, PB_OPTIONAL, PB_INT64, NULL}}, ERR_INVALID, "field \"??\""},
};

Test(codec_plan, a_descriptor_that_does_not_fit_is_refused_naming_column_and_reason)
{
    struct row_schema *s = help_schema(flat, NULL);

    for (size_t i = 0; i < ARRAY_LEN(unfitting); i++) {
        struct buf d = BUF_NULL, f = BUF_NULL;
        struct codec_plan *p = NULL;
        struct err e = {0};
        for (size_t k = 0; k < 3 && unfitting[i].fields[k].name != NULL; k++) {
            const struct field *field = &unfitting[i].fields[k];
            buf_reset(&f);
            wire_add_bytes(&f, 1, slice_str(field->name));
            wire_add_u64(&f, 3, field->number);
            wire_add_u64(&f, 4, field->label);
            if (field->type != 0)
                wire_add_u64(&f, 5, (uint64_t)field->type);
            if (field->type_name != NULL)
                wire_add_bytes(&f, 6, slice_str(field->type_name));
            wire_add_bytes(&d, 2, buf_slice(&f));
        }

        int r = codec_plan_new(buf_slice(&d), s, &p, &e);

        help_expect(unfitting[i].fields[0].name, r, &e, unfitting[i].code, unfitting[i].part);
        cr_assert_null(p);
        buf_deinit(&d);
        buf_deinit(&f);
    }
    row_schema_unref(s);
}

Test(codec_plan, bytes_that_are_no_descriptor_are_refused)
{
#define BYTES(text)                                                                                \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
        BYTES("\x12"),
        BYTES("\x12\x05\x0a"),
        BYTES("\x10\x01"),
        BYTES("\x0b"),
        BYTES("\x07"),
        BYTES("\x12\x02\x0a\x05"),
        BYTES("\x12\x02\x08\x01"),
        BYTES("\x12\x03\x1a\x01x"),
        BYTES("\x00"),
        BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
        BYTES("\x12\x00"),
        /* a FileDescriptorProto: name, package */
        BYTES("\x0a\x01"
              "f"
              "\x12\x03"
              "pkg"),
    };
#undef BYTES
    struct row_schema *s = help_schema("a int", NULL);
    struct codec_plan *p = NULL;
    struct err e = {0};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int r = codec_plan_new(slice_of(cases[i].bytes, cases[i].len), s, &p, &e);
        char what[24];
        (void)snprintf(what, sizeof(what), "case %zu", i);
        help_expect(what, r, &e, ERR_INVALID, "not a serialised DescriptorProto");
    }
    help_expect("empty", codec_plan_new(SLICE_NULL, s, &p, &e), &e, ERR_INVALID, "empty");
    uint8_t *large = mem_zalloc(600000);
    int r = codec_plan_new(slice_of(large, 600000), s, &p, &e);
    help_expect("large", r, &e, ERR_INVALID, "at most 524288");
    mem_free(large);
    row_schema_unref(s);
}

Test(codec_plan, nested_types_options_and_unknown_members_of_a_descriptor_are_no_obstacle)
{
    struct row_schema *s = help_schema("a int", NULL);
    struct codec_plan *p = NULL;
    struct buf d = BUF_NULL;
    wire_add_bytes(&d, 3, slice_str("nested type, not looked at"));
    wire_add_bytes(&d, 7, slice_str("\x38\x01"));
    help_field(&d, "a", 3, PB_OPTIONAL, PB_INT32);
    wire_add_bytes(&d, 8, slice_str("\x0a\x02_a"));
    wire_add_u64(&d, 1000, 1);

    cr_assert_eq(codec_plan_new(buf_slice(&d), s, &p, NULL), 0);

    codec_plan_unref(p);
    row_schema_unref(s);
    buf_deinit(&d);
}

Test(codec_plan, the_tables_own_descriptor_makes_a_plan_for_each_of_its_columns)
{
    struct row_schema *s = help_schema(flat, "id");
    struct buf d = BUF_NULL;
    struct codec_plan *own = codec_plan_new_own(s), *again = NULL;

    codec_table_descriptor(s, "Flat", &d);
    cr_assert_eq(codec_plan_new(buf_slice(&d), s, &again, NULL), 0);

    cr_assert_eq(own->field_count, s->column_count);
    cr_assert_eq(again->field_count, s->column_count);
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
