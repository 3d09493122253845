/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV → JSON rows. Whatever the pieces in which the text comes: the same rows and the same end. A
 * row of a flat table is one JSON object.
 *
 * Input: table u8, delimiter u8, size of the pieces u8, then the text.
 */
#include "fuzz.h"

#include "base/mem.h"
#include "codec/csv.h"
#include "codec/variant.h"
#include "row/utf8.h"

#include <string.h>

static const char *const tables[] = {"a STRING", "id BIGINT, name STRING, ok BOOLEAN",
                                     "id BIGINT, v VARIANT, l ARRAY<INT>, s STRUCT<x INT>"};

struct reading {
    struct row_schema *schema;
    char delimiter;
    struct slice text;
    size_t piece;
};

static void check_row(struct slice row)
{
    if (row_utf8_ok(row))
        FUZZ_CHECK(row.data[0] == '{' && codec_variant_check(row, NULL) == 0);
}

/* All rows, one after the other; how it ended. */
static int read_all(const struct reading *in, struct buf *rows, uint64_t *ret_line)
{
    struct codec_csv *c = codec_csv_new(in->schema, in->delimiter);
    struct slice left = in->text;
    size_t have = 0, taken;
    struct err e = {0};
    int r;
    do {
        char *copy = mem_strndup((const char *)left.data, have); /* its end is seen */
        size_t before = rows->len;
        r = codec_csv_next(c, slice_of(copy, have), have == left.len, rows, &taken, &e);
        mem_free(copy);
        FUZZ_CHECK(r == CODEC_CSV_ROW || rows->len == before);
        if (r == CODEC_CSV_MORE) {
            FUZZ_CHECK(have < left.len);
            have = MIN(left.len, have + in->piece);
        } else if (r == CODEC_CSV_ROW || r == CODEC_CSV_NOTHING) {
            FUZZ_CHECK(taken > 0 && taken <= have);
            left = slice_of(left.data + taken, left.len - taken);
            have -= taken;
        }
        if (r == CODEC_CSV_ROW && in->schema->is_flat)
            check_row(slice_of(rows->data + before, rows->len - before));
    } while (r > 0 && r != CODEC_CSV_END);
    FUZZ_CHECK(r == CODEC_CSV_END || (r == ERR_INVALID && e.text[0] != '\0'));
    *ret_line = codec_csv_line(c);
    codec_csv_free(c);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = fuzz_in(data, size);
    struct reading reading = {0};
    const char *ddl = tables[fuzz_u8(&in) % ARRAY_LEN(tables)];
    reading.delimiter = (char)fuzz_u8(&in);
    if (!codec_csv_delimiter_ok(reading.delimiter))
        reading.delimiter = ',';
    reading.piece = (size_t)fuzz_u8(&in) + 1;
    reading.text = fuzz_rest(&in);
    FUZZ_CHECK(row_schema_parse(slice_str(ddl), NULL, 0, &reading.schema, NULL) == 0);
    struct buf in_pieces = BUF_NULL, whole = BUF_NULL;
    uint64_t line, line_whole;
    int r = read_all(&reading, &in_pieces, &line);
    reading.piece = reading.text.len;
    FUZZ_CHECK(read_all(&reading, &whole, &line_whole) == r && line == line_whole);
    FUZZ_CHECK(slice_eq(buf_slice(&in_pieces), buf_slice(&whole)));
    buf_deinit(&in_pieces);
    buf_deinit(&whole);
    row_schema_unref(reading.schema);
    return 0;
}
