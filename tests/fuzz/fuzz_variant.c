/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VARIANT both ways. JSON: what the check accepts is written, jansson agrees that it is JSON (but
 * for a NUL in a name, and numbers beyond its types), and
 * the canonical text gives the same text again. Hostile bytes: refused, or their text is JSON that
 * makes a variant of the same text.
 *
 * Input: u8, odd = bytes of a variant, even = JSON text.
 */
#include "fuzz.h"

#include "codec/variant.h"

#include <jansson.h>
#include <string.h>

/* @text is canonical: it comes back from the variant that it makes. */
static void check_canonical(struct slice text)
{
    struct buf variant = BUF_NULL, again = BUF_NULL;
    FUZZ_CHECK(codec_variant_from_json(text, &variant, NULL) == 0);
    FUZZ_CHECK(codec_variant_to_json(buf_slice(&variant), &again, NULL) == 0);
    FUZZ_CHECK(slice_eq(text, buf_slice(&again)));
    buf_deinit(&variant);
    buf_deinit(&again);
}

static void check_json(struct slice json)
{
    struct buf variant = BUF_NULL, text = BUF_NULL;
    struct err e = {0};
    int checked = codec_variant_check(json, &e);
    int r = codec_variant_from_json(json, &variant, NULL);
    FUZZ_CHECK(r == checked);
    FUZZ_CHECK(r == 0 || (r == ERR_INVALID && e.text[0] != '\0' && variant.len == 0));
    if (r == 0) {
        json_error_t why;
        json_t *j = json_loadb((const char *)json.data, json.len,
                               JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL | JSON_DECODE_ANY |
                                   JSON_REJECT_DUPLICATES,
                               &why);
        FUZZ_CHECK(j != NULL || json_error_code(&why) == json_error_numeric_overflow ||
                   json_error_code(&why) == json_error_null_byte_in_key);
        json_decref(j);
        FUZZ_CHECK(codec_variant_to_json(buf_slice(&variant), &text, NULL) == 0);
        check_canonical(buf_slice(&text));
    }
    buf_deinit(&variant);
    buf_deinit(&text);
}

static void check_bytes(struct slice variant)
{
    struct buf text = BUF_NULL;
    struct err e = {0};
    int r = codec_variant_to_json(variant, &text, &e);
    FUZZ_CHECK(r == 0 || (r == ERR_DAMAGED && text.len == 0 && e.text[0] != '\0'));
    if (r == 0)
        check_canonical(buf_slice(&text));
    buf_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = fuzz_in(data, size);
    bool is_bytes = fuzz_u8(&in) & 1;
    struct slice rest = fuzz_rest(&in);
    if (is_bytes)
        check_bytes(rest);
    else
        check_json(rest);
    return 0;
}
