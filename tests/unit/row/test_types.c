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

Test(row_types, a_nested_type_is_named_with_what_it_holds)
{
    struct row_schema *s = NULL;
    struct buf out = BUF_NULL;
    cr_assert_eq(row_schema_parse(slice_str("a struct<b: int not null comment 'x', c: variant>, "
                                            "m map<string, array<bigint not null>>"),
                                  NULL, 0, &s, NULL),
                 0);

    row_type_name(&s->columns[0], false, &out);
    buf_add_byte(&out, ' ');
    row_type_name(&s->columns[1], false, &out);

    cr_assert_str_eq(buf_cstr(&out), "struct<b: int not null, c: variant> "
                                     "map<string, array<bigint not null>>");
    row_schema_unref(s);
    buf_deinit(&out);
}
