/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "codec/variant.h"

#define BYTES(s)                                                                                   \
    {                                                                                              \
        (const uint8_t *)(s), sizeof(s) - 1                                                        \
    }

/* The bytes are written down from Parquet's VariantEncoding.md. */
Test(codec_variant, values_have_the_bytes_of_the_specification)
{
    static const struct {
        const char *json;
        struct slice bytes;
    } cases[] = {
        {"null", BYTES("\x11\0\0"
                       "\x00")},
        {" true ", BYTES("\x11\0\0"
                         "\x04")},
        {"false", BYTES("\x11\0\0"
                        "\x08")},
        {"-0", BYTES("\x11\0\0"
                     "\x0c\x00")},
        {"-128", BYTES("\x11\0\0"
                       "\x0c\x80")},
        {"128", BYTES("\x11\0\0"
                      "\x10\x80\0")},
        {"-32769", BYTES("\x11\0\0"
                         "\x14\xff\x7f\xff\xff")},
        {"2147483648", BYTES("\x11\0\0"
                             "\x18\0\0\0\x80\0\0\0\0")},
        {"-9223372036854775808", BYTES("\x11\0\0"
                                       "\x18\0\0\0\0\0\0\0\x80")},
        {"1.50", BYTES("\x11\0\0"
                       "\x20\x02\x96\0\0\0")},
        {"-0.000000001", BYTES("\x11\0\0"
                               "\x20\x09\xff\xff\xff\xff")},
        {"0.0000000001", BYTES("\x11\0\0"
                               "\x24\x0a\x01\0\0\0\0\0\0\0")},
        {"0.0000000000000001", BYTES("\x11\0\0\x28\x10\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")},
        {"9223372036854775808", BYTES("\x11\0\0"
                                      "\x28\0\0\0\0\0\0\0\0\x80\0\0\0\0\0\0\0\0")},
        {"1e2", BYTES("\x11\0\0"
                      "\x1c\0\0\0\0\0\0\x59\x40")},
        {"\"h\\u00e9\\n\"", BYTES("\x11\0\0"
                                  "\x11h\xc3\xa9\n")},
        {"\"\"", BYTES("\x11\0\0"
                       "\x01")},
        {"[]", BYTES("\x11\0\0"
                     "\x03\0\0")},
        {"[1, \"a\"]", BYTES("\x11\0\0"
                             "\x03\x02\0\x02\x04"
                             "\x0c\x01"
                             "\x05"
                             "a")},
        {"{}", BYTES("\x11\0\0"
                     "\x02\0\0")},
        {"{\"b\":1,\"a\":{\"b\":null}}", BYTES("\x11\x02\0\x01\x02"
                                               "ab"
                                               "\x02\x02\0\x01\x02\0\x08"
                                               "\x0c\x01"
                                               "\x02\x01\x01\0\x01\0")},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = BUF_NULL;
        struct err e = {0};
        int r = codec_variant_from_json(slice_str(cases[i].json), &out, &e);
        bool ok = r == 0 && slice_eq(buf_slice(&out), cases[i].bytes);
        if (!ok)
            fprintf(stderr, "%s: %d %s\n", cases[i].json, r, e.text);
        cr_assert(ok);
        cr_assert_eq(codec_variant_check(slice_str(cases[i].json), &e), 0);
        buf_deinit(&out);
    }
}

Test(codec_variant, what_is_not_one_json_value_is_refused_with_its_byte)
{
    static const struct {
        const char *json, *part;
    } cases[] = {
        {"", "byte 0: a JSON value is expected"},
        {" ", "byte 1: a JSON value is expected"},
        {"nul", "byte 0: a JSON value is expected"},
        {"nan", "byte 0: a JSON value is expected"},
        {"'a'", "byte 0: a JSON value is expected"},
        {"1 2", "byte 2: the value has ended, but more follows"},
        {"01", "byte 0: malformed number"},
        {"[1.]", "byte 1: malformed number"},
        {"[-]", "byte 1: malformed number"},
        {"[+1]", "byte 1: a JSON value is expected"},
        {"1e999", "byte 0: the number is out of range"},
        {"\"a", "byte 2: the text is not closed"},
        {"\"a\\", "byte 3: the text is not closed"},
        {"\"\t\"", "byte 1: a control character must be written as an escape"},
        {"\"\\x\"", "byte 2: this escape is unknown"},
        {"\"\\ud800\"", "a high surrogate stands alone"},
        {"\"\\udc00\"", "a low surrogate stands alone"},
        {"{\"\\ud800x\":1}", "a high surrogate stands alone"},
        {"\"\xff\"", "byte 1: the text is not valid UTF-8"},
        {"\"\xed\xa0\x80\"", "byte 1: the text is not valid UTF-8"},
        {"[1,]", "byte 3: a JSON value is expected"},
        {"[1 2]", "byte 3: a comma or a closing bracket is expected"},
        {"[1", "byte 2: a comma or a closing bracket is expected"},
        {"{\"a\":1", "byte 6: a comma or a closing brace is expected"},
        {"{\"a\" 1}", "byte 5: a colon is expected"},
        {"{a:1}", "byte 1: a name in quotes is expected"},
        {"{\"a\":1,}", "byte 7: a name in quotes is expected"},
        {"{\"a\":1,\"b\":2,\"\\u0061\":3}", "byte 13: the name \"a\" comes twice"},
        {"[{\"x\":{\"a\":1,\"a\":2}}]", "byte 13: the name \"a\" comes twice"},
        {"\xef\xbb\xbf"
         "1",
         "byte 0: a JSON value is expected"},
    };
    struct buf out = BUF_NULL;
    buf_add_str(&out, "before");

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = {0}, f = {0};
        int r = codec_variant_check(slice_str(cases[i].json), &e);
        help_expect(cases[i].json, r, &e, ERR_INVALID, cases[i].part);
        r = codec_variant_from_json(slice_str(cases[i].json), &out, &f);
        help_expect(cases[i].json, r, &f, ERR_INVALID, cases[i].part);
        cr_assert_eq(out.len, 6u);
    }
    buf_deinit(&out);
}

Test(codec_variant, the_same_name_in_different_objects_is_one_name_of_the_dictionary)
{
    struct buf out = BUF_NULL;

    cr_assert_eq(
        codec_variant_from_json(slice_str("[{\"a\":1},{\"a\":2},{\"\\u0061\":3}]"), &out, NULL), 0);

    cr_assert_arr_eq(out.data,
                     "\x11\x01\x00\x01"
                     "a",
                     5);
    buf_deinit(&out);
}

/* @object: which of the two is the innermost. */
static void nest(struct buf *json, unsigned levels, bool object)
{
    buf_reset(json);
    for (unsigned i = levels; i-- > 0;)
        buf_add_str(json, (i % 2 == 0) == object ? "{\"a\":" : "[");
    buf_add_str(json, "1");
    for (unsigned i = 0; i < levels; i++)
        buf_add_str(json, (i % 2 == 0) == object ? "}" : "]");
}

Test(codec_variant, values_nest_up_to_the_limit_and_no_further)
{
    for (int object = 0; object < 2; object++) {
        struct buf json = BUF_NULL, out = BUF_NULL, text = BUF_NULL;
        struct err e = {0};

        nest(&json, VARIANT_DEPTH_MAX, object);
        cr_assert_eq(codec_variant_from_json(buf_slice(&json), &out, &e), 0);
        cr_assert_eq(codec_variant_to_json(buf_slice(&out), &text, &e), 0);
        cr_assert(slice_eq(buf_slice(&text), buf_slice(&json)));

        nest(&json, VARIANT_DEPTH_MAX + 1, object);
        int r = codec_variant_check(buf_slice(&json), &e);
        help_expect("deep", r, &e, ERR_INVALID, "nests deeper than 100 levels");
        buf_deinit(&json);
        buf_deinit(&out);
        buf_deinit(&text);
    }
}

static void many(struct buf *json, const char *open, const char *item, unsigned count,
                 const char *close)
{
    buf_reset(json);
    buf_add_str(json, open);
    for (unsigned i = 0; i < count; i++) {
        if (i > 0)
            buf_add_byte(json, ',');
        buf_printf(json, item, i);
    }
    buf_add_str(json, close);
}

/* One, two and three bytes for counts, ids and offsets. */
Test(codec_variant, objects_and_arrays_of_every_size_come_back)
{
    static const unsigned counts[] = {1, 16, 17, 64, 65, 255, 256, 257, 1000, 66000};
    struct buf json = BUF_NULL, out = BUF_NULL, text = BUF_NULL;

    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        for (int object = 0; object < 2; object++) {
            if (object)
                many(&json, "{",
                     "\"%08u\":\"a text that is not short at all, so that offsets grow "
                     "beyond what two bytes hold\"",
                     counts[i], "}");
            else
                many(&json, "[", "%u", counts[i], "]");
            buf_reset(&out);
            buf_reset(&text);
            cr_assert_eq(codec_variant_from_json(buf_slice(&json), &out, NULL), 0);
            cr_assert_eq(codec_variant_to_json(buf_slice(&out), &text, NULL), 0);
            cr_assert(slice_eq(buf_slice(&text), buf_slice(&json)));
        }
    }
    buf_deinit(&json);
    buf_deinit(&out);
    buf_deinit(&text);
}

Test(codec_variant, a_large_object_with_a_name_twice_is_refused)
{
    struct buf json = BUF_NULL;
    struct err e = {0};
    many(&json, "{", "\"%u\":1", 1000, ",\"500\":2}");

    int r = codec_variant_check(buf_slice(&json), &e);

    char part[64];
    (void)snprintf(part, sizeof(part), "byte %zu: the name \"500\" comes twice", json.len - 8);
    help_expect("large", r, &e, ERR_INVALID, part);
    buf_deinit(&json);
}

/* Around more than 65,535 bytes each pair of brackets is 2 bytes of text and 8 of header: */
static void brackets(struct buf *out, unsigned groups, unsigned levels, unsigned numbers)
{
    buf_reset(out);
    for (unsigned g = 0; g < groups; g++) {
        buf_add_byte(out, g == 0 ? '[' : ',');
        for (unsigned i = 0; i < levels; i++)
            buf_add_byte(out, '[');
        for (unsigned i = 0; i < numbers; i++)
            buf_add_str(out, i == 0 ? "[1e1" : ",1e1");
        for (unsigned i = 0; i <= levels; i++)
            buf_add_byte(out, ']');
    }
}

Test(codec_variant, many_brackets_around_much_are_no_way_past_the_check)
{
    struct buf json = BUF_NULL, out = BUF_NULL;
    struct err e = {0};
    brackets(&json, 190, 98, 7282);
    while (json.len < 5592337)
        buf_add_str(&json, ",1e1");
    buf_add_byte(&json, ']');
    cr_assert_lt(json.len, (size_t)VARIANT_BYTES_MAX / 3);

    int r = codec_variant_from_json(buf_slice(&json), &out, &e);
    help_expect("from", r, &e, ERR_INVALID, "the variant has 16820");

    r = codec_variant_check(buf_slice(&json), &e);
    help_expect("check", r, &e, ERR_INVALID, "the variant has more than 16777215 bytes");
    buf_deinit(&json);
    buf_deinit(&out);
}

Test(codec_variant, a_variant_beyond_its_limit_is_refused_at_the_check_already)
{
    struct buf json = BUF_NULL, out = BUF_NULL;
    struct err e = {0};

    many(&json, "[", "1", 3350000, "]"); /* five bytes each */
    cr_assert_eq(codec_variant_check(buf_slice(&json), &e), 0);
    cr_assert_eq(codec_variant_from_json(buf_slice(&json), &out, &e), 0);
    cr_assert(out.len <= VARIANT_BYTES_MAX);

    many(&json, "[", "1", 3360000, "]");
    int r = codec_variant_check(buf_slice(&json), &e);
    help_expect("check", r, &e, ERR_INVALID, "the variant has more than 16777215 bytes");
    buf_reset(&out);
    r = codec_variant_from_json(buf_slice(&json), &out, &e);
    help_expect("from", r, &e, ERR_INVALID, "at most 16777215 are allowed");
    cr_assert_eq(out.len, 0u);
    buf_deinit(&json);
    buf_deinit(&out);
}
