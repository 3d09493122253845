/* SPDX-License-Identifier: Apache-2.0 */
#include "row/row.h"

#include "test.h"

Test(row_types, type_names_for_people_and_for_delta)
{
    struct row_column c = {.type = ROW_DECIMAL, .precision = 10, .scale = 2},
                      l = {.type = ROW_LONG};
    struct buf out = BUF_NULL;

    row_type_name(&c, false, &out);
    buf_add_byte(&out, ' ');
    row_type_name(&l, false, &out);
    buf_add_byte(&out, ' ');
    row_type_name(&l, true, &out);

    cr_assert_str_eq(buf_cstr(&out), "decimal(10,2) bigint long");
    buf_deinit(&out);
}
