/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "codec_priv.h"

#include <float.h>
#include <math.h>

/* The value that column a of @ddl has after @json, or the failure. */
static int read_a(const char *ddl, const char *json, struct buf *row, struct row_value *v,
                  struct err *e)
{
    struct row_schema *s = help_schema(ddl, NULL);
    struct codec_plan *own = codec_plan_new_own(s);
    struct row_value values[16];
    buf_reset(row);
    /* in memory of exactly its size, so that a read behind the end is seen */
    size_t len = strlen(json);
    uint8_t *exact = mem_alloc(len + 1);
    memcpy(exact + 1, json, len);
    int r = codec_json_to_row(own, slice_of(exact + 1, len), row, e);
    if (r == 0) {
        cr_assert_eq(codec_check(own, buf_slice(row), NULL), 0);
        cr_assert_eq(codec_decode(own, buf_slice(row), NULL, values), 0);
        *v = values[0];
    }
    mem_free(exact);
    codec_plan_unref(own);
    row_schema_unref(s);
    return r;
}

Test(codec_json, integers_dates_and_timestamps_are_read_exactly)
{
    static const struct {
        const char *ddl, *json;
        int64_t value;
    } cases[] = {
        {"a tinyint", "{\"a\":-128}", -128},
        {"a smallint", "{\"a\":32767}", 32767},
        {"a int", " {\t\"a\" :\r\n-2147483648 } ", INT32_MIN},
        {"a bigint", "{\"a\":9007199254740993}", 9007199254740993},
        {"a bigint", "{\"a\":\"9223372036854775807\"}", INT64_MAX},
        {"a bigint", "{\"a\":-9223372036854775808}", INT64_MIN},
        {"a bigint", "{\"A\":0}", 0},
        {"a bigint", "{\"a\":-0}", 0},
        {"a int", "{\"a\":1.0}", 1},
        {"a int", "{\"a\":12e2}", 1200},
        {"a int", "{\"\\u0061\":\"1\\u0032\"}", 12},
        {"a date", "{\"a\":19000}", 19000},
        {"a date", "{\"a\":\"-1\"}", -1},
        {"a date", "{\"a\":\"1970-01-01\"}", 0},
        {"a date", "{\"a\":\"1969-12-31\"}", -1},
        {"a date", "{\"a\":\"2000-02-29\"}", 11016},
        {"a date", "{\"a\":\"2024-03-01\"}", 19783},
        {"a date", "{\"a\":\"0001-01-01\"}", -719162},
        {"a date", "{\"a\":\"9999-12-31\"}", 2932896},
        {"a timestamp", "{\"a\":1700000000000000}", 1700000000000000},
        {"a timestamp_ntz", "{\"a\":\"-1\"}", -1},
    };
    struct buf row = BUF_NULL;
    struct err e = {0};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct row_value v = {0};
        int r = read_a(cases[i].ddl, cases[i].json, &row, &v, &e);
        if (r != 0 || v.i64 != cases[i].value)
            fprintf(stderr, "%s: %lld %s\n", cases[i].json, (long long)v.i64, e.text);
        cr_assert_eq(r, 0);
        cr_assert_not(v.null);
        cr_assert_eq(v.i64, cases[i].value);
    }
    buf_deinit(&row);
}

Test(codec_json, texts_and_bytes_are_unescaped_and_decoded)
{
    static const struct {
        const char *ddl, *json;
        struct slice value;
    } cases[] = {
#define V(text) {(const uint8_t *)(text), sizeof(text) - 1}
        {"a string", "{\"a\":\"\"}", V("")},
        {"a string", "{\"a\":\"plain text of more than sixteen bytes\"}",
         V("plain text of more than sixteen bytes")},
        {"a string", "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", V("\"\\/\b\f\n\r\t")},
        {"a string", "{\"a\":\"some text before it \\u00e9\\u20AC\\uD83D\\ude00 and behind\"}",
         V("some text before it \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 and behind")},
        {"a string", "{\"a\":\"Gr\xc3\xbc\xc3\x9f\"}", V("Gr\xc3\xbc\xc3\x9f")},
        {"a string", "{\"a\":\"a\\u0000b\"}", V("a\0b")},
        {"a string", "{\"a\":\"12\"}", V("12")},
        {"a string", "{\"a\":\"\x7f\"}", V("\x7f")},
        {"a binary", "{\"a\":\"\"}", V("")},
        {"a binary", "{\"a\":\"AP8=\"}", V("\x00\xff")},
        {"a binary", "{\"a\":\"AP8\"}", V("\x00\xff")},
        {"a binary", "{\"a\":\"+/+/\"}", V("\xfb\xff\xbf")},
        {"a binary", "{\"a\":\"-_-_\"}", V("\xfb\xff\xbf")},
        {"a binary", "{\"a\":\"+\\/+\\u002f\"}", V("\xfb\xff\xbf")},
        {"a binary", "{\"a\":\"AA==\"}", V("\0")},
        {"a binary", "{\"a\":\"YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo=\"}",
         V("abcdefghijklmnopqrstuvwxyz")},
#undef V
    };
    struct buf row = BUF_NULL;
    struct err e = {0};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct row_value v = {0};
        int r = read_a(cases[i].ddl, cases[i].json, &row, &v, &e);
        if (r != 0 || !slice_eq(v.bytes, cases[i].value))
            fprintf(stderr, "%s: %s\n", cases[i].json, e.text);
        cr_assert_eq(r, 0);
        cr_assert(slice_eq(v.bytes, cases[i].value));
    }
    buf_deinit(&row);
}

Test(codec_json, floats_are_rounded_correctly)
{
    static const struct {
        const char *text;
        double value;
    } cases[] = {
        {"0", 0},
        {"-1.5", -1.5},
        {"0.1", 0.1},
        {"1e22", 1e22},
        {"1e23", 1e23},
        {"9007199254740993", 9007199254740992.0},
        {"1.7976931348623157e308", DBL_MAX},
        {"5e-324", 5e-324},
        {"1e-400", 0},
        {"123456789012345678901234567890", 123456789012345678901234567890.0},
        {"2.2250738585072014E-308", DBL_MIN},
        {"\"0.25\"", 0.25},
        {"\"Infinity\"", INFINITY},
        {"\"-Infinity\"", -INFINITY},
        {"0.000000000000000000000000000000000001", 1e-36},
        {"3.141592653589793", 3.141592653589793},
    };
    struct buf row = BUF_NULL;
    struct row_value v = {0};
    struct err e = {0};
    char json[100];

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        (void)snprintf(json, sizeof(json), "{\"a\":%s}", cases[i].text);
        cr_assert_eq(read_a("a double", json, &row, &v, &e), 0);
        cr_assert_eq(v.f64, cases[i].value);
        if (fabs(cases[i].value) < 3e38 || isinf(cases[i].value)) {
            cr_assert_eq(read_a("a float", json, &row, &v, &e), 0);
            cr_assert_eq(v.f32, (float)cases[i].value);
        }
    }
    cr_assert_eq(read_a("a double", "{\"a\":\"NaN\"}", &row, &v, &e), 0);
    cr_assert(isnan(v.f64));
    /* A text that a detour through double would round twice, to the wrong float. */
    cr_assert_eq(read_a("a float", "{\"a\":1.00000005960464477540}", &row, &v, &e), 0);
    cr_assert_eq(v.f32, strtof("1.00000005960464477540", NULL));
    cr_assert_eq(read_a("a float", "{\"a\":16777217}", &row, &v, &e), 0);
    cr_assert_eq(v.f32, 16777216.0f);
    buf_deinit(&row);
}

Test(codec_json, decimals_keep_all_their_digits)
{
    struct buf row = BUF_NULL, text = BUF_NULL;
    struct row_value v = {0};
    struct err e = {0};

    cr_assert_eq(read_a("a decimal(38,2)", "{\"a\":\"-123456789012345678901234567890123456.78\"}",
                        &row, &v, &e),
                 0);
    row_decimal_format(v.decimal, 2, &text);
    cr_assert_str_eq(buf_cstr(&text), "-123456789012345678901234567890123456.78");
    cr_assert_eq(
        read_a("a decimal(38,2)", "{\"a\":123456789012345678901234567890123456.7}", &row, &v, &e),
        0);
    buf_reset(&text);
    row_decimal_format(v.decimal, 2, &text);
    cr_assert_str_eq(buf_cstr(&text), "123456789012345678901234567890123456.70");
    buf_deinit(&row);
    buf_deinit(&text);
}

Test(codec_json, null_and_absence_are_the_same_for_a_nullable_column)
{
    struct buf row = BUF_NULL;
    struct row_value v = {0};
    struct err e = {0};

    cr_assert_eq(read_a("a int", "{\"a\":null}", &row, &v, &e), 0);
    cr_assert(v.null);
    cr_assert_eq(row.len, 0u);
    cr_assert_eq(read_a("a int", "{}", &row, &v, &e), 0);
    cr_assert(v.null);
    cr_assert_eq(read_a("a boolean, b int", "{\"b\":1,\"a\":false}", &row, &v, &e), 0);
    cr_assert_not(v.null);
    cr_assert_not(v.boolean);
    buf_deinit(&row);
}

static const struct {
    const char *ddl, *json, *part;
} malformed[] = {
    {"a int", "", "JSON, byte 0: the record is empty"},
    {"a int", "  ", "the record is empty"},
    {"a int", "[1]", "must be a JSON object"},
    {"a int", "1", "must be a JSON object"},
    {"a int", "\xef\xbb\xbf{}", "must be a JSON object"},
    {"a int", "{", "a name in quotes"},
    {"a int", "{a:1}", "byte 1: a name in quotes"},
    {"a int", "{\"a\"}", "byte 4: a colon"},
    {"a int", "{\"a\":}", "byte 5: column a (int): a JSON value is expected"},
    {"a int", "{\"a\":", "a JSON value is expected"},
    {"a int", "{\"a\":1", "a comma or a closing brace"},
    {"a int", "{\"a\":1,}", "a name in quotes"},
    {"a int", "{,\"a\":1}", "a name in quotes"},
    {"a int", "{\"a\":1}}", "byte 7: the object has ended, but more follows"},
    {"a int", "{\"a\":1} x", "more follows"},
    {"a int", "{\"a\":1}{\"a\":1}", "more follows"},
    {"a int", "{\"a\":1,\"a\":2}", "column a comes twice"},
    {"a int", "{\"a\":null,\"A\":2}", "column a comes twice"},
    {"a int", "{\"b\":1}", "the table has no column \"b\""},
    {"a int", "{\"b\\n\xc3\xa4\":1}", "the table has no column \"b???\""},
    {"a int", "{\"\":1}", "no column \"\""},
    {"a int not null", "{}", "column a is NOT NULL but the record has no value"},
    {"a int not null", "{\"a\":null}", "column a is NOT NULL but the record has no value"},
    {"a int", "{\"a\":01}", "malformed number"},
    {"a int", "{\"a\":-}", "malformed number"},
    {"a int", "{\"a\":1.}", "malformed number"},
    {"a int", "{\"a\":1e}", "malformed number"},
    {"a int", "{\"a\":+1}", "a JSON value is expected"},
    {"a int", "{\"a\":.5}", "a JSON value is expected"},
    {"a int", "{\"a\":1-2}", "malformed number"},
    {"a int", "{\"a\":0x10}", "a comma or a closing brace"},
    {"a int", "{\"a\":NaN}", "a JSON value is expected"},
    {"a int", "{\"a\":nul}", "a JSON value is expected"},
    {"a int", "{\"a\":1.5}", "column a (int): the number is not an integer"},
    {"a int", "{\"a\":2147483648}", "column a (int): the number is out of range"},
    {"a tinyint", "{\"a\":-129}", "column a (tinyint): the number is out of range"},
    {"a bigint", "{\"a\":9223372036854775808}", "out of range"},
    {"a bigint", "{\"a\":1e30}", "out of range"},
    {"a bigint", "{\"a\":1e300}", "out of range"},
    {"a int", "{\"a\":\"\"}", "the text is not an integer"},
    {"a int", "{\"a\":\"007\"}", "the text is not an integer"},
    {"a int", "{\"a\":\" 1\"}", "the text is not an integer"},
    {"a int", "{\"a\":\"one\"}", "byte 5: column a (int): the text is not an integer"},
    {"a int", "{\"a\":true}", "true and false do not fit"},
    {"a int", "{\"a\":[1]}", "an array does not fit the column"},
    {"a int", "{\"a\":{\"b\":1}}", "an object does not fit the column"},
    {"a string", "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[", "an array does not fit the column"},
    {"a boolean", "{\"a\":1}", "true or false is expected"},
    {"a boolean", "{\"a\":\"true\"}", "true or false is expected"},
    {"a boolean", "{\"a\":truely}", "a comma or a closing brace"},
    {"a string", "{\"a\":1}", "a text in quotes is expected, not a number"},
    {"a string", "{\"a\":\"x", "the text is not closed"},
    {"a string", "{\"a\":\"x\\", "the text is not closed"},
    {"a string", "{\"a\":\"x\\\"", "the text is not closed"},
    {"a string", "{\"a\":\"x\ny\"}", "byte 7: column a: a control character"},
    {"a string", "{\"a\":\"\\x\"}", "this escape is unknown"},
    {"a string", "{\"a\":\"\\u12g4\"}", "four hexadecimal digits"},
    {"a string", "{\"a\":\"\\u12", "four hexadecimal digits"},
    {"a string", "{\"a\":\"\\ud800\"}", "a high surrogate stands alone"},
    {"a string", "{\"a\":\"\\ud800\\u0041\"}", "a high surrogate stands alone"},
    {"a string", "{\"a\":\"\\ud800\\n\"}", "a high surrogate stands alone"},
    {"a string", "{\"a\":\"\\udc00\"}", "a low surrogate stands alone"},
    {"a string", "{\"a\":\"\xff\"}", "not valid UTF-8"},
    {"a string", "{\"a\":\"\\n\xed\xa0\x80\"}", "not valid UTF-8"},
    {"a string", "{\"\xff\":1}", "not valid UTF-8"},
    {"a binary", "{\"a\":\"A\"}", "the text is not base64"},
    {"a binary", "{\"a\":\"AP8==\"}", "the text is not base64"},
    {"a binary", "{\"a\":\"A===\"}", "the text is not base64"},
    {"a binary", "{\"a\":\"AP 8\"}", "the text is not base64"},
    {"a binary", "{\"a\":[1,2]}", "an array does not fit"},
    {"a binary", "{\"a\":12}", "base64 text in quotes is expected"},
    {"a float", "{\"a\":1e39}", "column a (float): the number is out of range"},
    {"a double", "{\"a\":-1e309}", "column a (double): the number is out of range"},
    {"a double", "{\"a\":\"inf\"}", "not a number, NaN, Infinity"},
    {"a double", "{\"a\":\"0x1p3\"}", "not a number, NaN, Infinity"},
    {"a decimal(5,2)", "{\"a\":\"1.234\"}",
     "column a (decimal(5,2)): the value is not such a decimal"},
    {"a decimal(5,2)", "{\"a\":1000}", "not such a decimal"},
    {"a decimal(5,2)", "{\"a\":\"x\"}", "not such a decimal"},
    {"a decimal(5,2)", "{\"a\":1.}", "malformed number"},
    {"a decimal(5,2)", "{\"a\":-.5}", "malformed number"},
    {"a double", "{\"a\":01}", "malformed number"},
    {"a date", "{\"a\":\"2023-02-29\"}", "neither YYYY-MM-DD nor"},
    {"a date", "{\"a\":\"1900-02-29\"}", "neither YYYY-MM-DD nor"},
    {"a date", "{\"a\":\"2024-13-01\"}", "neither YYYY-MM-DD nor"},
    {"a date", "{\"a\":\"2024-00-01\"}", "neither YYYY-MM-DD nor"},
    {"a date", "{\"a\":\"2024-01-32\"}", "neither YYYY-MM-DD nor"},
    {"a date", "{\"a\":\"2024/01/01\"}", "neither YYYY-MM-DD nor"},
    {"a date", "{\"a\":\"24-01-01\"}", "neither YYYY-MM-DD nor"},
    {"a date", "{\"a\":\"2024-1-01x\"}", "neither YYYY-MM-DD nor"},
    {"a date", "{\"a\":2147483648}", "out of range"},
    {"a timestamp", "{\"a\":\"2024-01-01T00:00:00Z\"}",
     "whole number of microseconds since 1970-01-01"},
    {"a timestamp_ntz", "{\"a\":1.5}", "not an integer"},
};

Test(codec_json, malformed_and_unfitting_records_are_refused_naming_place_column_and_reason)
{
    struct buf row = BUF_NULL;
    struct row_value v;

    for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
        struct err e = {0};
        int r = read_a(malformed[i].ddl, malformed[i].json, &row, &v, &e);
        help_expect(malformed[i].json, r, &e, ERR_INVALID, malformed[i].part);
        cr_assert_eq(row.len, 0u);
    }
    buf_deinit(&row);
}
