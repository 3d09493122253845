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
        cr_assert_eq(codec_decode_into(p, buf_slice(&row), batch), 0);
        buf_deinit(&row);
    }
    cr_assert_eq(codec_decode_into(p, slice_str("\x12\x01"), batch), ERR_DAMAGED);

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
