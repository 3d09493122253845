/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "codec_priv.h"

Test(codec_descriptor, bytes_that_are_no_descriptor_are_refused)
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

Test(codec_descriptor, nested_types_options_and_unknown_members_of_a_descriptor_are_no_obstacle)
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

/* A message type of that name holding @inner, as a nested_type of @to. */
static void add_type(struct buf *to, const char *name, const struct buf *inner)
{
    struct buf body = BUF_NULL;
    wire_add_bytes(&body, 1, slice_str(name));
    buf_add_slice(&body, buf_slice(inner));
    wire_add_bytes(to, 3, buf_slice(&body));
    buf_deinit(&body);
}

/* Row { A { B { C {} } A {} } Row { X {} } } */
static void small_tree(struct buf *d)
{
    struct buf c = BUF_NULL, b = BUF_NULL, a = BUF_NULL, row = BUF_NULL, none = BUF_NULL;
    add_type(&c, "C", &none);
    add_type(&b, "B", &c);
    add_type(&b, "A", &none);
    wire_add_bytes(d, 1, slice_str("Row"));
    add_type(d, "A", &b);
    add_type(&row, "X", &none);
    add_type(d, "Row", &row);
    buf_deinit(&a);
    buf_deinit(&b);
    buf_deinit(&c);
    buf_deinit(&row);
}

/* The types level by level: 0 Row, 1 A, 2 Row.Row, 3 A.B, 4 A.A, 5 Row.Row.X, 6 A.B.C */
Test(codec_descriptor, type_names_resolve_in_both_dialects)
{
    static const struct {
        const char *name;
        uint32_t scope;
        int type;
    } cases[] = {
        {".Row.A", 0, 1},
        {".Row.A.B", 0, 3},
        {".shop.v1.Row.A.B.C", 6, 6},
        {".Row.pkg.Row.A", 0, 1},
        {".a.Row.Row.X", 0, 5},
        {".a.Row.X", 0, -1},
        {".Row", 0, 0},
        {".Row.Row", 0, 2},
        {".A", 0, -1},
        {".pkg.Other.A", 0, -1},
        {"A", 0, 1},
        {"A", 1, 4},
        {"A", 6, 4},
        {"B", 1, 3},
        {"B", 0, -1},
        {"C", 3, 6},
        {"A.B.C", 5, 6},
        {"Row.X", 0, 5},
        {"Row.A.B", 0, 3},
        {"pkg.Row.A", 3, 1},
        {"", 0, -1},
        {".", 0, -1},
        {"A.", 0, 1},
        {"..A", 0, -1},
    };
    struct buf d = BUF_NULL;
    struct codec__types t;
    small_tree(&d);
    cr_assert_eq(codec__types_read(buf_slice(&d), 7, &t, NULL), 0);
    cr_assert_eq(t.count, 7u);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int found = codec__types_find(&t, cases[i].scope, slice_str(cases[i].name));
        if (found != cases[i].type)
            fprintf(stderr, "\"%s\" in %u: %d\n", cases[i].name, cases[i].scope, found);
        cr_assert_eq(found, cases[i].type);
    }
    codec__types_deinit(&t);
    buf_deinit(&d);
}

Test(codec_descriptor, too_many_types_and_a_malformed_one_are_refused)
{
    struct buf d = BUF_NULL;
    struct codec__types t;
    struct err e = {0};
    small_tree(&d);

    int r = codec__types_read(buf_slice(&d), 6, &t, &e);
    help_expect("seventh type", r, &e, ERR_INVALID, "more than 6 message types");

    wire_add_bytes(&d, 3, slice_str("\x1a\x05"));
    r = codec__types_read(buf_slice(&d), 100, &t, &e);
    help_expect("cut type", r, &e, ERR_INVALID, "not a serialised DescriptorProto");
    buf_deinit(&d);
}
