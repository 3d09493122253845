/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protobuf walk: a table, a descriptor drawn from the input (none: the table's own), rows.
 * What the check accepts is decoded, as values and into a batch, and comes back the same from the
 * table's own message and from JSON.
 *
 * Input: table u8 (from 128 on: a nested one), descriptor part, then parts: rows.
 */
#include "schemas.h"

static void check_batch(const struct codec_plan *p, struct slice row,
                        const struct row_value *values, struct arena *arena)
{
    const struct row_schema *s = codec_plan_schema(p);
    struct arena scratch = ARENA_NULL;
    struct row_batch *b = row_batch_new(codec_plan_schema(p));
    struct buf one = BUF_NULL, two = BUF_NULL;
    struct row_value from_batch[SCHEMA_COLUMNS_MAX];
    FUZZ_CHECK(codec_decode_into(p, row, &scratch, b) == 0);
    FUZZ_CHECK(b->row_count == 1);
    for (uint32_t i = 0; i < s->column_count; i++)
        from_batch[i] = row_batch_value(b, i, 0, arena);
    codec_values_to_row(s, values, &one);
    codec_values_to_row(s, from_batch, &two);
    FUZZ_CHECK(schema_buf_eq(&one, &two));
    buf_deinit(&one);
    buf_deinit(&two);
    row_batch_free(b);
    arena_deinit(&scratch);
}

static void check_row(const struct codec_plan *p, const struct codec_plan *own, struct slice row,
                      struct arena *arena)
{
    const struct row_schema *s = codec_plan_schema(p);
    struct row_value values[SCHEMA_COLUMNS_MAX];
    struct err e = {0};
    int r = codec_check(p, row, &e);
    FUZZ_CHECK(r == 0 || (r == ERR_INVALID && e.text[0] != '\0'));
    FUZZ_CHECK(codec_decode(p, row, arena, values) == (r == 0 ? 0 : ERR_DAMAGED));
    if (r < 0)
        return;
    for (uint32_t i = 0; i < s->column_count; i++)
        FUZZ_CHECK(!values[i].null || !s->columns[i].not_null);
    check_batch(p, row, values, arena);
    struct buf key = BUF_NULL;
    r = row_key_encode(s, values, &key, NULL); /* a key may be too long, or there is none */
    FUZZ_CHECK(r == 0 || key.len == 0);
    buf_deinit(&key);
    schema_check_ways(s, own, values, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = fuzz_in(data, size);
    uint8_t table = fuzz_u8(&in);
    struct row_schema *s = table < 128 ? schema_choose(table) : schema_choose_nested(table);
    struct arena arena = ARENA_NULL;
    struct codec_plan *own = codec_plan_new_own(s), *p = NULL;
    struct slice descriptor = fuzz_part(&in);
    if (descriptor.len == 0)
        p = codec_plan_ref(own);
    else if (codec_plan_new(descriptor, s, &p, NULL) < 0)
        p = NULL;
    for (unsigned i = 0; p != NULL && i < 16 && fuzz_left(&in) > 0; i++) {
        arena_reset(&arena);
        check_row(p, own, fuzz_part(&in), &arena);
    }
    arena_deinit(&arena);
    codec_plan_unref(p);
    codec_plan_unref(own);
    row_schema_unref(s);
    return 0;
}
