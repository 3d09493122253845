/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

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
        {"{\"a\":1,\"A\":1}", "key column a comes twice", ERR_INVALID},
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
