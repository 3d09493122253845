/* SPDX-License-Identifier: Apache-2.0 */
#include "row/row.h"

#include "test.h"

#include <stdio.h>
#include <string.h>

static struct row_column decimal(uint8_t precision, uint8_t scale)
{
    return (struct row_column){.type = ROW_DECIMAL, .precision = precision, .scale = scale};
}

Test(row_decimal, text_is_read_exactly_or_refused)
{
    static const struct {
        const char *text;
        uint8_t precision, scale;
        int r;
        long long value;
    } cases[] = {
        {"0", 5, 2, 0, 0},
        {"-0.00", 5, 2, 0, 0},
        {"1", 5, 2, 0, 100},
        {"-12.3", 5, 2, 0, -1230},
        {"+7.", 5, 2, 0, 700},
        {".5", 5, 2, 0, 50},
        {"999.99", 5, 2, 0, 99999},
        {"1000", 5, 2, ERR_INVALID, 0},
        {"0.001", 5, 2, ERR_INVALID, 0},
        {"1.500", 5, 2, 0, 150},
        {"1.0000000000000000000000000000000000000000000000", 5, 2, 0, 100},
        {"0000000000000000000000000000000000000000000000001", 5, 2, 0, 100},
        {"1e2", 5, 2, 0, 10000},
        {"1e3", 5, 2, ERR_INVALID, 0},
        {"12345e-2", 5, 2, 0, 12345},
        {"1.5E+1", 5, 2, 0, 1500},
        {"0e99999999999", 5, 2, 0, 0},
        {"1e99999999999", 5, 2, ERR_INVALID, 0},
        {"1e-99999999999", 5, 2, ERR_INVALID, 0},
        {"", 5, 2, ERR_INVALID, 0},
        {"-", 5, 2, ERR_INVALID, 0},
        {".", 5, 2, ERR_INVALID, 0},
        {"1.2.3", 5, 2, ERR_INVALID, 0},
        {"1e", 5, 2, ERR_INVALID, 0},
        {"1e+", 5, 2, ERR_INVALID, 0},
        {"1x", 5, 2, ERR_INVALID, 0},
        {" 1", 5, 2, ERR_INVALID, 0},
        {"1 ", 5, 2, ERR_INVALID, 0},
        {"--1", 5, 2, ERR_INVALID, 0},
        {"NaN", 5, 2, ERR_INVALID, 0},
        {"9223372036854775807", 19, 0, 0, 9223372036854775807LL},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct row_column c = decimal(cases[i].precision, cases[i].scale);
        row_i128 v = 0;
        int r = row_decimal_parse(slice_str(cases[i].text), &c, &v);
        if (r != cases[i].r || v != cases[i].value)
            fprintf(stderr, "%s: %d %lld\n", cases[i].text, r, (long long)v);
        cr_assert_eq(r, cases[i].r);
        cr_assert(v == cases[i].value);
    }
}

/* With an exponent of 0 behind it a text goes the long way. */
Test(row_decimal, short_texts_say_what_they_say_the_long_way)
{
    uint64_t seed = 1;
    unsigned taken = 0;
    for (unsigned i = 0; i < 200000; i++) {
        char text[48];
        size_t len = 0;
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t r = seed >> 20, digits = r % 24, point = r / 24 % 24, zeros = r / 576 % 4;
        struct row_column c = decimal((uint8_t)(1 + r / 2304 % 38), 0);
        c.scale = (uint8_t)(r / 87552 % (c.precision + 1u));
        if (r / 4000000 % 3 == 0)
            text[len++] = "+-"[r / 12000000 % 2];
        for (uint64_t k = 0; k < digits; k++) {
            if (k == point)
                text[len++] = '.';
            uint64_t digit = (seed ^ seed >> 29) * (2 * k + 3) >> 40;
            text[len++] = k + zeros < digits ? (char)('0' + digit % 10) : '0';
        }
        text[len] = '\0';
        row_i128 plain = -1, as_long = -1;
        int got = row_decimal_parse(slice_str(text), &c, &plain);
        strcpy(text + len, "e0");
        int wanted = row_decimal_parse(slice_str(text), &c, &as_long);
        cr_assert_eq(got, wanted, "%s as decimal(%u,%u)", text, c.precision, c.scale);
        cr_assert(plain == as_long, "%s as decimal(%u,%u)", text, c.precision, c.scale);
        taken += got == 0;
    }
    cr_assert_gt(taken, 20000);
    cr_assert_lt(taken, 180000);
}

Test(row_decimal, the_widest_values_go_there_and_back)
{
    const char *texts[] = {"99999999999999999999999999999999999999",
                           "-99999999999999999999999999999999999999"};
    struct row_column whole = decimal(38, 0), small = decimal(38, 38);
    struct buf out = BUF_NULL;
    row_i128 v;

    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(row_decimal_parse(slice_str(texts[i]), &whole, &v), 0);
        buf_reset(&out);
        row_decimal_format(v, 0, &out);
        cr_assert_str_eq(buf_cstr(&out), texts[i]);
    }
    buf_reset(&out);
    row_decimal_format(v, 38, &out);
    cr_assert_str_eq(buf_cstr(&out), "-0.99999999999999999999999999999999999999");
    row_i128 back;
    cr_assert_eq(row_decimal_parse(buf_slice(&out), &small, &back), 0);
    cr_assert(back == v);
    cr_assert_eq(
        row_decimal_parse(slice_str("100000000000000000000000000000000000000"), &whole, &v),
        ERR_INVALID);
    buf_deinit(&out);
}

Test(row_decimal, is_written_with_all_digits_of_its_scale)
{
    static const struct {
        long long v;
        uint8_t scale;
        const char *text;
    } cases[] = {
        {0, 0, "0"}, {0, 2, "0.00"}, {5, 2, "0.05"}, {-1230, 2, "-12.30"}, {100, 0, "100"}};
    struct buf out = BUF_NULL;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_reset(&out);
        row_decimal_format(cases[i].v, cases[i].scale, &out);
        cr_assert_str_eq(buf_cstr(&out), cases[i].text);
    }
    buf_deinit(&out);
}
