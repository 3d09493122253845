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
        {"a int comment 'b", NULL, "the text's closing quote is missing", ERR_INVALID},
        {"a timestamp with zone", NULL, "TIME ZONE", ERR_INVALID},
        {"a int default 3", NULL, "defaults", ERR_UNSUPPORTED},
        {"a interval", NULL, "column a: columns of type interval are not supported",
         ERR_UNSUPPORTED},
        {"a struct", NULL, "at its end: < is expected", ERR_INVALID},
        {"a struct<>", NULL, "byte 10, at \">\": a column name is expected", ERR_INVALID},
        {"a struct<b:int,>", NULL, "a column name is expected", ERR_INVALID},
        {"a struct<b:int c:int>", NULL, "at \"c:int>\": a comma or > is expected", ERR_INVALID},
        {"a struct<b:int, B:int>", NULL, "at \"B:int>\": a column of this name is there already",
         ERR_INVALID},
        {"a array<int", NULL, "at its end: > is expected", ERR_INVALID},
        {"a array<int,int>", NULL, "at \",int>\": > is expected", ERR_INVALID},
        {"a array<int comment 'x'>", NULL, "> is expected", ERR_INVALID},
        {"a array<int>>", NULL, "byte 13, at \">\": a comma or the end", ERR_INVALID},
        {"a array<int not>", NULL, "NULL is expected after NOT", ERR_INVALID},
        {"a map<int>", NULL, "a comma and the type of the map's values", ERR_INVALID},
        {"a map<string null, int>", NULL, "a comma and the type of", ERR_INVALID},
        {"a map<date, int>", NULL, "at \"date, int>\": the key of a map is of type", ERR_INVALID},
        {"a map<array<int>, int>", NULL, "the key of a map is of type boolean", ERR_INVALID},
        {"a variant(3)", NULL, "a comma or the end", ERR_INVALID},
        {"a array<int>", "a", "key column \"a\" is a array; a key is of flat types", ERR_INVALID},
        {"a variant", "a", "is a variant; a key is of flat types", ERR_INVALID},
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

static const struct row_column *field(const struct row_column *c, uint32_t i)
{
    cr_assert(i < c->field_count);
    return &c->fields[i];
}

Test(row_ddl, types_stand_within_types)
{
    struct row_schema *s = parse("id int, a STRUCT<`x`: INT NOT NULL COMMENT 'it''s', y Array<Map<"
                                 "string, DECIMAL(5,2) not null>>>, v variant not null");

    const struct row_column *a = &s->columns[1], *x = field(a, 0), *y = field(a, 1);
    const struct row_column *map = field(y, ROW_ELEMENT), *key = field(map, ROW_KEY);
    const struct row_column *value = field(map, ROW_VALUE);
    cr_assert_eq(a->type, ROW_STRUCT);
    cr_assert_str_eq(x->name, "x");
    cr_assert_eq(x->field_id, 1u);
    cr_assert(x->not_null);
    cr_assert_str_eq(x->comment, "it's");
    cr_assert_eq(y->type, ROW_ARRAY);
    cr_assert_eq(y->field_id, 2u);
    cr_assert_not(y->not_null);
    cr_assert_eq(map->type, ROW_MAP);
    cr_assert_str_eq(map->name, "element");
    cr_assert_not(map->not_null);
    cr_assert_str_eq(key->name, "key");
    cr_assert_eq(key->type, ROW_STRING);
    cr_assert(key->not_null);
    cr_assert_str_eq(value->name, "value");
    cr_assert_eq(value->precision, 5);
    cr_assert(value->not_null);
    cr_assert_eq(s->columns[2].type, ROW_VARIANT);
    cr_assert(s->columns[2].not_null);
    cr_assert_eq(s->columns[2].field_count, 0u);
    row_schema_unref(s);
}

Test(row_ddl, leaves_are_counted_and_a_flat_schema_is_known)
{
    struct row_schema *flat = parse("a int, b string"), *variant = parse("a int, b variant");
    struct row_schema *nested = parse("a map<string, struct<b: int, c: variant>>, d array<date>");

    cr_assert_eq(flat->leaf_count, 2u);
    cr_assert(flat->is_flat);
    cr_assert_eq(variant->leaf_count, 3u);
    cr_assert_not(variant->is_flat);
    cr_assert_eq(nested->leaf_count, 5u);
    cr_assert_not(nested->is_flat);
    row_schema_unref(flat);
    row_schema_unref(variant);
    row_schema_unref(nested);
}

Test(row_ddl, nested_types_written_out_parse_back_to_the_same)
{
    static const char text[] =
        "`a` struct<`b`: int NOT NULL COMMENT 'say \\'x\\'', `c`: struct<`d`: variant>> NOT NULL, "
        "`e` array<array<decimal(3,1) NOT NULL>> COMMENT 'lists', "
        "`f` map<bigint, map<boolean, struct<`key`: date, `array`: string>> NOT NULL>";
    struct buf out = BUF_NULL;

    struct row_schema *s = parse(text);
    row_schema_to_ddl(s, &out);

    cr_assert_str_eq(buf_cstr(&out), text);
    row_schema_unref(s);
    buf_deinit(&out);
}

/* "a array<array<…int…>>" with @depth arrays. */
static int parse_deep(unsigned depth, struct err *e)
{
    struct buf ddl = BUF_NULL;
    struct row_schema *s = NULL;
    buf_add_str(&ddl, "a ");
    for (unsigned i = 0; i < depth; i++)
        buf_add_str(&ddl, i % 2 == 0 ? "array<" : "struct<s ");
    buf_add_str(&ddl, "int");
    for (unsigned i = 0; i < depth; i++)
        buf_add_byte(&ddl, '>');
    int r = row_schema_parse(buf_slice(&ddl), NULL, 0, &s, e);
    row_schema_unref(s);
    buf_deinit(&ddl);
    return r;
}

Test(row_ddl, types_stand_thirty_two_deep_and_no_deeper)
{
    struct err e = {0};

    cr_assert_eq(parse_deep(32, &e), 0);
    cr_assert_eq(parse_deep(33, &e), ERR_INVALID);
    cr_assert(strstr(e.text, "at most 32 deep") != NULL);
    cr_assert_eq(parse_deep(30000, &e), ERR_INVALID);
}

Test(row_ddl, four_thousand_leaves_fit_and_one_more_does_not)
{
    struct buf ddl = BUF_NULL;
    struct row_schema *s = NULL, *none = NULL;
    struct err e = {0};
    buf_add_str(&ddl, "v variant, s struct<");
    for (int i = 0; i < 3998; i++)
        buf_printf(&ddl, "%sc%d: int", i == 0 ? "" : i == 1999 ? ">, t struct<" : ",", i);

    buf_add_byte(&ddl, '>');
    int fits = row_schema_parse(buf_slice(&ddl), NULL, 0, &s, NULL);
    buf_add_str(&ddl, ", more int");
    int refused = row_schema_parse(buf_slice(&ddl), NULL, 0, &none, &e);

    cr_assert_eq(fits, 0);
    cr_assert_eq(s->leaf_count, 4000u);
    cr_assert_eq(refused, ERR_INVALID);
    cr_assert(strstr(e.text, "4000 flat columns") != NULL);
    row_schema_unref(s);
    buf_deinit(&ddl);
}

Test(row_ddl, an_error_names_the_path_of_its_column)
{
    static const struct {
        const char *ddl, *key, *field;
    } cases[] = {
        {"a int, b integr", NULL, "b"},
        {"a int, a int", NULL, "a"},
        {"a int, 7 int", NULL, ""},
        {"a struct<b: struct<c: foo>>", NULL, "a.b.c"},
        {"a struct<b: int, c: struct<1>>", NULL, "a.c"},
        {"a int, s struct<l: array<decimal(99)>>", NULL, "s.l.element"},
        {"m map<string, map<float, int>>", NULL, "m.value.key"},
        {"m map<string, interval>", NULL, "m.value"},
        {"a struct<b: int>, C variant", "c", "C"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct row_schema *s = NULL;
        struct err e = {0};
        int r =
            row_schema_parse(slice_str(cases[i].ddl), &cases[i].key, cases[i].key != NULL, &s, &e);
        cr_assert(r < 0);
        cr_assert_str_eq(e.field, cases[i].field);
    }
}

/* The log keeps the written-out form; what it could not read again must not come in. */
Test(row_ddl, a_list_that_would_be_too_long_when_written_out_is_refused)
{
    struct buf ddl = BUF_NULL, out = BUF_NULL;
    struct row_schema *s = NULL, *none = NULL;
    struct err e = {0};
    buf_add_str(&ddl, "a int comment '");
    while (ddl.len < 256 * 1024 - 11)
        buf_add_byte(&ddl, 'x');
    buf_add_byte(&ddl, '\'');

    int fits = row_schema_parse(buf_slice(&ddl), NULL, 0, &s, &e);
    buf_add_str(&ddl, ",b int");
    int refused = row_schema_parse(buf_slice(&ddl), NULL, 0, &none, &e);

    cr_assert_eq(fits, 0);
    row_schema_to_ddl(s, &out);
    cr_assert_eq(out.len, ddl.len - 6 + 2);
    cr_assert_eq(refused, ERR_INVALID);
    cr_assert(strstr(e.text, "when it is written out; at most 262144") != NULL);
    row_schema_unref(s);
    buf_deinit(&ddl);
    buf_deinit(&out);
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

Test(row_ddl, a_struct_has_at_most_as_many_fields_as_a_table_columns)
{
    struct buf ddl = BUF_NULL;
    struct row_schema *none = NULL;
    struct err e = {0};
    buf_add_str(&ddl, "s STRUCT<");
    for (int i = 0; i < 2001; i++)
        buf_printf(&ddl, "%sc%d: int", i == 0 ? "" : ",", i);
    buf_add_str(&ddl, ">");

    int refused = row_schema_parse(buf_slice(&ddl), NULL, 0, &none, &e);

    cr_assert_eq(refused, ERR_INVALID);
    cr_assert(strstr(e.text, "a STRUCT has at most 2000 fields") != NULL);
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
