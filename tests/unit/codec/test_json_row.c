/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "codec/variant.h"

#include "base/limits.h"

static const char wide[] =
    "id bigint not null, name string, note string, raw binary, price decimal(9,2), "
    "ok boolean, f float, d double, day date, t timestamp";

Test(codec_json, a_row_of_many_columns_keeps_every_value_whatever_the_order_of_keys)
{
    static const char *const texts[] = {
        "{\"id\":7,\"name\":\"a\\tb\",\"note\":\"long enough to move the buffer \\u00e9 "
        "twice\",\"raw\":\"AQID\","
        "\"price\":\"1.50\",\"ok\":true,\"f\":0.5,\"d\":0.1,\"day\":3,\"t\":4}",
        "{\"t\":4,\"day\":3,\"D\":0.1,\"f\":0.5,\"ok\":true,\"Price\":1.5,\"raw\":\"AQID\","
        "\"note\":\"long enough to move the buffer \xc3\xa9 "
        "twice\",\"NAME\":\"a\\u0009b\",\"id\":\"7\"}"};
    struct row_schema *s = help_schema(wide, NULL);
    struct codec_plan *own = codec_plan_new_own(s);
    struct err e = {0};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct buf out = BUF_NULL, json = BUF_NULL;
        struct row_value v[10];
        buf_add_str(&out, "before");

        int r = codec_json_to_row(own, slice_str(texts[i]), &out, &e);
        if (r != 0)
            fprintf(stderr, "%s\n", e.text);
        cr_assert_eq(r, 0);
        struct slice row = slice_of(out.data + 6, out.len - 6);
        cr_assert_eq(codec_check(own, row, &e), 0);
        cr_assert_eq(codec_decode(own, row, NULL, v), 0);
        codec_values_to_json(s, v, &json);

        cr_assert_arr_eq(out.data, "before", 6);
        cr_assert_str_eq(buf_cstr(&json), "{\"id\":7,\"name\":\"a\\tb\",\"note\":\"long enough to "
                                          "move the buffer \xc3\xa9 twice\","
                                          "\"raw\":\"AQID\",\"price\":\"1.50\",\"ok\":true,\"f\":0."
                                          "5,\"d\":0.1,\"day\":3,\"t\":4}");
        buf_deinit(&out);
        buf_deinit(&json);
    }
    codec_plan_unref(own);
    row_schema_unref(s);
}

Test(codec_json, a_refused_record_leaves_the_output_as_it_was)
{
    struct row_schema *s = help_schema(wide, NULL);
    struct codec_plan *own = codec_plan_new_own(s);
    struct buf out = BUF_NULL;
    struct err e = {0};
    buf_add_str(&out, "before");

    int r = codec_json_to_row(own, slice_str("{\"id\":1,\"name\":\"x\",\"ok\":3}"), &out, &e);

    help_expect("row", r, &e, ERR_INVALID, "byte 24: column ok (boolean): true or false");
    cr_assert_eq(out.len, 6u);
    cr_assert_arr_eq(out.data, "before", 6);
    codec_plan_unref(own);
    row_schema_unref(s);
    buf_deinit(&out);
}

Test(codec_json, a_key_is_the_same_bytes_from_json_and_from_values)
{
    const char *keys[] = {"b", "a"};
    struct row_schema *s = NULL;
    cr_assert_eq(row_schema_parse(slice_str("a string, b binary, c int"), keys, 2, &s, NULL), 0);
    struct row_value v[] = {
        {.bytes = slice_str("x\ny")}, {.bytes = slice_str("abc")}, {.null = true}};
    struct buf expected = BUF_NULL, got = BUF_NULL;
    struct err e = {0};
    cr_assert_eq(row_key_encode(s, v, &expected, NULL), 0);

    cr_assert_eq(codec_json_to_key(s, slice_str("{\"a\":\"x\\ny\",\"B\":\"YWJj\"}"), &got, &e), 0);
    cr_assert(slice_eq(buf_slice(&got), buf_slice(&expected)));
    buf_reset(&got);
    cr_assert_eq(
        codec_json_to_key(s, slice_str("{\"b\":\"YW\\u004aj\",\"a\":\"x\\u000ay\"}"), &got, &e), 0);
    cr_assert(slice_eq(buf_slice(&got), buf_slice(&expected)));

    buf_deinit(&expected);
    buf_deinit(&got);
    row_schema_unref(s);
}

Test(codec_json, a_key_that_is_not_exactly_the_key_columns_is_refused)
{
    static const struct {
        const char *json, *part;
        int code;
    } cases[] = {
        {"{}", "key column a is missing", ERR_INVALID},
        {"{\"a\":1}", "key column b is missing", ERR_INVALID},
        {"{\"a\":1,\"b\":\"x\",\"c\":1}", "the key has no column \"c\"", ERR_INVALID},
        {"{\"a\":1,\"b\":\"x\",\"z\":1}", "the key has no column \"z\"", ERR_INVALID},
        {"{\"a\":1,\"A\":1}", "column a comes twice in the key", ERR_INVALID},
        {"{\"a\":null,\"b\":\"x\"}", "key column a has no value", ERR_INVALID},
        {"{\"a\":\"x\",\"b\":\"x\"}", "column a (int): the text is not an integer", ERR_INVALID},
        {"\"x\"", "must be a JSON object", ERR_INVALID},
    };
    const char *keys[] = {"a", "b"};
    struct row_schema *s = NULL, *keyless = help_schema("a int", NULL);
    struct buf out = BUF_NULL;
    struct err e = {0};
    cr_assert_eq(row_schema_parse(slice_str("a int, b string, c int"), keys, 2, &s, NULL), 0);

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int r = codec_json_to_key(s, slice_str(cases[i].json), &out, &e);
        help_expect(cases[i].json, r, &e, cases[i].code, cases[i].part);
        cr_assert_eq(out.len, 0u);
    }
    int r = codec_json_to_key(keyless, slice_str("{}"), &out, &e);
    help_expect("keyless", r, &e, ERR_PRECONDITION, "no primary key");
    row_schema_unref(s);
    row_schema_unref(keyless);
    buf_deinit(&out);
}

/* ---- nested columns ---- */

static const char nested[] =
    "id BIGINT NOT NULL, at STRUCT<x: INT, y: DOUBLE NOT NULL, note: STRING>, tags ARRAY<STRING>, "
    "ns ARRAY<INT> NOT NULL, lines ARRAY<STRUCT<sku: STRING NOT NULL, n: SMALLINT, raw: BINARY>>, "
    "attrs MAP<STRING, DECIMAL(9,2)>, counts MAP<INT, STRUCT<a: BOOLEAN>>, "
    "flags MAP<BOOLEAN, STRING>, grid ARRAY<ARRAY<FLOAT>>, deep MAP<STRING, MAP<BIGINT, DATE>>, "
    "v VARIANT, vs ARRAY<VARIANT>, w STRUCT<v: VARIANT NOT NULL, t: STRUCT<u: ARRAY<BOOLEAN>>>";

struct nested {
    struct row_schema *s;
    struct codec_plan *own;
    struct buf out;
    struct err e;
};

static struct nested nested_new(const char *ddl)
{
    struct nested n = {.s = help_schema(ddl, NULL)};
    n.own = codec_plan_new_own(n.s);
    return n;
}

static void nested_free(struct nested *n)
{
    codec_plan_unref(n->own);
    row_schema_unref(n->s);
    buf_deinit(&n->out);
}

static int convert(struct nested *n, const char *json)
{
    buf_reset(&n->out);
    n->e = (struct err){0};
    return codec_json_to_row(n->own, slice_str(json), &n->out, &n->e);
}

#define LIST(...)                                                                                  \
    {                                                                                              \
        .item_count = sizeof((struct row_value[]){__VA_ARGS__}) / sizeof(struct row_value),        \
        .items = (struct row_value[])                                                              \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define TEXT(s)                                                                                    \
    {                                                                                              \
        .bytes = {(const uint8_t *)(s), sizeof(s) - 1 }                                            \
    }

Test(codec_json, a_nested_row_is_the_message_that_its_values_make)
{
    static const char json[] =
        "{\"id\":7,\"at\":{\"x\":-1,\"y\":0.5,\"note\":null},\"tags\":[\"a\",\"\",\"\xc3\xa9\\n\"],"
        "\"ns\":[1,-2,300],\"lines\":[{\"sku\":\"s\",\"n\":5,\"raw\":\"AQI=\"},"
        "{\"sku\":\"\",\"n\":null,\"raw\":null}],\"attrs\":{\"k\":\"1.50\",\"\":\"0.00\"},"
        "\"counts\":{\"-3\":{\"a\":true},\"0\":{\"a\":null}},\"flags\":{\"true\":\"t\"},"
        "\"grid\":[[],[1,2.5]],\"deep\":{\"q\\\"\":{\"9\":19000},\"e\":{}},"
        "\"v\":{\"a\":[1,null]},\"vs\":[null,\"x\"],"
        "\"w\":{\"v\":null,\"t\":{\"u\":[true,false]}}}";
    struct nested n = nested_new(nested);
    struct buf row = BUF_NULL, text = BUF_NULL, variants = BUF_NULL;
    size_t ends[4];
    static const char *const parts[] = {"{\"a\":[1,null]}", "null", "\"x\"", "null"};
    (void)buf_reserve(&variants, 1000);
    for (size_t i = 0; i < 4; i++) {
        cr_assert_eq(codec_variant_from_json(slice_str(parts[i]), &variants, NULL), 0);
        ends[i] = variants.len;
    }
    const uint8_t *b = variants.data;
    struct row_value v[] = {
        {.i64 = 7},
        LIST({.i64 = -1}, {.f64 = 0.5}, {.null = true}),
        LIST(TEXT("a"), TEXT(""), TEXT("\xc3\xa9\n")),
        LIST({.i64 = 1}, {.i64 = -2}, {.i64 = 300}),
        LIST(LIST(TEXT("s"), {.i64 = 5}, TEXT("\1\2")),
             LIST(TEXT(""), {.null = true}, {.null = true})),
        LIST(TEXT("k"), {.decimal = 150}, TEXT(""), {.decimal = 0}),
        LIST({.i64 = -3}, LIST({.boolean = true}), {.i64 = 0}, LIST({.null = true})),
        LIST({.boolean = true}, TEXT("t")),
        LIST({.item_count = 0}, LIST({.f32 = 1}, {.f32 = 2.5f})),
        LIST(TEXT("q\""), LIST({.i64 = 9}, {.i64 = 19000}), TEXT("e"), {.item_count = 0}),
        {.bytes = slice_of(b, ends[0])},
        LIST({.bytes = slice_of(b + ends[0], ends[1] - ends[0])},
             {.bytes = slice_of(b + ends[1], ends[2] - ends[1])}),
        LIST({.bytes = slice_of(b + ends[2], ends[3] - ends[2])},
             LIST(LIST({.boolean = true}, {.boolean = false}))),
    };
    codec_values_to_row(n.s, v, &row);
    codec_values_to_json(n.s, v, &text);

    if (convert(&n, json) != 0)
        fprintf(stderr, "%s\n", n.e.text);

    cr_assert(slice_eq(buf_slice(&n.out), buf_slice(&row)));
    cr_assert_str_eq(buf_cstr(&text), json);
    struct arena arena = ARENA_NULL;
    struct row_value back[13];
    cr_assert_eq(codec_check(n.own, buf_slice(&row), &n.e), 0);
    cr_assert_eq(codec_decode(n.own, buf_slice(&row), &arena, back), 0);
    buf_reset(&text);
    codec_values_to_json(n.s, back, &text);
    cr_assert_str_eq(buf_cstr(&text), json);
    arena_deinit(&arena);
    nested_free(&n);
    buf_deinit(&row);
    buf_deinit(&text);
    buf_deinit(&variants);
}

/* Absent, empty and null, and keys of any letter case and order, say the same where they may. */
Test(codec_json, what_says_the_same_is_the_same_row)
{
    static const struct {
        const char *ddl, *one, *other;
    } cases[] = {
        {"a ARRAY<INT>", "{}", "{\"a\":[]}"},
        {"a ARRAY<STRING> NOT NULL", "{}", " { \"a\" : [ ] } "},
        {"m MAP<STRING, INT>", "{}", "{\"m\":{}}"},
        {"s STRUCT<x: INT, t: STRUCT<y: INT>>", "{}", "{\"s\":null}"},
        {"s STRUCT<x: INT, t: STRUCT<y: INT>>", "{\"s\":{}}", "{\"S\":{\"T\":null,\"X\":null}}"},
        {"s STRUCT<x: INT, y: INT>", "{\"s\":{\"x\":1,\"y\":2}}",
         "{ \"s\" : { \"x\" : \"1\" , \"Y\" : 2e0 } }"},
        {"v VARIANT", "{}", "{\"v\":null}"},
        {"m MAP<INT, INT>", "{\"m\":{\"1\":2}}", "{\"m\":{\"1e0\":\"2\"}}"},
        {"m MAP<STRING, STRING>", "{\"m\":{\"a\":\"b\"}}", "{\"m\":{\"\\u0061\":\"\\u0062\"}}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct nested n = nested_new(cases[i].ddl);
        struct buf one = BUF_NULL;

        cr_assert_eq(codec_json_to_row(n.own, slice_str(cases[i].one), &one, NULL), 0);
        cr_assert_eq(convert(&n, cases[i].other), 0);

        cr_assert(slice_eq(buf_slice(&n.out), buf_slice(&one)));
        nested_free(&n);
        buf_deinit(&one);
    }
}

Test(codec_json, a_variant_keeps_its_text_and_a_string_stays_a_string)
{
    struct nested n = nested_new("v VARIANT NOT NULL");
    static const char *const texts[] = {"{ \"b\": 1,\n \"a\": 1.50 }", "\"{\\\"a\\\":1}\"", "null",
                                        "-0.10e1", "[]"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct buf json = BUF_NULL, expected = BUF_NULL;
        buf_printf(&json, "{\"v\": %s }", texts[i]);
        wire_add_bytes(&expected, 1, slice_str(texts[i]));

        cr_assert_eq(convert(&n, buf_cstr(&json)), 0);

        cr_assert(slice_eq(buf_slice(&n.out), buf_slice(&expected)));
        buf_deinit(&json);
        buf_deinit(&expected);
    }
    nested_free(&n);
}

static const struct {
    const char *json, *part, *field;
} unfitting[] = {
    {"{\"at\":{\"y\":1}}", "column id is NOT NULL", "id"},
    {"{\"id\":1,\"at\":{}}", "column at.y is NOT NULL but the record has no value", "at.y"},
    {"{\"id\":1,\"at\":{\"y\":null}}", "column at.y is NOT NULL", "at.y"},
    {"{\"id\":1,\"lines\":[{\"sku\":\"a\"},{}]}", "column lines[1].sku is NOT NULL",
     "lines[1].sku"},
    {"{\"id\":1,\"at\":3}", "byte 13: column at: an object is expected", "at"},
    {"{\"id\":1,\"at\":{\"y\":1,\"z\":2}}", "column at.z: there is no such field", "at.z"},
    {"{\"id\":1,\"zz\":2}", "the table has no column \"zz\"", "zz"},
    {"{\"id\":1,\"at\":{\"y\":1,\"Y\":2}}", "byte 24: column at.y comes twice", "at.y"},
    {"{\"id\":1,\"at\":{\"x\":2147483648,\"y\":1}}",
     "byte 18: column at.x (int): the number is out of range", "at.x"},
    {"{\"id\":1,\"tags\":null}", "byte 15: column tags (array<string>): null does not fit", "tags"},
    {"{\"id\":1,\"tags\":{}}", "byte 15: column tags (array<string>): an array is expected",
     "tags"},
    {"{\"id\":1,\"tags\":\"a\"}", "an array is expected", "tags"},
    {"{\"id\":1,\"tags\":[\"a\",null]}",
     "byte 20: column tags[1] (string): elements and values of maps cannot be null", "tags[1]"},
    {"{\"id\":1,\"ns\":[1,null]}", "column ns[1] (int): elements", "ns[1]"},
    {"{\"id\":1,\"ns\":[1,2.5]}", "byte 16: column ns[1] (int): the number is not an integer",
     "ns[1]"},
    {"{\"id\":1,\"ns\":[1,2,]}", "column ns[2] (int): a JSON value is expected", "ns[2]"},
    {"{\"id\":1,\"ns\":[1 2]}", "column ns: a comma or a closing bracket is expected", "ns"},
    {"{\"id\":1,\"ns\":[1", "byte 15: column ns: a comma or a closing bracket", "ns"},
    {"{\"id\":1,\"lines\":[null]}", "column lines[0]: an object is expected", "lines[0]"},
    {"{\"id\":1,\"lines\":[{\"sku\":1}]}", "column lines[0].sku (string): a text", "lines[0].sku"},
    {"{\"id\":1,\"attrs\":null}", "null does not fit", "attrs"},
    {"{\"id\":1,\"attrs\":[]}", "an object is expected", "attrs"},
    {"{\"id\":1,\"attrs\":{\"a b\":1.001}}",
     "byte 23: column attrs[\"a b\"] (decimal(9,2)): the value is not such a decimal",
     "attrs[\"a b\"]"},
    {"{\"id\":1,\"attrs\":{\"a\\\"\\\\\":null}}", "cannot be null", "attrs[\"a\\\"\\\\\"]"},
    {"{\"id\":1,\"attrs\":{\"a\":1,\"b\":2,\"\\u0061\":3}}",
     "byte 29: column attrs: the name \"a\" comes twice", "attrs"},
    {"{\"id\":1,\"attrs\":{\"a\":1", "column attrs: a comma or a closing brace", "attrs"},
    {"{\"id\":1,\"attrs\":{a:1}}", "column attrs: a key in quotes is expected", "attrs"},
    {"{\"id\":1,\"attrs\":{\"a\" 1}}", "column attrs: a colon is expected", "attrs"},
    {"{\"id\":1,\"counts\":{\"x\":{}}}", "byte 18: column counts (int): the text is not an integer",
     "counts"},
    {"{\"id\":1,\"counts\":{\"2147483648\":{}}}", "the number is out of range", "counts"},
    {"{\"id\":1,\"counts\":{\"1\":{},\"01\":{}}}", "column counts (int)", "counts"},
    {"{\"id\":1,\"counts\":{\"1\":{},\"1.0\":{}}}", "byte 25: column counts: this key comes twice",
     "counts"},
    {"{\"id\":1,\"counts\":{\"-1\":{\"a\":1}}}", "column counts[-1].a (boolean)", "counts[-1].a"},
    {"{\"id\":1,\"flags\":{\"TRUE\":\"\"}}", "the key is neither true nor false", "flags"},
    {"{\"id\":1,\"flags\":{\"true\":\"\",\"true\":\"\"}}", "this key comes twice", "flags"},
    {"{\"id\":1,\"flags\":{\"false\":1}}", "column flags[false] (string)", "flags[false]"},
    {"{\"id\":1,\"grid\":[[1],[2,true]]}", "column grid[1][1] (float): true and false",
     "grid[1][1]"},
    {"{\"id\":1,\"grid\":[1]}", "column grid[0] (array<float>): an array is expected", "grid[0]"},
    {"{\"id\":1,\"grid\":[null]}", "an array is expected", "grid[0]"},
    {"{\"id\":1,\"deep\":{\"k\":{\"7\":\"x\"}}}", "column deep[\"k\"][7] (date)", "deep[\"k\"][7]"},
    {"{\"id\":1,\"deep\":{\"k\":null}}", "an object is expected", "deep[\"k\"]"},
    {"{\"id\":1,\"v\":{\"a\":1,\"a\":2}}", "byte 19: column v: the name \"a\" comes twice", "v"},
    {"{\"id\":1,\"v\":[1,}", "byte 15: column v: a JSON value is expected", "v"},
    {"{\"id\":1,\"v\":\"\\ud800\"}", "column v: a high surrogate stands alone", "v"},
    {"{\"id\":1,\"vs\":[1,nul]}", "column vs[1]: a JSON value is expected", "vs[1]"},
    {"{\"id\":1,\"w\":{\"t\":{\"u\":[1]},\"v\":1}}", "column w.t.u[0] (boolean)", "w.t.u[0]"},
    {"{\"id\":1,\"w\":{\"t\":{}}}", "column w.v is NOT NULL", "w.v"},
    {"{\"id\":1,\"tags\":[\"\xff\"]}", "column tags[0]: the text is not valid UTF-8", "tags[0]"},
    {"{\"id\":1,\"at\":{\"y\":1}} x", "byte 22: the object has ended, but more follows", ""},
};

Test(codec_json, nested_values_that_do_not_fit_are_refused_with_byte_path_and_reason)
{
    struct nested n = nested_new(nested);

    for (size_t i = 0; i < ARRAY_LEN(unfitting); i++) {
        int r = convert(&n, unfitting[i].json);
        help_expect(unfitting[i].json, r, &n.e, ERR_INVALID, unfitting[i].part);
        if (strcmp(n.e.field, unfitting[i].field) != 0)
            fprintf(stderr, "%s: field %s\n", unfitting[i].json, n.e.field);
        cr_assert_str_eq(n.e.field, unfitting[i].field);
        cr_assert_eq(n.out.len, 0u);
    }
    nested_free(&n);
}

Test(codec_json, large_maps_and_messages_are_read_and_a_key_that_comes_twice_is_found)
{
    struct nested n = nested_new("m MAP<STRING, STRUCT<t: STRING>>, k MAP<BIGINT, BOOLEAN>");
    struct buf json = BUF_NULL;
    char long_text[400];
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    buf_add_str(&json, "{\"m\":{");
    for (int i = 0; i < 300; i++)
        buf_printf(&json, "\"\\u0061%d\":{\"t\":\"%s\"},", i, long_text);
    buf_printf(&json, "\"last\":{}},\"k\":{");
    for (int i = 0; i < 300; i++)
        buf_printf(&json, "\"%d\":true,", i);
    size_t end = json.len;

    buf_add_str(&json, "\"300\":false}}");
    cr_assert_eq(convert(&n, buf_cstr(&json)), 0);
    cr_assert_eq(codec_check(n.own, buf_slice(&n.out), &n.e), 0);
    json.len = end;
    buf_add_str(&json, "\"150\":false}}");
    int r = convert(&n, buf_cstr(&json));

    help_expect("twice", r, &n.e, ERR_INVALID, "column k: this key comes twice");
    nested_free(&n);
    buf_deinit(&json);
}

Test(codec_json, a_row_of_too_many_values_is_refused)
{
    struct nested n = nested_new("a ARRAY<BOOLEAN>, b ARRAY<STRUCT<x: INT, y: INT>>");
    struct buf json = BUF_NULL;
    buf_add_str(&json, "{\"a\":[true");
    for (uint32_t i = 1; i < ROW_VALUES_MAX - 2; i++)
        buf_add_str(&json, ",true");
    size_t end = json.len;

    buf_add_str(&json, "],\"b\":[{}]}");
    cr_assert_eq(convert(&n, buf_cstr(&json)), 0);
    cr_assert_eq(codec_check(n.own, buf_slice(&n.out), &n.e), 0);
    buf_add_str(&n.out, "\x08\x01"); /* one element more */
    cr_assert_eq(codec_check(n.own, buf_slice(&n.out), &n.e), ERR_INVALID);
    json.len = end;
    buf_add_str(&json, ",true],\"b\":[{}]}");
    int r = convert(&n, buf_cstr(&json));

    help_expect("many", r, &n.e, ERR_INVALID,
                "column b[0]: the record holds more than 1048576 values");
    nested_free(&n);
    buf_deinit(&json);
}

/* What the JSON says is refused here, not by who reads the row that was made of it. */
Test(codec_json, values_that_are_not_given_count_as_in_a_protobuf_row)
{
    static const struct {
        const char *ddl, *open, *one, *close;
    } cases[] = {
        {"l ARRAY<STRUCT<u: STRUCT<a: INT, b: INT, c: INT>>>", "{\"l\":[", "{}", "]}"},
        {"l ARRAY<STRUCT<u: STRUCT<a: INT, b: INT, c: INT>>>", "{\"l\":[", "{\"u\":{}}", "]}"},
        {"m MAP<INT, STRUCT<a: INT, b: INT>>", "{\"m\":{", "\"-1\":{}", "}}"},
        {"l ARRAY<MAP<INT, ARRAY<BOOLEAN>>>", "{\"l\":[", "{\"1\":[true]}", "]}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct nested n = nested_new(cases[i].ddl);
        struct buf json = BUF_NULL;
        buf_add_str(&json, cases[i].open);
        for (unsigned k = 0; k < ROW_VALUES_MAX / 4; k++) {
            buf_add_str(&json, k == 0 ? "" : ",");
            if (i == 2) /* a key comes once */
                buf_printf(&json, "\"%u\":{}", k);
            else
                buf_add_str(&json, cases[i].one);
        }
        size_t end = json.len;

        buf_add_str(&json, cases[i].close);
        cr_assert_eq(convert(&n, buf_cstr(&json)), 0, "%s", n.e.text);
        cr_assert_eq(codec_check(n.own, buf_slice(&n.out), &n.e), 0, "%s", n.e.text);
        json.len = end;
        buf_printf(&json, ",%s%s", cases[i].one, cases[i].close);
        int r = convert(&n, buf_cstr(&json));
        help_expect(cases[i].ddl, r, &n.e, ERR_INVALID, "holds more than 1048576 values");
        nested_free(&n);
        buf_deinit(&json);
    }
}
