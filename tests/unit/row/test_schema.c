/* SPDX-License-Identifier: Apache-2.0 */
#include "row/row.h"

#include "base/mem.h"

#include "test.h"

#include <stdio.h>
#include <string.h>

static struct row_schema *parse(const char *ddl)
{
    struct row_schema *s = NULL;
    struct err e = {0};
    int r = row_schema_parse(slice_str(ddl), NULL, 0, &s, &e);
    if (r != 0)
        fprintf(stderr, "%s: %s\n", ddl, e.text);
    cr_assert_eq(r, 0);
    return s;
}

Test(row_schema, counts_its_references)
{
    struct row_schema *s = parse("a int");

    cr_assert_eq(row_schema_ref(s), s);
    cr_assert_null(row_schema_unref(s));
    cr_assert_str_eq(s->columns[0].name, "a");
    cr_assert_null(row_schema_unref(s));
    cr_assert_null(row_schema_unref(NULL));
}

Test(row_schema, as_delta_json_uses_deltas_words)
{
    struct row_schema *s =
        parse("a bigint not null, b decimal(10,2) comment 'say \"x\"', c tinyint, "
              "d smallint, e int, f varchar(3), g timestamp_ntz");
    struct buf out = BUF_NULL;

    row_schema_to_delta_json(s, &out);

    cr_assert_str_eq(
        buf_cstr(&out),
        "{\"type\":\"struct\",\"fields\":["
        "{\"name\":\"a\",\"type\":\"long\",\"nullable\":false,\"metadata\":{}},"
        "{\"name\":\"b\",\"type\":\"decimal(10,2)\",\"nullable\":true,"
        "\"metadata\":{\"comment\":\"say \\\"x\\\"\"}},"
        "{\"name\":\"c\",\"type\":\"byte\",\"nullable\":true,\"metadata\":{}},"
        "{\"name\":\"d\",\"type\":\"short\",\"nullable\":true,\"metadata\":{}},"
        "{\"name\":\"e\",\"type\":\"integer\",\"nullable\":true,\"metadata\":{}},"
        "{\"name\":\"f\",\"type\":\"string\",\"nullable\":true,\"metadata\":{}},"
        "{\"name\":\"g\",\"type\":\"timestamp_ntz\",\"nullable\":true,\"metadata\":{}}]}");
    row_schema_unref(s);
    buf_deinit(&out);
}

Test(row_schema, as_delta_json_a_nested_type_is_an_object)
{
    struct row_schema *s =
        parse("a struct<b int not null comment 'c', d variant>, "
              "e array<struct<f date>> not null, g map<bigint, string not null>");
    struct buf out = BUF_NULL;

    row_schema_to_delta_json(s, &out);

    cr_assert_str_eq(buf_cstr(&out),
                     "{\"type\":\"struct\",\"fields\":["
                     "{\"name\":\"a\",\"type\":{\"type\":\"struct\",\"fields\":["
                     "{\"name\":\"b\",\"type\":\"integer\",\"nullable\":false,"
                     "\"metadata\":{\"comment\":\"c\"}},"
                     "{\"name\":\"d\",\"type\":\"variant\",\"nullable\":true,\"metadata\":{}}]},"
                     "\"nullable\":true,\"metadata\":{}},"
                     "{\"name\":\"e\",\"type\":{\"type\":\"array\",\"elementType\":"
                     "{\"type\":\"struct\",\"fields\":["
                     "{\"name\":\"f\",\"type\":\"date\",\"nullable\":true,\"metadata\":{}}]},"
                     "\"containsNull\":true},\"nullable\":false,\"metadata\":{}},"
                     "{\"name\":\"g\",\"type\":{\"type\":\"map\",\"keyType\":\"long\","
                     "\"valueType\":\"string\",\"valueContainsNull\":false},"
                     "\"nullable\":true,\"metadata\":{}}]}");
    row_schema_unref(s);
    buf_deinit(&out);
}

Test(row_schema, a_table_name_has_three_plain_parts)
{
    static const char *good[] = {"main.default.air_quality", "a.b.c", "A-1.b_2.3"};
    static const struct {
        const char *name, *part;
    } bad[] = {
        {"", "1 part"},
        {"a", "1 part;"},
        {"a.b", "2 parts"},
        {"a.b.c.d", "4 parts"},
        {"a..c", "empty part"},
        {".b.c", "empty part"},
        {"a.b.", "empty part"},
        {"a.b.c d", "character 6"},
        {"a.b/..c", "character 4"},
        {"a.b.\xc3\xa4", "character 5"},
    };
    struct err e = {0};

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        cr_assert_eq(row_table_name_check(good[i], &e), 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        cr_assert_eq(row_table_name_check(bad[i].name, &e), ERR_INVALID);
        cr_assert(strstr(e.text, bad[i].part) != NULL);
    }
    char longest[300] = {0};
    memset(longest, 'a', sizeof(longest) - 1);
    cr_assert_eq(row_table_name_check(longest, &e), ERR_INVALID);
}
