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

/* ---- nested ---- */

static const char nested[] =
    "id bigint not null, address struct<street string not null, zip int>, "
    "tags map<string,int>, lines array<struct<sku string, prices array<decimal(9,2)>>>, "
    "m array<array<int>>, v variant";

static void add_street(struct buf *to)
{
    help_field(to, "STREET", 7, PB_OPTIONAL, PB_STRING);
}

/* Everything under other numbers, other names and in another order than in the own message. */
static void fitting(struct buf *d)
{
    struct buf address = BUF_NULL, entry = BUF_NULL, line = BUF_NULL, wrapper = BUF_NULL;
    wire_add_bytes(d, 1, slice_str("Order"));
    help_field(d, "v", 1, PB_OPTIONAL, PB_STRING);
    help_field(d, "ID", 2, PB_REQUIRED, PB_INT64);
    help_message_field(d, "Address", 9, PB_OPTIONAL, ".shop.v1.Order.Place");
    help_message_field(d, "tags", 4, PB_REPEATED, "TagsEntry");
    help_message_field(d, "lines", 5, PB_REPEATED, ".Order.Line");
    help_message_field(d, "m", 6, PB_REPEATED, "Order.Inner");
    help_field(&address, "zip", 1, PB_OPTIONAL, PB_INT32);
    add_street(&address);
    help_type(d, "Place", &address, false);
    help_field(&entry, "key", 1, PB_OPTIONAL, PB_STRING);
    help_field(&entry, "value", 2, PB_OPTIONAL, PB_SINT32);
    help_type(d, "TagsEntry", &entry, true);
    help_field(&line, "prices", 1, PB_REPEATED, PB_STRING);
    help_type(d, "Line", &line, false);
    help_field(&wrapper, "Element", 5, PB_REPEATED, PB_INT32);
    help_type(d, "Inner", &wrapper, false);
}

Test(codec_compile, nested_fields_are_matched_by_name_at_every_depth)
{
    struct row_schema *s = help_schema(nested, NULL);
    struct codec_plan *p = NULL;
    struct buf d = BUF_NULL;
    struct err e = {0};
    fitting(&d);

    int r = codec_plan_new(buf_slice(&d), s, &p, &e);
    if (r != 0)
        fprintf(stderr, "%s\n", e.text);
    cr_assert_eq(r, 0);

    help_expect_row(p, "2:1 9{7'x'} 4{1'k' 2:1} 5{1'1' 1'2'} 6{5[1 2]} 6{}",
                    "{id=1 address={street='x' zip=-} tags=['k'=-1] "
                    "lines=[{sku=- prices=[1.00 2.00]}] m=[[1 2] []] v=-}");
    help_expect_refused(p, "2:1 9{1:1}", "column address.street is NOT NULL", "address.street");
    codec_plan_unref(p);
    row_schema_unref(s);
    buf_deinit(&d);
}

/* One thing of the descriptor above is otherwise: @name's field. */
struct change {
    const char *in; /* message type; NULL: the record */
    const char *name;
    enum proto_label label;
    int type;
    const char *type_name;
    bool map_entry;
    const char *path, *part;
};

static const struct change changes[] = {
    {NULL, "address", PB_OPTIONAL, PB_STRING, NULL, 0, "address",
     "and takes a field of message type, not string"},
    {NULL, "address", PB_REPEATED, PB_MESSAGE, "Place", 0, "address", "but the field is repeated"},
    {NULL, "address", PB_OPTIONAL, PB_MESSAGE, "Nowhere", 0, "address",
     ": the message type Nowhere is not nested in the descriptor"},
    {NULL, "address", PB_OPTIONAL, PB_MESSAGE, ".Other.Place", 0, "address", "is not nested in"},
    {NULL, "address", PB_OPTIONAL, PB_ENUM, "Place", 0, "address",
     "the field is of enum type Place"},
    {NULL, "address", PB_OPTIONAL, PB_MESSAGE, ".Order", 0, "address",
     ": the message type .Order contains itself; a column cannot"},
    {NULL, "address", PB_OPTIONAL, PB_MESSAGE, "Line", 0, "address",
     "column address has no field for the descriptor's field \"prices\""},
    {NULL, "address", PB_OPTIONAL, PB_MESSAGE, "TagsEntry", 0, "address", "but the field is a map"},
    {NULL, "tags", PB_OPTIONAL, PB_MESSAGE, "TagsEntry", 0, "tags",
     "but the field is not repeated"},
    {NULL, "tags", PB_REPEATED, PB_STRING, NULL, 0, "tags", "takes a field of message type, not"},
    {NULL, "tags", PB_REPEATED, PB_MESSAGE, "Place", 0, "tags",
     "column tags has no field for the descriptor's field \"zip\""},
    {"TagsEntry", "value", PB_OPTIONAL, PB_INT64, NULL, 1, "tags.value",
     "column tags.value is int and takes a field of type int32, not int64"},
    {"TagsEntry", "key", PB_OPTIONAL, PB_BYTES, NULL, 1, "tags.key",
     "column tags.key is string and takes a field of type string, not bytes"},
    {"TagsEntry", "key", PB_OPTIONAL, 0, NULL, 1, "tags.key", ": its message has no field \"key\""},
    {NULL, "lines", PB_OPTIONAL, PB_MESSAGE, "Line", 0, "lines", "but the field is not repeated"},
    {NULL, "lines", PB_REPEATED, PB_INT32, NULL, 0, "lines.element",
     "takes a field of message type, not int32"},
    {"Line", "prices", PB_OPTIONAL, PB_STRING, NULL, 0, "lines.element.prices", "is not repeated"},
    {"Line", "prices", PB_REPEATED, PB_DOUBLE, NULL, 0, "lines.element.prices.element",
     "is decimal(9,2) and takes a field of type string, not double"},
    {"Line", "PRICE", PB_REPEATED, PB_STRING, NULL, 0, "lines.element",
     "column lines.element has no field for the descriptor's field \"PRICE\""},
    {"Line", "sku", PB_OPTIONAL, PB_MESSAGE, "Line", 0, "lines.element.sku",
     "is string, but the field is of message type Line"},
    {NULL, "m", PB_REPEATED, PB_INT32, NULL, 0, "m.element", "takes a field of message type"},
    {"Inner", "other", PB_REPEATED, PB_INT32, NULL, 0, "m.element",
     "has no field for the descriptor's field \"other\""},
    {"Inner", "element", PB_OPTIONAL, PB_INT32, NULL, 0, "m.element", "is not repeated"},
    {"Inner", "element", PB_REPEATED, PB_STRING, NULL, 0, "m.element.element",
     "is int and takes a field of type int32, not string"},
    {"Place", "zip", PB_OPTIONAL, PB_INT32, NULL, 0, "address.street",
     "column address.street is NOT NULL but the descriptor has no field for it"},
    {NULL, "v", PB_OPTIONAL, PB_BYTES, NULL, 0, "v", "is variant and takes a field of type string"},
    {NULL, "v", PB_REPEATED, PB_STRING, NULL, 0, "v", "is variant, but the field is repeated"},
};

/* The record with only what the change needs. */
static void changed(struct buf *d, const struct change *c)
{
    static const struct {
        const char *field, *type;
        enum proto_label label;
    } uses[] = {{"address", "Place", PB_OPTIONAL},
                {"tags", "TagsEntry", PB_REPEATED},
                {"lines", "Line", PB_REPEATED},
                {"m", "Inner", PB_REPEATED}};
    static const char *const types[] = {"Place", "TagsEntry", "Line", "Inner"};
    wire_add_bytes(d, 1, slice_str("Order"));
    help_field(d, "id", 100, PB_OPTIONAL, PB_INT64);
    for (size_t i = 0; i < ARRAY_LEN(uses); i++)
        if (c->in != NULL && strcmp(c->in, uses[i].type) == 0)
            help_message_field(d, uses[i].field, 10, uses[i].label, uses[i].type);
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct buf body = BUF_NULL;
        bool is_in = c->in != NULL && strcmp(c->in, types[i]) == 0;
        if (is_in && c->type_name != NULL)
            help_message_field(&body, c->name, 1, c->label, c->type_name);
        else if (is_in && c->type != 0)
            help_field(&body, c->name, 1, c->label, (enum proto_type)c->type);
        if (!is_in && i == 0)
            help_field(&body, "zip", 1, PB_OPTIONAL, PB_INT32);
        if (!is_in && i == 2)
            help_field(&body, "prices", 1, PB_REPEATED, PB_STRING);
        help_type(d, types[i], &body, i == 1);
    }
    if (c->in == NULL && c->type_name != NULL) {
        struct buf f = BUF_NULL;
        help_message_field(&f, c->name, 1, c->label, c->type_name);
        for (size_t i = 0; i + 1 < f.len && c->type == PB_ENUM; i++)
            if (f.data[i] == 0x28 && f.data[i + 1] == PB_MESSAGE)
                f.data[i + 1] = PB_ENUM;
        buf_add_slice(d, buf_slice(&f));
        buf_deinit(&f);
    } else if (c->in == NULL) {
        help_field(d, c->name, 1, c->label, (enum proto_type)c->type);
    }
}

Test(codec_compile, nested_fields_that_do_not_fit_are_refused_with_their_path)
{
    struct row_schema *s = help_schema(nested, NULL);

    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct buf d = BUF_NULL;
        struct codec_plan *p = NULL;
        struct err e = {0};
        char what[24];
        (void)snprintf(what, sizeof(what), "change %zu", i);
        changed(&d, &changes[i]);

        int r = codec_plan_new(buf_slice(&d), s, &p, &e);

        help_expect(what, r, &e, ERR_INVALID, changes[i].part);
        if (strcmp(e.field, changes[i].path) != 0)
            fprintf(stderr, "%s: blames %s\n", what, e.field);
        cr_assert_str_eq(e.field, changes[i].path);
        cr_assert_null(p);
        buf_deinit(&d);
    }
    row_schema_unref(s);
}

/* A type that contains itself through another one. */
Test(codec_compile, a_descriptor_that_recurs_over_two_types_is_refused)
{
    struct row_schema *s = help_schema("a struct<b struct<a struct<b int>>>", NULL);
    struct codec_plan *p = NULL;
    struct buf d = BUF_NULL, a = BUF_NULL, b = BUF_NULL;
    struct err e = {0};
    help_message_field(&d, "a", 1, PB_OPTIONAL, "A");
    help_message_field(&a, "b", 1, PB_OPTIONAL, "B");
    help_message_field(&b, "a", 1, PB_OPTIONAL, "A");
    help_type(&d, "A", &a, false);
    help_type(&d, "B", &b, false);

    int r = codec_plan_new(buf_slice(&d), s, &p, &e);

    help_expect("A in B in A", r, &e, ERR_INVALID,
                "column a.b.a: the message type A contains itself");
    row_schema_unref(s);
    buf_deinit(&d);
}

/* One type for several columns is no recursion; a map need not say that it is one. */
Test(codec_compile, types_may_be_used_twice_and_an_entry_may_be_a_plain_message)
{
    struct row_schema *s = help_schema("a struct<x int>, b array<struct<x int>>, m map<int,int>, "
                                       "n map<int,array<int>>",
                                       NULL);
    struct codec_plan *p = NULL;
    struct buf d = BUF_NULL, x = BUF_NULL, e = BUF_NULL, f = BUF_NULL, w = BUF_NULL;
    help_message_field(&d, "a", 1, PB_OPTIONAL, "X");
    help_message_field(&d, "b", 2, PB_REPEATED, "X");
    help_message_field(&d, "m", 3, PB_REPEATED, "E");
    help_message_field(&d, "n", 4, PB_REPEATED, "F");
    help_field(&x, "x", 1, PB_OPTIONAL, PB_INT32);
    help_type(&d, "X", &x, false);
    help_field(&e, "value", 1, PB_OPTIONAL, PB_INT32);
    help_field(&e, "key", 2, PB_OPTIONAL, PB_INT32);
    help_type(&d, "E", &e, false);
    help_field(&f, "key", 1, PB_OPTIONAL, PB_INT32);
    help_message_field(&f, "value", 2, PB_OPTIONAL, "W");
    help_type(&d, "F", &f, true);
    help_field(&w, "element", 1, PB_REPEATED, PB_INT32);
    help_type(&d, "W", &w, false);

    cr_assert_eq(codec_plan_new(buf_slice(&d), s, &p, NULL), 0);

    help_expect_row(p, "1{1:1} 2{1:2} 3{1:10 2:20} 4{1:1 2{1:7}} 4{}",
                    "{a={x=1} b=[{x=2}] m=[20=10] n=[1=[7] 0=[]]}");
    codec_plan_unref(p);
    row_schema_unref(s);
    buf_deinit(&d);
}
