/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data files read back: a file of our writer, then bytes of it changed anywhere. Undamaged, the
 * rows come back as they were; damaged, they are refused, or a batch of the file's own size comes.
 *
 * Input: rows u8, damages u8, then for each: from the end u8, place u16, value u8; then the texts.
 */
#include "fuzz.h"

#include "base/buf.h"
#include "parquet/parquet.h"
#include "parquet/read.h"

static void fill(struct row_batch *b, uint32_t rows, struct fuzz_in *in)
{
    for (uint32_t i = 0; i < rows; i++) {
        size_t len = fuzz_u8(in);
        struct slice text = fuzz_take(in, len);
        const struct row_value values[] = {
            {.i64 = (int64_t)i * 7}, {.null = len == 0, .bytes = text}, {.f64 = (double)len}};
        row_batch_append(b, values);
    }
}

static void compare(const struct row_batch *a, const struct row_batch *b)
{
    FUZZ_CHECK(a->row_count == b->row_count);
    for (uint32_t i = 0; i < a->row_count; i++) {
        struct row_value x = row_batch_value(a, 1, i, NULL), y = row_batch_value(b, 1, i, NULL);
        FUZZ_CHECK(row_batch_value(a, 0, i, NULL).i64 == row_batch_value(b, 0, i, NULL).i64);
        FUZZ_CHECK(row_batch_value(a, 2, i, NULL).f64 == row_batch_value(b, 2, i, NULL).f64);
        FUZZ_CHECK(x.null == y.null && (x.null || slice_eq(x.bytes, y.bytes)));
    }
}

static void read_back(struct row_schema *s, struct slice file, const struct row_batch *expected)
{
    struct parquet_reader *r = NULL;
    struct row_batch *b = row_batch_new(s);
    struct err e = {0};
    int rc = parquet_reader_new(s, file, &r, &e);
    uint32_t groups = rc == 0 ? parquet_reader_group_count(r) : 0;
    for (uint32_t g = 0; rc == 0 && g < groups && g < 4; g++)
        rc = parquet_reader_batch(r, g, b, &e);
    FUZZ_CHECK(rc == 0 || (rc < 0 && e.text[0] != '\0'));
    FUZZ_CHECK(rc == 0 || expected == NULL);
    if (expected != NULL)
        compare(expected, b);
    parquet_reader_free(r);
    row_batch_free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = fuzz_in(data, size);
    uint32_t rows = 1u + fuzz_u8(&in), damages = fuzz_u8(&in) % 8u;
    struct fuzz_in damage = fuzz_in(in.p, fuzz_left(&in));
    (void)fuzz_take(&in, damages * 4);
    struct row_schema *s = NULL;
    FUZZ_CHECK(row_schema_parse(slice_str("id BIGINT NOT NULL, t STRING, x DOUBLE"), NULL, 0, &s,
                                NULL) == 0);
    struct row_batch *b = row_batch_new(s);
    struct buf file = BUF_NULL;
    struct parquet_options o = {.page_rows_max = 50};
    fill(b, rows, &in);
    struct parquet_writer *w = parquet_writer_new(s, &o, &file);
    FUZZ_CHECK(parquet_write_batch(w, b, NULL) == 0 && parquet_finish(w, NULL) == 0);
    parquet_writer_free(w);
    read_back(s, buf_slice(&file), b);
    for (uint32_t i = 0; i < damages; i++) {
        bool from_end = fuzz_u8(&damage) & 1;
        size_t place = fuzz_u16(&damage) % file.len;
        file.data[from_end ? file.len - 1 - place : place] ^= fuzz_u8(&damage);
    }
    if (damages > 0)
        read_back(s, buf_slice(&file), NULL);
    buf_deinit(&file);
    row_batch_free(b);
    row_schema_unref(s);
    return 0;
}
