/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as text: doubles and floats against the C library's, bit for bit; decimals written and
 * read again; base64 both ways.
 *
 * Input: precision u8, scale u8, then the text.
 */
#include "fuzz.h"

#include "codec_priv.h"

#include "base/mem.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

/* What strtod() takes and JSON does not: white space, hexadecimal, words. */
static bool is_digits(const char *text)
{
    return *text != '\0' && strspn(text, "0123456789+-.eE") == strlen(text);
}

static void check_floats(struct slice text, const char *terminated)
{
    double d = 0;
    float f = 0;
    char *end;
    if (codec__number_f64(text, &d) == 0) {
        FUZZ_CHECK(is_digits(terminated));
        double expected = strtod(terminated, &end);
        FUZZ_CHECK(*end == '\0' && memcmp(&d, &expected, sizeof(d)) == 0);
    }
    if (codec__number_f32(text, &f) == 0) {
        FUZZ_CHECK(is_digits(terminated));
        float expected = strtof(terminated, &end);
        FUZZ_CHECK(*end == '\0' && memcmp(&f, &expected, sizeof(f)) == 0);
    }
}

static void check_decimal(struct slice text, const struct row_column *c)
{
    row_i128 v, again;
    struct buf out = BUF_NULL;
    if (row_decimal_parse(text, c, &v) < 0)
        return;
    row_decimal_format(v, c->scale, &out);
    FUZZ_CHECK(row_decimal_parse(buf_slice(&out), c, &again) == 0 && again == v);
    buf_deinit(&out);
}

static void check_base64(struct slice text)
{
    uint8_t *bytes = mem_alloc(text.len + 1);
    size_t len, again;
    struct buf out = BUF_NULL;
    codec__base64_add(&out, text); /* any bytes at all */
    uint8_t *back = mem_alloc(out.len + 1);
    FUZZ_CHECK(codec__base64_decode(buf_slice(&out), back, &again));
    FUZZ_CHECK(slice_eq(slice_of(back, again), text));
    if (codec__base64_decode(text, bytes, &len)) {
        FUZZ_CHECK(len <= text.len / 4 * 3 + 2);
        buf_reset(&out);
        codec__base64_add(&out, slice_of(bytes, len));
        FUZZ_CHECK(codec__base64_decode(buf_slice(&out), back, &again));
        FUZZ_CHECK(slice_eq(slice_of(back, again), slice_of(bytes, len)));
    }
    buf_deinit(&out);
    mem_free(bytes);
    mem_free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = fuzz_in(data, size);
    uint8_t precision = (uint8_t)(fuzz_u8(&in) % DECIMAL_DIGITS_MAX + 1);
    uint8_t scale = (uint8_t)(fuzz_u8(&in) % (precision + 1));
    struct slice text = fuzz_take(&in, 2048);
    char *terminated = mem_strndup((const char *)text.data, text.len);
    const struct row_column c = {.type = ROW_DECIMAL, .precision = precision, .scale = scale};
    check_floats(text, terminated);
    check_decimal(text, &c);
    check_base64(text);
    mem_free(terminated);
    return 0;
}
