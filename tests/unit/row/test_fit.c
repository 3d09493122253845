/* SPDX-License-Identifier: Apache-2.0 */
/* Where a producer's columns and those of another table of the same name part. */
#include "row/row.h"

#include "test.h"

static struct row_schema *schema(const char *ddl)
{
    struct row_schema *s = NULL;
    struct err e = {0};
    cr_assert_eq(row_schema_parse(slice_str(ddl), NULL, 0, &s, &e), 0, "%s", e.text);
    return s;
}

static int fits(const char *from, const char *to, struct err *e)
{
    struct row_schema *a = schema(from), *b = schema(to);
    int rc = row_schema_fits(a, b, e);
    row_schema_unref(a);
    row_schema_unref(b);
    return rc;
}

static void assert_parts(const char *from, const char *to, const char *sentence)
{
    struct err e = {0};
    cr_assert_eq(fits(from, to, &e), ERR_INVALID, "%s → %s", from, to);
    cr_assert_str_eq(e.text, sentence);
}

static void assert_fits(const char *from, const char *to)
{
    struct err e = {0};
    cr_assert_eq(fits(from, to, &e), 0, "%s", e.text);
}

Test(row_fit, names_the_first_column_that_is_gone_or_of_another_type)
{
    assert_parts("id BIGINT, price DOUBLE, n STRING", "id BIGINT, n INT", "column price is gone");
    assert_parts("id BIGINT, n STRING", "n INT, id BIGINT", "column n is int now, was string");
    assert_parts("d DECIMAL(9,2)", "d DECIMAL(9,3)",
                 "column d is decimal(9,3) now, was decimal(9,2)");
    assert_parts("d DECIMAL(9,2)", "d DECIMAL(10,2)",
                 "column d is decimal(10,2) now, was decimal(9,2)");
}

/* A descriptor of before has an int32, and the new column asks for an int64. */
Test(row_fit, takes_a_wider_type_for_another_one)
{
    assert_parts("n INT", "n BIGINT", "column n is bigint now, was int");
}

Test(row_fit, names_what_may_be_null_no_more)
{
    assert_parts("id BIGINT, a INT", "id BIGINT NOT NULL, a INT", "column id is NOT NULL now");
    assert_parts("id BIGINT", "id BIGINT, a INT NOT NULL", "column a is new and NOT NULL");
}

Test(row_fit, looks_into_nested_columns_and_says_the_path)
{
    assert_parts("a STRUCT<x: INT, y: INT>", "a STRUCT<x: INT>", "column a.y is gone");
    assert_parts("l ARRAY<STRUCT<p: DOUBLE>>", "l ARRAY<STRUCT<p: FLOAT>>",
                 "column l.element.p is float now, was double");
    assert_parts("m MAP<STRING, INT>, z INT", "m MAP<STRING, INT NOT NULL>, z INT",
                 "column m.value is NOT NULL now");
    assert_parts("m MAP<INT, INT>", "m ARRAY<INT>",
                 "column m is array<int> now, was map<int, int>");
    struct err e = {0};
    cr_assert_eq(fits("a STRUCT<x: STRUCT<y: INT>>", "a STRUCT<x: STRUCT<z: INT>>", &e),
                 ERR_INVALID);
    cr_assert_str_eq(e.field, "a.x.y");
}

Test(row_fit, cares_for_names_and_types_not_for_order_letter_case_comments_and_more_columns)
{
    assert_fits("id BIGINT NOT NULL, s STRUCT<x: INT, y: VARIANT>, d DATE",
                "D DATE COMMENT 'day', note STRING, s STRUCT<Y: VARIANT, z: INT, x: INT>, "
                "ID BIGINT");
    assert_fits("m MAP<STRING, ARRAY<INT>>", "m MAP<STRING, ARRAY<INT>>");
}
