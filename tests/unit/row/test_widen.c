/* SPDX-License-Identifier: Apache-2.0 */
/* Which types a column may take later. */
#include "row/row.h"

#include "base/buf.h"

#include "test.h"

static bool widens(const char *from, const char *to)
{
    struct buf ddl = BUF_NULL;
    struct row_schema *s = NULL;
    buf_printf(&ddl, "a %s, b %s", from, to);
    cr_assert_eq(row_schema_parse(buf_slice(&ddl), NULL, 0, &s, NULL), 0);
    bool ok = row_widening_ok(&s->columns[0], &s->columns[1]);
    row_schema_unref(s);
    buf_deinit(&ddl);
    return ok;
}

Test(row_widen, every_pair_of_flat_types_is_judged_as_the_protocol_lists_them)
{
    static const char *const types[] = {"boolean", "tinyint", "smallint",  "int",
                                        "bigint",  "float",   "double",    "string",
                                        "binary",  "date",    "timestamp", "timestamp_ntz"};
    static const char *const allowed[][2] = {
        {"tinyint", "smallint"}, {"tinyint", "int"},        {"tinyint", "bigint"},
        {"smallint", "int"},     {"smallint", "bigint"},    {"int", "bigint"},
        {"tinyint", "double"},   {"smallint", "double"},    {"int", "double"},
        {"float", "double"},     {"date", "timestamp_ntz"},
    };

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        for (size_t k = 0; k < ARRAY_LEN(types); k++) {
            bool expected = i == k;
            for (size_t a = 0; a < ARRAY_LEN(allowed); a++)
                expected = expected || (strcmp(allowed[a][0], types[i]) == 0 &&
                                        strcmp(allowed[a][1], types[k]) == 0);
            cr_assert_eq(widens(types[i], types[k]), expected, "%s to %s", types[i], types[k]);
        }
}

Test(row_widen, a_decimal_keeps_every_digit_on_both_sides)
{
    cr_assert(widens("decimal(10,2)", "decimal(10,2)"));
    cr_assert(widens("decimal(10,2)", "decimal(12,4)"));
    cr_assert(widens("decimal(10,2)", "decimal(38,2)"));

    cr_assert_not(widens("decimal(10,2)", "decimal(11,4)"));
    cr_assert_not(widens("decimal(10,2)", "decimal(12,1)"));
    cr_assert_not(widens("decimal(10,2)", "decimal(9,2)"));
    cr_assert_not(widens("decimal(10,2)", "double"));
}

Test(row_widen, whole_numbers_need_ten_or_twenty_digits_before_the_point)
{
    cr_assert(widens("tinyint", "decimal(10,0)"));
    cr_assert(widens("int", "decimal(14,4)"));
    cr_assert(widens("bigint", "decimal(20,0)"));

    cr_assert_not(widens("tinyint", "decimal(9,0)"));
    cr_assert_not(widens("int", "decimal(13,4)"));
    cr_assert_not(widens("bigint", "decimal(19,0)"));
    cr_assert_not(widens("float", "decimal(38,10)"));
}
