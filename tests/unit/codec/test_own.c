/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "codec_priv.h"

static const char flat[] =
    "id bigint not null, n int, s smallint, name string, price decimal(9,2), "
    "raw binary, ok boolean, f float, d double, day date, t timestamp";

Test(codec_own, the_tables_own_descriptor_makes_a_plan_for_each_of_its_columns)
{
    struct row_schema *s = help_schema(flat, "id");
    struct buf d = BUF_NULL;
    struct codec_plan *own = codec_plan_new_own(s), *again = NULL;

    codec_table_descriptor(s, "Flat", &d);
    cr_assert_eq(codec_plan_new(buf_slice(&d), s, &again, NULL), 0);

    cr_assert_eq(own->root.field_count, s->column_count);
    cr_assert_eq(again->root.field_count, s->column_count);
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
