/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "codec_priv.h"

#include <stdlib.h>

/* Every way through the reader must round like the C library. */
Test(codec_number, every_text_rounds_as_strtod_and_strtof_round_it)
{
    uint64_t seed = 88172645463325252u;
    char text[64];

    for (int i = 0; i < 200000; i++) {
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        uint64_t digits = seed >> (seed & 63);
        int exponent = (int)(seed >> 20 & 127) - 64;
        unsigned form = (unsigned)(seed >> 30 & 3);
        if (form == 0)
            (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)digits);
        else if (form == 1)
            (void)snprintf(text, sizeof(text), "-%llue%d", (unsigned long long)digits,
                           exponent / 4);
        else if (form == 2)
            (void)snprintf(text, sizeof(text), "%llu.%06llu", (unsigned long long)(digits >> 24),
                           (unsigned long long)(digits & 0xfffff));
        else
            (void)snprintf(text, sizeof(text), "%llue%d", (unsigned long long)digits, exponent);
        double d, d_expected = strtod(text, NULL);
        float f = 0, f_expected = strtof(text, NULL);

        cr_assert_eq(codec__number_f64(slice_str(text), &d), 0);
        int r = codec__number_f32(slice_str(text), &f);

        if (d != d_expected || (r == 0 && f != f_expected))
            fprintf(stderr, "%s: %.17g %.9g\n", text, d, (double)f);
        cr_assert(d == d_expected);
        cr_assert(r != 0 ? f_expected > 3e38f || f_expected < -3e38f : f == f_expected);
    }
}

/* Halfway between two floats, and one digit to either side of it. */
Test(codec_number, ties_go_to_even_and_neighbours_do_not)
{
    static const char *const texts[] = {
        "9007199254740993",
        "9007199254740993.0",
        "90071992547409930e-1",
        "9007199254740993.1",
        "9007199254740992.9",
        "1.00000005960464477539",
        "1.000000059604644775390625",
        "16777217",
        "16777217.0000000001",
        "16777216.9999999999",
        "0.50000002980232238769531250",
        "123456789012345678901234567890123456789012345678901234567890123456789012345678e-60"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        double d;
        float f;
        cr_assert_eq(codec__number_f64(slice_str(texts[i]), &d), 0);
        cr_assert_eq(codec__number_f32(slice_str(texts[i]), &f), 0);
        cr_assert(d == strtod(texts[i], NULL));
        cr_assert(f == strtof(texts[i], NULL));
    }
}

Test(codec_number, what_is_not_a_json_number_is_refused)
{
    static const char *const texts[] = {"",    "-",   "+1",    "01",     "00",
                                        "1.",  ".5",  "1e",    "1e+",    "1.e1",
                                        "0x1", "1 ",  " 1",    "--1",    "1e1.5",
                                        "inf", "nan", "1e309", "-1e309", "1e99999999999999999999",
                                        "1,5"};
    double d;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        cr_assert_eq(codec__number_f64(slice_str(texts[i]), &d), ERR_INVALID);
    cr_assert_eq(codec__number_f64(slice_str("1e-99999999999999999999"), &d), 0);
    cr_assert(d == 0);
}
