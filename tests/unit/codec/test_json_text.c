/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"
#include "json_priv.h"

Test(codec_json_text, names_are_compared_as_text_or_as_numbers_and_however_many_there_are)
{
    static const uint32_t counts[] = {2, 16, 17, 63, 64, 65, 500};
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        struct codec__json j;
        struct err e = {0};
        codec__json_init(&j, slice_str("x"), NULL, &e);
        codec__json_name(&j, (struct codec__name){NULL, 1, 0});
        for (uint64_t n = 0; n < counts[i]; n++)
            codec__json_name(&j, (struct codec__name){NULL, n, 0});

        cr_assert_eq(codec__json_close_names(&j, 1), 0); /* 1 stands further out, too */
        cr_assert_eq(j.names.count, 1u);
        for (uint64_t n = 0; n < counts[i]; n++)
            codec__json_name(&j, (struct codec__name){NULL, n, n});
        codec__json_name(&j, (struct codec__name){NULL, 1, 77});
        int r = codec__json_close_names(&j, 1);
        help_expect("twice", r, &e, ERR_INVALID, "byte 77: this key comes twice");
        codec__json_deinit(&j);
    }
}

Test(codec_json_text, a_string_that_is_skipped_is_one_that_is_read)
{
    static const char *const texts[] = {
        "abc\"",
        "\"",
        "with \\n and \\u00e9, long enough to need several steps of sixteen\"",
        "\\ud83d\\ude00\"",
        "a\\\\\"",
        "\\ud83d\"",
        "\\udc00\"",
        "\\ud83d\\u0041\"",
        "\\u12g4\"",
        "\\q\"",
        "\xc3\\u00a9\"",
        "\xc3\xa9\"",
        "a\nb\"",
        "not closed",
        "",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct buf scratch = BUF_NULL;
        struct codec__json a, b;
        struct err e = {0}, f = {0};
        struct slice s;
        codec__json_init(&a, slice_str(texts[i]), &scratch, &e);
        codec__json_init(&b, slice_str(texts[i]), &scratch, &f);

        int read = codec__json_string(&a, &s), skipped = codec__json_skip_string(&b);

        cr_assert_eq(read, skipped);
        cr_assert_eq(read, i < 5 || i == 11 ? 0 : ERR_INVALID);
        cr_assert(a.p == b.p);
        cr_assert_str_eq(e.text, f.text);
        codec__json_deinit(&a);
        codec__json_deinit(&b);
        buf_deinit(&scratch);
    }
}
