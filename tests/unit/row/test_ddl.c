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

Test(row_ddl, knows_both_spellings_of_each_type_in_any_case)
{
    static const struct {
        const char *ddl;
        enum row_type type;
    } cases[] = {
        {"a BOOLEAN", ROW_BOOLEAN},
        {"a bool", ROW_BOOLEAN},
        {"a TINYINT", ROW_BYTE},
        {"a byte", ROW_BYTE},
        {"a SmallInt", ROW_SHORT},
        {"a short", ROW_SHORT},
        {"a int", ROW_INT},
        {"a INTEGER", ROW_INT},
        {"a BIGINT", ROW_LONG},
        {"a long", ROW_LONG},
        {"a FLOAT", ROW_FLOAT},
        {"a real", ROW_FLOAT},
        {"a double", ROW_DOUBLE},
        {"a double precision", ROW_DOUBLE},
        {"a decimal(5,2)", ROW_DECIMAL},
        {"a numeric(5)", ROW_DECIMAL},
        {"a dec", ROW_DECIMAL},
        {"a string", ROW_STRING},
        {"a text", ROW_STRING},
        {"a varchar(20)", ROW_STRING},
        {"a char(2)", ROW_STRING},
        {"a character varying(9)", ROW_STRING},
        {"a binary", ROW_BINARY},
        {"a varbinary(16)", ROW_BINARY},
        {"a date", ROW_DATE},
        {"a timestamp", ROW_TIMESTAMP},
        {"a timestamp with time zone", ROW_TIMESTAMP},
        {"a timestamp_ltz", ROW_TIMESTAMP},
        {"a timestamp_ntz", ROW_TIMESTAMP_NTZ},
        {"a timestamp without time zone", ROW_TIMESTAMP_NTZ},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct row_schema *s = parse(cases[i].ddl);
        cr_assert_eq(s->column_count, 1u);
        cr_assert_eq(s->columns[0].type, cases[i].type);
        cr_assert_not(s->columns[0].not_null);
        row_schema_unref(s);
    }
}

Test(row_ddl, keeps_names_numbers_nulls_comments_and_decimal_sizes)
{
    struct row_schema *s = parse(" `id` BIGINT NOT NULL COMMENT 'it''s \\'the\\' id' ,\n"
                                 "price: DECIMAL(12, 3) NULL, `Order` int");

    cr_assert_eq(s->column_count, 3u);
    cr_assert_str_eq(s->columns[0].name, "id");
    cr_assert(s->columns[0].not_null);
    cr_assert_str_eq(s->columns[0].comment, "it's 'the' id");
    cr_assert_eq(s->columns[1].precision, 12);
    cr_assert_eq(s->columns[1].scale, 3);
    cr_assert_eq(s->columns[1].field_id, 2u);
    cr_assert_str_eq(s->columns[2].name, "Order");
    cr_assert_eq(row_schema_find(s, slice_str("ORDER")), 2);
    cr_assert_eq(row_schema_find(s, slice_str("orde")), -1);
    row_schema_unref(s);
}

Test(row_ddl, written_out_parses_back_to_the_same)
{
    struct row_schema *s =
        parse("a tinyint not null comment 'x\\\\y''z', b decimal(38,38), c binary,"
              "d timestamp_ntz, e timestamp not null, f real, g date, h smallint");
    struct buf first = BUF_NULL, second = BUF_NULL;

    row_schema_to_ddl(s, &first);
    struct row_schema *again = parse(buf_cstr(&first));
    row_schema_to_ddl(again, &second);

    cr_assert_str_eq(buf_cstr(&first), buf_cstr(&second));
    cr_assert_str_eq(again->columns[0].comment, "x\\y'z");
    cr_assert_eq(again->columns[4].not_null, true);
    row_schema_unref(s);
    row_schema_unref(again);
    buf_deinit(&first);
    buf_deinit(&second);
}

Test(row_ddl, key_columns_become_not_null_in_key_order)
{
    struct row_schema *s = NULL;
    const char *keys[] = {"C", "a"};

    int r = row_schema_parse(slice_str("a int, b int, c string"), keys, 2, &s, NULL);

    cr_assert_eq(r, 0);
    cr_assert_eq(s->key_count, 2u);
    cr_assert_eq(s->key_columns[0], 2u);
    cr_assert_eq(s->key_columns[1], 0u);
    cr_assert(s->columns[0].not_null);
    cr_assert_not(s->columns[1].not_null);
    cr_assert(s->columns[2].not_null);
    row_schema_unref(s);
}

Test(row_ddl, malformed_text_is_refused_with_place_and_reason)
{
    static const struct {
        const char *ddl, *key, *part;
        int code;
    } cases[] = {
        {"", NULL, "at its end: a column name is expected", ERR_INVALID},
        {"a", NULL, "at its end: a type is expected", ERR_INVALID},
        {"a int,", NULL, "a column name is expected", ERR_INVALID},
        {"a int b int", NULL, "byte 7, at \"b int\": a comma or the end", ERR_INVALID},
        {"a integr", NULL, "byte 3, at \"integr\": no type has this name", ERR_INVALID},
        {"1a int", NULL, "starts with a letter", ERR_INVALID},
        {"`a b` int", NULL, "only ASCII letters", ERR_INVALID},
        {"`a int", NULL, "only ASCII letters", ERR_INVALID},
        {"`` int", NULL, "a column name is expected", ERR_INVALID},
        {"n\xc3\xa4me int", NULL, "byte 2, at \"??me int\": a column name has only ASCII",
         ERR_INVALID},
        {"\xff", NULL, "not UTF-8", ERR_INVALID},
        {"a int, A string", NULL, "is there already", ERR_INVALID},
        {"a decimal(0)", NULL, "must be 1 to 38", ERR_INVALID},
        {"a decimal(39,2)", NULL, "must be 1 to 38", ERR_INVALID},
        {"a decimal(5,6)", NULL, "larger than the precision", ERR_INVALID},
        {"a decimal(5,", NULL, "a number is expected", ERR_INVALID},
        {"a decimal(5", NULL, "closing parenthesis", ERR_INVALID},
        {"a decimal(x)", NULL, "a number is expected", ERR_INVALID},
        {"a int(4)", NULL, "takes no number", ERR_INVALID},
        {"a varchar(4,5)", NULL, "takes one number", ERR_INVALID},
        {"a int not", NULL, "NULL is expected", ERR_INVALID},
        {"a int comment b", NULL, "text in single quotes", ERR_INVALID},
        {"a int comment 'b", NULL, "closing quote is missing", ERR_INVALID},
        {"a timestamp with zone", NULL, "TIME ZONE", ERR_INVALID},
        {"a int default 3", NULL, "defaults", ERR_UNSUPPORTED},
        {"a struct<b:int>", NULL, "struct are not supported", ERR_UNSUPPORTED},
        {"a ARRAY<int>", NULL, "array are not supported", ERR_UNSUPPORTED},
        {"a map<int,int>", NULL, "map are not supported", ERR_UNSUPPORTED},
        {"a variant", NULL, "variant are not supported", ERR_UNSUPPORTED},
        {"a int, primary key (a)", NULL, "named apart", ERR_INVALID},
        {"a int", "b", "\"b\" is not in the column list", ERR_INVALID},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct row_schema *s = NULL;
        struct err e = {0};
        int r =
            row_schema_parse(slice_str(cases[i].ddl), &cases[i].key, cases[i].key != NULL, &s, &e);
        if (r != cases[i].code || strstr(e.text, cases[i].part) == NULL)
            fprintf(stderr, "%s: %d %s\n", cases[i].ddl, r, e.text);
        cr_assert_eq(r, cases[i].code);
        cr_assert_eq(e.code, cases[i].code);
        cr_assert(strstr(e.text, cases[i].part) != NULL);
        cr_assert_null(s);
    }
}

Test(row_ddl, two_thousand_columns_fit_and_one_more_does_not)
{
    struct buf ddl = BUF_NULL;
    struct row_schema *s = NULL, *none = NULL;
    struct err e = {0};
    for (int i = 0; i < 2000; i++)
        buf_printf(&ddl, "%sc%d int", i == 0 ? "" : ",", i);

    int fits = row_schema_parse(buf_slice(&ddl), NULL, 0, &s, NULL);
    buf_add_str(&ddl, ",more int");
    int refused = row_schema_parse(buf_slice(&ddl), NULL, 0, &none, &e);

    cr_assert_eq(fits, 0);
    cr_assert_eq(s->column_count, 2000u);
    cr_assert_eq(refused, ERR_INVALID);
    cr_assert(strstr(e.text, "2000 columns") != NULL);
    row_schema_unref(s);
    buf_deinit(&ddl);
}

Test(row_ddl, a_key_column_named_twice_or_too_many_are_refused)
{
    const char *twice[] = {"a", "A"}, *many[17];
    struct row_schema *s = NULL;
    struct err e = {0};
    for (size_t i = 0; i < 17; i++)
        many[i] = "a";

    cr_assert_eq(row_schema_parse(slice_str("a int"), twice, 2, &s, &e), ERR_INVALID);
    cr_assert(strstr(e.text, "named twice") != NULL);
    cr_assert_eq(row_schema_parse(slice_str("a int"), many, 17, &s, &e), ERR_INVALID);
    cr_assert(strstr(e.text, "at most 16") != NULL);
}
