/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

/* The bytes as protobuf's own rules give them; written down by hand. */
Test(codec_row, values_become_fields_in_column_order_and_nulls_nothing)
{
    struct row_schema *s =
        help_schema("a boolean, b int, c float, d double, e decimal(5,2), f string, "
                    "g binary, h timestamp, i string",
                    NULL);
    struct row_value v[] = {{.boolean = true},
                            {.i64 = -1},
                            {.f32 = 1},
                            {.f64 = -2},
                            {.decimal = -5},
                            {.bytes = slice_str("xy")},
                            {.bytes = slice_of("", 0)},
                            {.i64 = 300},
                            {.null = true}};
    static const char expected[] = "\x08\x01"
                                   "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
                                   "\x1d\x00\x00\x80\x3f"
                                   "\x21\x00\x00\x00\x00\x00\x00\x00\xc0"
                                   "\x2a\x05-0.05"
                                   "\x32\x02xy"
                                   "\x3a\x00"
                                   "\x40\xac\x02";
    struct buf row = BUF_NULL;

    codec_values_to_row(s, v, &row);

    cr_assert_eq(row.len, sizeof(expected) - 1);
    cr_assert_arr_eq(row.data, expected, row.len);
    row_schema_unref(s);
    buf_deinit(&row);
}

Test(codec_row, nested_values_become_messages_wrappers_and_packed_numbers)
{
    struct row_schema *s =
        help_schema("s struct<a int, b string>, l array<int>, t array<string>, m map<string,int>, "
                    "w array<array<float>>, x array<struct<a boolean>>, n struct<a int>",
                    NULL);
    struct row_value fields[] = {{.i64 = 5}, {.null = true}};
    struct row_value numbers[] = {{.i64 = 1}, {.i64 = -1}};
    struct row_value texts[] = {{.bytes = slice_str("x")}, {.bytes = slice_of("", 0)}};
    struct row_value pairs[] = {{.bytes = slice_str("k")}, {.i64 = 0}};
    struct row_value floats[] = {{.f32 = 1}};
    struct row_value lists[] = {{.item_count = 1, .items = floats}, {.item_count = 0}};
    struct row_value bit = {.boolean = true};
    struct row_value structs[] = {{.item_count = 1, .items = &bit}};
    struct row_value v[] = {{.item_count = 2, .items = fields},
                            {.item_count = 2, .items = numbers},
                            {.item_count = 2, .items = texts},
                            {.item_count = 2, .items = pairs},
                            {.item_count = 2, .items = lists},
                            {.item_count = 1, .items = structs},
                            {.null = true}};
    struct buf row = BUF_NULL, expected = BUF_NULL;

    codec_values_to_row(s, v, &row);

    (void)help_wire(&expected, "1{1:5} 2[1 -1] 3'x' 3'' 4{1'k' 2:0} 5{#0a040000803f} 5{} 6{1:1}");
    cr_assert(slice_eq(buf_slice(&row), buf_slice(&expected)));
    row_schema_unref(s);
    buf_deinit(&row);
    buf_deinit(&expected);
}

/* A message of 128 bytes needs two for its length, one of 16384 three; they move up for it. */
Test(codec_row, a_length_takes_as_many_bytes_as_it_needs)
{
    static const size_t lengths[] = {1, 125, 126, 16380, 16381, 3000000};
    struct row_schema *s = help_schema("s struct<t struct<b binary>>", NULL);
    struct codec_plan *p = codec_plan_new_own(s);
    struct arena arena = ARENA_NULL;

    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        struct row_value bytes = {.bytes = {mem_zalloc(lengths[i]), lengths[i]}}, back;
        struct row_value inner = {.item_count = 1, .items = &bytes};
        struct row_value outer = {.item_count = 1, .items = &inner};
        struct buf row = BUF_NULL;

        codec_values_to_row(s, &outer, &row);

        cr_assert_eq(codec_check(p, buf_slice(&row), NULL), 0);
        cr_assert_eq(codec_decode(p, buf_slice(&row), &arena, &back), 0);
        cr_assert(slice_eq(back.items[0].items[0].bytes, bytes.bytes));
        size_t len = lengths[i];
        for (int level = 0; level < 3; level++)
            len += 1 + wire_varint_len(len);
        cr_assert_eq(row.len, len);
        buf_deinit(&row);
        mem_free((void *)bytes.bytes.data);
    }
    codec_plan_unref(p);
    row_schema_unref(s);
    arena_deinit(&arena);
}
