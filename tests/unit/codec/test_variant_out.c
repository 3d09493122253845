/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "codec/variant.h"

Test(codec_variant, text_is_canonical_and_stays_what_it_is)
{
    static const char *const cases[][2] = {
        {" { \"b\" : [ 1 , true ] , \"a\" : null } ", "{\"a\":null,\"b\":[1,true]}"},
        {"{\"\xc3\xa9\":1,\"z\":2,\"\":3,\"aa\":4,\"a\":5}",
         "{\"\":3,\"a\":5,\"aa\":4,\"z\":2,\"\xc3\xa9\":1}"},
        {"\"\\u0041\\/\\b\\u00e9\\ud83d\\ude00\"", "\"A/\\u0008\xc3\xa9\xf0\x9f\x98\x80\""},
        {"-0", "0"},
        {"1.50", "1.50"},
        {"-0.05", "-0.05"},
        {"0.0", "0.0"},
        {"12345678901234567890", "12345678901234567890"},
        {"99999999999999999999999999999999999999", "99999999999999999999999999999999999999"},
        {"999999999999999999999999999999999999999", "1e39"},
        {"0.00000000000000000000000000000000000000", "0.00000000000000000000000000000000000000"},
        {"0.000000000000000000000000000000000000001", "1e-39"},
        {"1E+2", "1e2"},
        {"1.5e300", "1.5e300"},
        {"-0e0", "-0e0"},
        {"1e-400", "0e0"},
        {"0.1e0", "1e-1"},
        {"0.30000000000000004e0", "3.0000000000000004e-1"},
        {"4.9e-324", "4.94065645841247e-324"},
        {"1.7976931348623157e308", "1.7976931348623157e308"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf first = BUF_NULL, second = BUF_NULL, text = BUF_NULL, again = BUF_NULL;
        struct err e = {0};
        cr_assert_eq(codec_variant_from_json(slice_str(cases[i][0]), &first, &e), 0);
        cr_assert_eq(codec_variant_to_json(buf_slice(&first), &text, &e), 0);
        cr_assert_eq(codec_variant_from_json(buf_slice(&text), &second, &e), 0);
        cr_assert_eq(codec_variant_to_json(buf_slice(&second), &again, &e), 0);
        cr_assert_str_eq(buf_cstr(&text), cases[i][1]);
        cr_assert_str_eq(buf_cstr(&again), cases[i][1]);
        buf_deinit(&first);
        buf_deinit(&second);
        buf_deinit(&text);
        buf_deinit(&again);
    }
}

#define EMPTY "\x11\0\0"
#define BYTES(s)                                                                                   \
    {                                                                                              \
        (const uint8_t *)(s), sizeof(s) - 1                                                        \
    }

/* Other writers use unsorted dictionaries, wide headers, long strings and children in any order. */
Test(codec_variant, what_other_writers_may_write_is_read)
{
    static const struct {
        struct slice bytes;
        const char *json;
    } cases[] = {
        {BYTES("\x01\0\0"
               "\x00"),
         "null"},
        {BYTES("\xc1\0\0\0\0\0\0\0\0"
               "\x40\x02\0\0\0"
               "ab"),
         "\"ab\""},
        {BYTES("\x01\x02\0\x01\x02"
               "ba"
               "\x02\x02\x01\0\x02\0\x04"
               "\x0c\x01"
               "\x0c\x02"),
         "{\"a\":2,\"b\":1}"},
        {BYTES("\x41\x01\0\0\0\x01\0"
               "a"
               "\x7e\x01\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0"
               "\x08"),
         "{\"a\":false}"},
        {BYTES(EMPTY "\x1f\x01\0\0\0\0\0\0\0\x02\0\0\0"
                     "\x0c\xff"),
         "[-1]"},
        {BYTES(EMPTY "\x20\0\x05\0\0\0"), "5"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = BUF_NULL;
        struct err e = {0};
        if (codec_variant_to_json(cases[i].bytes, &out, &e) != 0)
            fprintf(stderr, "%zu: %s\n", i, e.text);
        cr_assert_str_eq(buf_cstr(&out), cases[i].json);
        buf_deinit(&out);
    }
}

Test(codec_variant, damaged_bytes_are_named_and_leave_the_output_as_it_was)
{
    static const struct {
        struct slice bytes;
        const char *part;
    } cases[] = {
        {BYTES(""), "not of version 1"},
        {BYTES("\x12\0\0\0"), "not of version 1"},
        {BYTES("\x11"), "metadata is cut"},
        {BYTES("\x11\0"), "metadata is cut"},
        {BYTES("\x11\x02\0\0"), "metadata is cut"},
        {BYTES("\x11\x01\0\x02"
               "a"),
         "metadata is cut"},
        {BYTES("\xd1\xff\xff\xff\xff\0\0\0\0\0"), "metadata is cut"},
        {BYTES(EMPTY), "a value is cut"},
        {BYTES(EMPTY "\x00\x00"), "more follows"},
        {BYTES(EMPTY "\x2c\0\0\0\0"), "a type that JSON has not"},
        {BYTES(EMPTY "\x0c"), "a value is cut"},
        {BYTES(EMPTY "\x09"
                     "a"),
         "a text is cut"},
        {BYTES(EMPTY "\x40\x01\0\0"), "a text is cut"},
        {BYTES(EMPTY "\x40\xff\xff\xff\xff"
                     "a"),
         "a text is cut"},
        {BYTES(EMPTY "\x05\xff"), "not UTF-8"},
        {BYTES(EMPTY "\x20\x27\0\0\0\0"), "more than 38 digits"},
        {BYTES(EMPTY "\x28\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
         "more than 38 digits"},
        {BYTES(EMPTY "\x03"), "a value is cut"},
        {BYTES(EMPTY "\x03\x01\0"), "a value is cut"},
        {BYTES(EMPTY "\x03\x01\0\x03\x00"), "a value is cut"},
        {BYTES(EMPTY "\x03\x01\x01\x01\x00"), "outside of its object or array"},
        {BYTES(EMPTY "\x03\x02\0\0\x01\x00"), "upon each other or apart"},
        {BYTES(EMPTY "\x03\x01\0\x02\x00\x00"), "upon each other or apart"},
        {BYTES(EMPTY "\x03\0\x01\x00"), "upon each other or apart"},
        {BYTES(EMPTY "\x02\x01\0\0\x01\x00"), "not in the dictionary"},
        {BYTES("\x11\x02\0\x01\x02"
               "ab"
               "\x02\x02\x01\0\0\x01\x02\0\0"),
         "out of order"},
        {BYTES("\x11\x01\0\x01"
               "a"
               "\x02\x02\0\0\0\x01\x02\0\0"),
         "out of order"},
        {BYTES("\x11\x02\x02\0\x01"
               "a"
               "\x02\x01\0\0\x01\0"),
         "outside of the dictionary"},
        {BYTES("\x11\x01\0\x01"
               "\xff"
               "\x02\x01\0\0\x01\0"),
         "a name is not UTF-8"},
    };
    struct buf out = BUF_NULL;
    buf_add_str(&out, "before");

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = {0};
        char what[16];
        (void)snprintf(what, sizeof(what), "case %zu", i);
        int r = codec_variant_to_json(cases[i].bytes, &out, &e);
        help_expect(what, r, &e, ERR_DAMAGED, cases[i].part);
        cr_assert_eq(out.len, 6u);
    }
    buf_deinit(&out);
}

/* An array of objects whose one name is long: a small variant that would be an endless text. */
Test(codec_variant, a_variant_whose_text_would_be_endless_is_refused)
{
    struct buf v = BUF_NULL, out = BUF_NULL;
    struct err e = {0};
    const uint32_t name_len = 1 << 20, count = 200;
    uint8_t head[] = {0xd1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0};
    buf_add(&v, head, sizeof(head));
    memset(buf_reserve(&v, name_len), 'n', name_len);
    v.len += name_len;
    buf_add_byte(&v, 1 << 2 | 3);
    buf_add_byte(&v, count);
    for (uint32_t i = 0; i <= count; i++)
        buf_add(&v, (uint16_t[]){(uint16_t)(i * 6)}, 2);
    for (uint32_t i = 0; i < count; i++)
        buf_add(&v, "\x02\x01\0\0\x01\0", 6);

    int r = codec_variant_to_json(buf_slice(&v), &out, &e);

    help_expect("endless", r, &e, ERR_DAMAGED, "its text is too long");
    buf_deinit(&v);
    buf_deinit(&out);
}
