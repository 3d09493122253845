/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

Test(codec_into, rows_go_into_a_batch_with_their_nulls_and_a_damaged_one_does_not)
{
    struct row_schema *s = help_schema("id bigint not null, name string, d double", NULL);
    struct codec_plan *p = codec_plan_new_own(s);
    struct row_batch *batch = row_batch_new(s);
    struct row_value in[2][3] = {{{.i64 = 1}, {.bytes = slice_str("one")}, {.null = true}},
                                 {{.i64 = 2}, {.null = true}, {.f64 = 0.5}}};

    for (int i = 0; i < 2; i++) {
        struct buf row = BUF_NULL;
        codec_values_to_row(s, in[i], &row);
        cr_assert_eq(codec_decode_into(p, buf_slice(&row), NULL, batch), 0);
        buf_deinit(&row);
    }
    cr_assert_eq(codec_decode_into(p, slice_str("\x12\x01"), NULL, batch), ERR_DAMAGED);

    cr_assert_eq(batch->row_count, 2u);
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert_eq(row_batch_value(batch, 0, i, NULL).i64, in[i][0].i64);
        cr_assert_eq(row_batch_value(batch, 1, i, NULL).null, in[i][1].null);
        cr_assert_eq(row_batch_value(batch, 2, i, NULL).null, in[i][2].null);
    }
    cr_assert(slice_eq(row_batch_value(batch, 1, 0, NULL).bytes, slice_str("one")));
    cr_assert_eq(row_batch_value(batch, 2, 1, NULL).f64, 0.5);
    row_batch_free(batch);
    codec_plan_unref(p);
    row_schema_unref(s);
}

Test(codec_into, nested_rows_go_into_a_batch_and_come_out_the_same)
{
    static const char *const rows[] = {
        "1:1 2{1:5 2[1 2]} 3{1'k' 2{1'x'}} 3{1'k' 2{1'y'}} 4{1'a' 1'b'} 4{} 5'[1,{\"a\":2}]'",
        "1:2",
        "1:3 2{} 3{1'p'} 4{} 5'null'",
    };
    struct row_schema *s =
        help_schema("id bigint not null, s struct<a int, l array<bigint>>, "
                    "m map<string,struct<t string>>, w array<array<string>>, v variant",
                    NULL);
    struct codec_plan *p = codec_plan_new_own(s);
    struct row_batch *batch = row_batch_new(s);
    struct arena arena = ARENA_NULL;
    struct row_value values[5], from_batch[5];

    for (uint32_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf row = BUF_NULL, one = BUF_NULL, two = BUF_NULL;
        (void)help_wire(&row, rows[i]);
        cr_assert_eq(codec_decode_into(p, buf_slice(&row), &arena, batch), 0);
        arena_reset(&arena);
        cr_assert_eq(codec_decode(p, buf_slice(&row), &arena, values), 0);
        for (uint32_t c = 0; c < 5; c++)
            from_batch[c] = row_batch_value(batch, c, i, &arena);
        codec_values_to_row(s, values, &one);
        codec_values_to_row(s, from_batch, &two);
        cr_assert(slice_eq(buf_slice(&one), buf_slice(&two)));
        cr_assert_eq(from_batch[1].null, i == 1);
        cr_assert_eq(from_batch[4].null, i == 1);
        buf_deinit(&row);
        buf_deinit(&one);
        buf_deinit(&two);
    }
    cr_assert_eq(codec_decode_into(p, slice_str("\x12\x01"), &arena, batch), ERR_DAMAGED);

    cr_assert_eq(batch->row_count, 3u);
    row_batch_free(batch);
    codec_plan_unref(p);
    row_schema_unref(s);
    arena_deinit(&arena);
}

Test(codec_into, the_last_of_two_values_counts)
{
    struct row_schema *s = help_schema("id bigint, name string, n int", NULL);
    struct codec_plan *p = codec_plan_new_own(s);
    struct row_batch *batch = row_batch_new(s);
    struct slice row = slice_str("\x08\x01\x12\x05"
                                 "first"
                                 "\x08\x02\x12\x02"
                                 "no");

    cr_assert_eq(codec_decode_into(p, row, NULL, batch), 0);
    cr_assert_eq(codec_decode_into(p, slice_str("\x12\x01z\x18\x07"), NULL, batch), 0);

    cr_assert_eq(row_batch_value(batch, 0, 0, NULL).i64, 2);
    cr_assert(slice_eq(row_batch_value(batch, 1, 0, NULL).bytes, slice_str("no")));
    cr_assert(slice_eq(row_batch_value(batch, 1, 1, NULL).bytes, slice_str("z")));
    cr_assert_eq(batch->columns[1].bytes.len, 3u);
    cr_assert_eq(row_batch_value(batch, 2, 1, NULL).i64, 7);
    cr_assert_eq(batch->columns[0].null_count, 1u);
    cr_assert_eq(batch->columns[2].null_count, 1u);
    row_batch_free(batch);
    codec_plan_unref(p);
    row_schema_unref(s);
}

Test(codec_into, a_row_that_fails_late_leaves_nothing)
{
    struct row_schema *s = help_schema("id bigint not null, name string, flag boolean", NULL);
    struct codec_plan *p = codec_plan_new_own(s);
    struct row_batch *batch = row_batch_new(s);
    cr_assert_eq(codec_decode_into(p, slice_str("\x08\x01\x12\x03one"), NULL, batch), 0);

    cr_assert_eq(codec_decode_into(p, slice_str("\x12\x04lost\x18\x01"), NULL, batch), ERR_DAMAGED);
    cr_assert_eq(codec_decode_into(p, slice_str("\x12\x04lost\x08"), NULL, batch), ERR_DAMAGED);
    cr_assert_eq(codec_decode_into(p, slice_str("\x08\x02"), NULL, batch), 0);

    cr_assert_eq(batch->row_count, 2u);
    cr_assert_eq(batch->columns[1].bytes.len, 3u);
    cr_assert(row_batch_value(batch, 1, 1, NULL).null);
    cr_assert(row_batch_value(batch, 2, 1, NULL).null);
    cr_assert_eq(batch->columns[2].null_count, 2u);
    row_batch_free(batch);
    codec_plan_unref(p);
    row_schema_unref(s);
}
