/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "codec_priv.h"

static const char flat[] =
    "id bigint not null, n int, s smallint, name string, price decimal(9,2), "
    "raw binary, ok boolean, f float, d double, day date, t timestamp";

Test(codec_plan, matches_fields_to_columns_by_name_in_any_case_and_at_any_number)
{
    struct row_schema *s = help_schema(flat, NULL);
    struct codec_plan *p = NULL;
    struct buf d = BUF_NULL;
    wire_add_bytes(&d, 1, slice_str("Anything"));
    help_field(&d, "NAME", 1, PB_OPTIONAL, PB_STRING);
    help_field(&d, "Id", 536870911, PB_OPTIONAL, PB_INT64);
    help_field(&d, "t", 4095, PB_REQUIRED, PB_INT64);
    help_field(&d, "price", 4096, PB_OPTIONAL, PB_STRING);

    cr_assert_eq(codec_plan_new(buf_slice(&d), s, &p, NULL), 0);

    cr_assert_eq(codec_plan_schema(p), s);
    cr_assert_eq(p->root.field_count, 4u);
    cr_assert_eq(p->root.fields[0].column, 3);
    cr_assert_eq(p->root.fields[1].column, 10);
    cr_assert_eq(p->root.fields[2].column, 4);
    cr_assert_eq(p->root.fields[2].op, CODEC__DECIMAL);
    cr_assert_eq(p->root.fields[3].column, 0);
    cr_assert_eq(codec_plan_ref(p), p);
    codec_plan_unref(p);
    codec_plan_unref(p);
    cr_assert_null(codec_plan_unref(NULL));
    row_schema_unref(s);
    buf_deinit(&d);
}
