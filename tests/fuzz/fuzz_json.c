/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON rows and keys → protobuf. An accepted row is accepted by the walk as well, and its JSON
 * reads back to the same row; after a refusal nothing was appended. jansson, which knows nothing of
 * our reader, must read what we accepted.
 *
 * Input: table u8 (from 128 on: a nested one), then the JSON text.
 */
#include "schemas.h"

#include <jansson.h>

/* Our reader takes no text that is not JSON. jansson refuses what we take in two places: a NUL in
 * a key, and numbers beyond its types. */
static void check_is_json(struct slice json)
{
    json_error_t why;
    json_t *j = json_loadb((const char *)json.data, json.len,
                           JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL | JSON_REJECT_DUPLICATES, &why);
    FUZZ_CHECK(j != NULL || json_error_code(&why) == json_error_numeric_overflow ||
               json_error_code(&why) == json_error_null_byte_in_key);
    json_decref(j);
}

static void check_row(struct row_schema *s, struct slice json)
{
    struct codec_plan *own = codec_plan_new_own(s);
    struct arena arena = ARENA_NULL;
    struct buf row = BUF_NULL;
    struct err e = {0};
    codec_plan_take_iso8601(own);
    buf_add_str(&row, "before");
    int r = codec_json_to_row(own, json, &row, &e);
    FUZZ_CHECK(r == 0 || (r == ERR_INVALID && row.len == 6 && e.text[0] != '\0'));
    if (r == 0) {
        struct row_value values[SCHEMA_COLUMNS_MAX];
        struct slice written = slice_of(row.data + 6, row.len - 6);
        check_is_json(json);
        FUZZ_CHECK(codec_check(own, written, NULL) == 0);
        FUZZ_CHECK(codec_decode(own, written, &arena, values) == 0);
        schema_check_ways(s, own, values, &arena);
    }
    arena_deinit(&arena);
    buf_deinit(&row);
    codec_plan_unref(own);
}

static void check_key(const struct row_schema *s, struct slice json)
{
    struct buf key = BUF_NULL;
    struct err e = {0};
    int r = codec_json_to_key(s, json, &key, &e);
    FUZZ_CHECK(r == 0 || (key.len == 0 && e.text[0] != '\0'));
    FUZZ_CHECK(r == 0 || (r == ERR_PRECONDITION) == (s->key_count == 0));
    if (r == 0)
        check_is_json(json);
    buf_deinit(&key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = fuzz_in(data, size);
    uint8_t table = fuzz_u8(&in);
    struct row_schema *s = table < 128 ? schema_choose(table) : schema_choose_nested(table);
    struct slice json = fuzz_rest(&in);
    check_row(s, json);
    check_key(s, json);
    row_schema_unref(s);
    return 0;
}
