/* SPDX-License-Identifier: Apache-2.0 */
#include "thrift_priv.h"

#include "reader.h"
#include "test.h"

Test(parquet_thrift, writes_the_bytes_of_the_compact_protocol)
{
    struct buf b = BUF_NULL;
    struct parquet_thrift t;
    static const uint8_t want[] = {
        0x15, 0x02,             /* 1: i32 1 */
        0x25, 0x01,             /* 3: i32 -1 */
        0x18, 0x02, 'h',  'i',  /* 4: binary */
        0x11,                   /* 5: true */
        0x02, 0x2a,             /* 21: false, id written out */
        0x19, 0x26, 0x80, 0x02, /* 22: list of 2 i64: 128 … */
        0xff, 0x01,             /* … -128 */
        0x1c, 0x13, 0xf8, 0x00, /* 23: struct {1: i8 -8} */
        0x00,
    };

    parquet__thrift_init(&t, &b);
    parquet__thrift_i32(&t, 1, 1);
    parquet__thrift_i32(&t, 3, -1);
    parquet__thrift_binary(&t, 4, slice_str("hi"));
    parquet__thrift_bool(&t, 5, true);
    parquet__thrift_bool(&t, 21, false);
    parquet__thrift_list(&t, 22, THRIFT_I64, 2);
    parquet__thrift_item_int(&t, 128);
    parquet__thrift_item_int(&t, -128);
    parquet__thrift_struct(&t, 23);
    parquet__thrift_i8(&t, 1, -8);
    parquet__thrift_end(&t);
    parquet__thrift_end(&t);

    cr_assert(slice_eq(buf_slice(&b), slice_of(want, sizeof(want))));
    buf_deinit(&b);
}

Test(parquet_thrift, long_lists_carry_their_count_behind_the_type)
{
    struct buf b = BUF_NULL;
    struct parquet_thrift t;
    struct node n;

    parquet__thrift_init(&t, &b);
    parquet__thrift_list(&t, 1, THRIFT_STRUCT, 15);
    for (int i = 0; i < 15; i++) {
        parquet__thrift_item_struct(&t);
        parquet__thrift_i64(&t, 2, (int64_t)1 << (4 * i));
        parquet__thrift_end(&t);
    }
    parquet__thrift_list(&t, 2, THRIFT_TRUE, 14);
    for (int i = 0; i < 14; i++)
        parquet__thrift_item_bool(&t, i % 2);
    parquet__thrift_i16(&t, 3, INT16_MIN);
    parquet__thrift_i64(&t, 4, INT64_MIN);
    parquet__thrift_end(&t);

    cr_assert_eq(node_parse(buf_slice(&b), &n), b.len);
    for (int i = 0; i < 15; i++)
        cr_assert_eq(INT_AT(&n, 1, i, 2), (int64_t)1 << (4 * i));
    for (int i = 0; i < 14; i++)
        cr_assert_eq(INT_AT(&n, 2, i), i % 2);
    cr_assert_eq(INT_AT(&n, 3), INT16_MIN);
    cr_assert_eq(INT_AT(&n, 4), INT64_MIN);
    node_free(&n);
    buf_deinit(&b);
}

DeathTest(parquet_thrift, field_ids_only_rise)
{
    struct buf b = BUF_NULL;
    struct parquet_thrift t;
    parquet__thrift_init(&t, &b);
    parquet__thrift_i32(&t, 2, 1);
    parquet__thrift_i32(&t, 2, 1);
}
