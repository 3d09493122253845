/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "codec_priv.h"

#define BYTES(text)                                                                                \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

Test(codec_decode, gives_each_column_its_value_and_null_where_nothing_came)
{
    struct row_schema *s = help_schema(
        "a boolean, b tinyint, c smallint, d int, e bigint, f float, g double, h decimal(20,3), "
        "i string, j binary, k date, l timestamp, m timestamp_ntz, n string",
        NULL);
    struct codec_plan *p = codec_plan_new_own(s);
    struct row_value in[14] = {{.boolean = true},
                               {.i64 = -128},
                               {.i64 = 32767},
                               {.i64 = INT32_MIN},
                               {.i64 = INT64_MIN},
                               {.f32 = 1.5f},
                               {.f64 = -0.1},
                               {.decimal = -(row_i128)12345678901234567890u},
                               {.bytes = slice_str("Gr\xc3\xbc\xc3\x9f")},
                               {.bytes = slice_of("\x00\xff", 2)},
                               {.i64 = 19000},
                               {.i64 = 1700000000000000},
                               {.i64 = -1},
                               {.null = true}};
    struct row_value out[14];
    struct buf row = BUF_NULL;

    codec_values_to_row(s, in, &row);
    cr_assert_eq(codec_check(p, buf_slice(&row), NULL), 0);
    cr_assert_eq(codec_decode(p, buf_slice(&row), NULL, out), 0);

    for (int i = 0; i < 14; i++)
        cr_assert_eq(out[i].null, in[i].null);
    cr_assert_eq(out[0].boolean, true);
    for (int i = 1; i < 5; i++)
        cr_assert_eq(out[i].i64, in[i].i64);
    cr_assert_eq(out[5].f32, 1.5f);
    cr_assert_eq(out[6].f64, -0.1);
    cr_assert(out[7].decimal == in[7].decimal);
    cr_assert(slice_eq(out[8].bytes, in[8].bytes));
    cr_assert(slice_eq(out[9].bytes, in[9].bytes));
    for (int i = 10; i < 13; i++)
        cr_assert_eq(out[i].i64, in[i].i64);
    codec_plan_unref(p);
    row_schema_unref(s);
    buf_deinit(&row);
}

Test(codec_decode, understands_every_integer_form)
{
    static const struct {
        const char *ddl;
        enum proto_type type;
        struct slice row;
        int64_t value;
    } cases[] = {
        {"a int", PB_INT32, BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), -1},
        {"a int", PB_SINT32, BYTES("\x08\x03"), -2},
        {"a int", PB_UINT32, BYTES("\x08\x80\x01"), 128},
        {"a int", PB_FIXED32, BYTES("\x0d\x01\x02\x00\x00"), 513},
        {"a int", PB_SFIXED32, BYTES("\x0d\xfe\xff\xff\xff"), -2},
        {"a bigint", PB_INT64, BYTES("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), INT64_MIN},
        {"a bigint", PB_SINT64, BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), INT64_MIN},
        {"a bigint", PB_UINT64, BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), INT64_MAX},
        {"a bigint", PB_FIXED64, BYTES("\x09\xff\xff\xff\xff\xff\xff\xff\x7f"), INT64_MAX},
        {"a bigint", PB_SFIXED64, BYTES("\x09\xff\xff\xff\xff\xff\xff\xff\xff"), -1},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct row_schema *s = help_schema(cases[i].ddl, NULL);
        struct codec_plan *p = NULL;
        struct buf d = BUF_NULL;
        struct row_value v;
        help_field(&d, "a", 1, PB_OPTIONAL, cases[i].type);
        cr_assert_eq(codec_plan_new(buf_slice(&d), s, &p, NULL), 0);

        cr_assert_eq(codec_check(p, cases[i].row, NULL), 0);
        cr_assert_eq(codec_decode(p, cases[i].row, NULL, &v), 0);

        cr_assert_eq(v.i64, cases[i].value);
        codec_plan_unref(p);
        row_schema_unref(s);
        buf_deinit(&d);
    }
}

/* id bigint NOT NULL = 1, n tinyint = 2, name string = 3, price decimal(5,2) = 4, f float = 5,
 * d double = 6, ok boolean = 7, raw binary = 5000 */
static struct codec_plan *small_plan(struct row_schema **ret_schema)
{
    struct row_schema *s = help_schema(
        "id bigint not null, n tinyint, name string, price decimal(5,2), f float, d double, "
        "ok boolean, raw binary",
        NULL);
    struct codec_plan *p = NULL;
    struct buf d = BUF_NULL;
    help_field(&d, "id", 1, PB_OPTIONAL, PB_INT64);
    help_field(&d, "n", 2, PB_OPTIONAL, PB_INT32);
    help_field(&d, "name", 3, PB_OPTIONAL, PB_STRING);
    help_field(&d, "price", 4, PB_OPTIONAL, PB_STRING);
    help_field(&d, "f", 5, PB_OPTIONAL, PB_FLOAT);
    help_field(&d, "d", 6, PB_OPTIONAL, PB_DOUBLE);
    help_field(&d, "ok", 7, PB_OPTIONAL, PB_BOOL);
    help_field(&d, "raw", 5000, PB_OPTIONAL, PB_BYTES);
    cr_assert_eq(codec_plan_new(buf_slice(&d), s, &p, NULL), 0);
    buf_deinit(&d);
    *ret_schema = s;
    return p;
}

static const struct {
    struct slice row;
    const char *part;
} malformed[] = {
    {BYTES(""), "column id is NOT NULL but the record has no value"},
    {BYTES("\x10\x01"), "column id is NOT NULL"},
    {BYTES("\x08"), "column id: malformed protobuf at byte 0"},
    {BYTES("\x08\x80"), "column id: malformed"},
    {BYTES("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02"), "column id: malformed"},
    {BYTES("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), "column id: malformed"},
    {BYTES("\x80"), "malformed protobuf at byte 0"},
    {BYTES("\x08\x01\x80"), "malformed protobuf at byte 2"},
    {BYTES("\x08\x01\x00\x01"), "malformed protobuf at byte 2"},
    {BYTES("\x0d\x01\x00\x00\x00"), "column id: the field at byte 0 has wire type 5, not 0"},
    {BYTES("\x0a\x01\x01"), "column id: the field at byte 0 has wire type 2, not 0"},
    {BYTES("\x0b\x0c"), "column id: the field at byte 0 has wire type 3"},
    {BYTES("\x08\x01\x10\x80\x01"), "column n: 128 is out of range for tinyint"},
    {BYTES("\x08\x01\x10\xff\xfe\xff\xff\xff\xff\xff\xff\xff\x01"),
     "column n: -129 is out of range"},
    {BYTES("\x08\x01\x10\xff\xff\xff\xff\x0f"), "column n: 4294967295 is out of range"},
    {BYTES("\x08\x01\x1a\x05"
           "abcd"),
     "column name: malformed protobuf at byte 2"},
    {BYTES("\x08\x01\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
           "abcd"),
     "column name: malformed"},
    {BYTES("\x08\x01\x1a"), "column name: malformed"},
    {BYTES("\x08\x01\x1a\x01\xff"), "column name: the text is not valid UTF-8"},
    {BYTES("\x08\x01\x1a\x03\xed\xa0\x80"), "column name: the text is not valid UTF-8"},
    {BYTES("\x08\x01\x1a\x0a"
           "abcdefgh\xc0\x80"),
     "column name: the text is not valid UTF-8"},
    {BYTES("\x08\x01\x22\x05"
           "1.234"),
     "column price: \"1.234\" is not a decimal(5,2)"},
    {BYTES("\x08\x01\x22\x00"), "column price: \"\" is not a decimal(5,2)"},
    {BYTES("\x08\x01\x22\x02\xff\n"), "column price: \"??\" is not a decimal(5,2)"},
    {BYTES("\x08\x01\x22\x02"
           "1"),
     "column price: malformed"},
    {BYTES("\x08\x01\x2d\x00\x00\x00"), "column f: malformed protobuf at byte 2"},
    {BYTES("\x08\x01\x31\x00\x00\x00\x00\x00\x00\x00"), "column d: malformed"},
    {BYTES("\x08\x01\x38"), "column ok: malformed"},
    {BYTES("\x08\x01\xc2\xb8\x02\x02"
           "x"),
     "column raw: malformed"},
    {BYTES("\x08\x01\x4b\x4c"), "byte 2: groups are not supported"},
    {BYTES("\x08\x01\x4c"), "byte 2: groups are not supported"},
    {BYTES("\x08\x01\x4e\x01"), "malformed protobuf at byte 2"},
    {BYTES("\x08\x01\x4f\x01"), "malformed protobuf at byte 2"},
    {BYTES("\x08\x01\x48"), "malformed protobuf at byte 2"},
    {BYTES("\x08\x01\x4a\x02"
           "x"),
     "malformed protobuf at byte 2"},
    {BYTES("\x08\x01\x4d\x02"), "malformed protobuf at byte 2"},
    {BYTES("\x08\x01\x49\x02"), "malformed protobuf at byte 2"},
    {BYTES("\x08\x01\x80\x80\x80\x80\x10\x01"), "malformed protobuf at byte 2"},
};

Test(codec_check, malformed_rows_are_refused_naming_the_column_and_decode_agrees)
{
    struct row_schema *s;
    struct codec_plan *p = small_plan(&s);
    struct row_value values[8];

    for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
        struct err e = {0};
        char what[24];
        (void)snprintf(what, sizeof(what), "case %zu", i);
        /* in memory of exactly its size, so that a read behind the end is seen */
        uint8_t *row = mem_alloc(malformed[i].row.len + 1);
        memcpy(row + 1, malformed[i].row.data, malformed[i].row.len);
        struct slice exact = slice_of(row + 1, malformed[i].row.len);

        help_expect(what, codec_check(p, exact, &e), &e, ERR_INVALID, malformed[i].part);
        cr_assert_eq(codec_decode(p, exact, NULL, values), ERR_DAMAGED);
        mem_free(row);
    }
    codec_plan_unref(p);
    row_schema_unref(s);
}

Test(codec_check, an_unsigned_value_beyond_the_signed_range_is_refused)
{
    static const struct {
        const char *ddl;
        enum proto_type type;
        struct slice row;
        const char *part;
    } cases[] = {
        {"a bigint", PB_UINT64, BYTES("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
         "column a: 9223372036854775808 is out of range for bigint"},
        {"a bigint", PB_FIXED64, BYTES("\x09\xff\xff\xff\xff\xff\xff\xff\xff"),
         "column a: 18446744073709551615 is out of range for bigint"},
        {"a int", PB_FIXED32, BYTES("\x0d\x00\x00\x00\x80"),
         "column a: 2147483648 is out of range"},
        {"a int", PB_UINT32, BYTES("\x08\xff\xff\xff\xff\x0f"), "column a: 4294967295 is out of"},
        {"a int", PB_SINT32, BYTES("\x08\xff\xff\xff\xff\x1f"), "column a: -4294967296 is out of"},
        {"a smallint", PB_SFIXED32, BYTES("\x0d\xff\x7f\xff\xff"), "column a: -32769 is out of"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct row_schema *s = help_schema(cases[i].ddl, NULL);
        struct codec_plan *p = NULL;
        struct buf d = BUF_NULL;
        struct err e = {0};
        help_field(&d, "a", 1, PB_OPTIONAL, cases[i].type);
        cr_assert_eq(codec_plan_new(buf_slice(&d), s, &p, NULL), 0);

        int r = codec_check(p, cases[i].row, &e);

        help_expect(cases[i].part, r, &e, ERR_INVALID, cases[i].part);
        codec_plan_unref(p);
        row_schema_unref(s);
        buf_deinit(&d);
    }
}

Test(codec_check, valid_rows_pass_whatever_their_order_and_unknown_fields)
{
    static const struct slice rows[] = {
        BYTES("\x08\x01"),
        BYTES("\x08\x81\x00"), /* a varint longer than it need be */
        BYTES("\x1a\x00\x08\x00"),
        BYTES("\x08\x01\x48\x05\x4a\x02xx\x4d\x01\x02\x03\x04\x49\x01\x02\x03\x04\x05\x06\x07\x08"),
        BYTES("\xf8\xff\xff\xff\x0f\x01\x08\x01"),
        BYTES("\x38\x02\x08\x01"),
        BYTES("\x08\x01\xc2\xb8\x02\x02\xff\xfe"),
        BYTES("\x08\x01\x10\x80\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
    };
    struct row_schema *s;
    struct codec_plan *p = small_plan(&s);
    struct err e = {0};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int r = codec_check(p, rows[i], &e);
        if (r != 0)
            fprintf(stderr, "row %zu: %s\n", i, e.text);
        cr_assert_eq(r, 0);
    }
    codec_plan_unref(p);
    row_schema_unref(s);
}

Test(codec_decode, the_last_value_of_a_field_wins)
{
    struct row_schema *s;
    struct codec_plan *p = small_plan(&s);
    struct row_value v[8];

    cr_assert_eq(codec_decode(p,
                              slice_str("\x08\x01\x1a\x01"
                                        "a\x08\x02\x1a\x02"
                                        "bc"),
                              NULL, v),
                 0);

    cr_assert_eq(v[0].i64, 2);
    cr_assert(slice_eq(v[2].bytes, slice_str("bc")));
    cr_assert(v[1].null);
    codec_plan_unref(p);
    row_schema_unref(s);
}

Test(codec_check, looks_after_not_null_columns_beyond_the_first_word)
{
    struct buf ddl = BUF_NULL, row = BUF_NULL;
    struct err e = {0};
    for (int i = 0; i < 200; i++)
        buf_printf(&ddl, "%sc%d int%s", i == 0 ? "" : ",", i,
                   i == 150 || i == 63 ? " not null" : "");
    struct row_schema *s = help_schema(buf_cstr(&ddl), NULL);
    struct codec_plan *p = codec_plan_new_own(s);

    wire_add_u64(&row, 64, 0);
    help_expect("151 absent", codec_check(p, buf_slice(&row), &e), &e, ERR_INVALID, "column c150");
    wire_add_u64(&row, 151, 0);
    cr_assert_eq(codec_check(p, buf_slice(&row), &e), 0);

    codec_plan_unref(p);
    row_schema_unref(s);
    buf_deinit(&ddl);
    buf_deinit(&row);
}

Test(codec_wire, varints_of_every_length_are_read_alike_near_the_end_and_far_from_it)
{
    for (unsigned bits = 0; bits <= 64; bits++) {
        uint64_t v = bits == 0 ? 0 : ~0ull >> (64 - bits), far, near;
        uint8_t bytes[24] = {0};
        const uint8_t *end = wire_put_varint(bytes, v), *p = bytes, *q = bytes;

        cr_assert(wire_get_varint(&p, bytes + sizeof(bytes), &far));
        cr_assert(wire_get_varint(&q, end, &near));

        cr_assert_eq(far, v);
        cr_assert_eq(near, v);
        cr_assert_eq(p, end);
        cr_assert_eq(q, end);
        cr_assert_eq((size_t)(end - bytes), wire_varint_len(v));
        q = bytes;
        cr_assert_not(wire_get_varint(&q, end - 1, &near));
        cr_assert_eq(wire_zigzag(wire_unzigzag(v)), v);
    }
}

/* Every prefix and every single-byte change of a good row: no crash, and check and decode agree. */
Test(codec_check, agrees_with_decode_on_damaged_rows)
{
    struct row_schema *s;
    struct codec_plan *p = small_plan(&s);
    struct buf row = BUF_NULL;
    struct row_value out[8];
    struct row_value in[8] = {{.i64 = 1700000000000000},
                              {.i64 = -3},
                              {.bytes = slice_str("n\xc3\xa4me of something")},
                              {.decimal = -123},
                              {.f32 = 2},
                              {.f64 = 3},
                              {.boolean = true},
                              {.bytes = slice_str("x")}};
    in[7].null = true;
    codec_values_to_row(s, in, &row);
    cr_assert_eq(codec_check(p, buf_slice(&row), NULL), 0);

    for (size_t len = 0; len <= row.len; len++) {
        uint8_t *part = mem_alloc(len + 1);
        memcpy(part, row.data, len);
        int r = codec_check(p, slice_of(part, len), NULL);
        cr_assert_eq(codec_decode(p, slice_of(part, len), NULL, out), r == 0 ? 0 : ERR_DAMAGED);
        mem_free(part);
    }
    for (size_t i = 0; i < row.len; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            row.data[i] ^= (uint8_t)(1u << bit);
            int r = codec_check(p, buf_slice(&row), NULL);
            cr_assert_eq(codec_decode(p, buf_slice(&row), NULL, out), r == 0 ? 0 : ERR_DAMAGED);
            row.data[i] ^= (uint8_t)(1u << bit);
        }
    codec_plan_unref(p);
    row_schema_unref(s);
    buf_deinit(&row);
}
