/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "codec_priv.h"

static const char flat[] =
    "id bigint not null, n int, s smallint, name string, price decimal(9,2), "
    "raw binary, ok boolean, f float, d double, day date, t timestamp";

Test(codec_compile, takes_every_integer_form_of_the_columns_width_and_no_other_type)
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

Test(codec_compile, a_descriptor_that_does_not_fit_is_refused_naming_column_and_reason)
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
