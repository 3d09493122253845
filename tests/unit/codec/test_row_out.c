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
