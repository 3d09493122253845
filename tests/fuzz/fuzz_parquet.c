/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data files read back: a file of our writer, then bytes of it changed anywhere. Undamaged, the
 * rows come back as they were; damaged, they are refused, or a batch of the file's own size comes.
 *
 * Input: rows u8, damages u8 (8: nested columns), then for each: from the end u8, place u16, value
 * u8; then the texts of flat rows, or a byte for each choice in nested ones.
 */
#include "fuzz.h"

#include "base/arena.h"
#include "base/buf.h"
#include "parquet/parquet.h"
#include "parquet/read.h"

#define FLAT "id BIGINT NOT NULL, t STRING, x DOUBLE"
#define NESTED                                                                                     \
    "l ARRAY<STRUCT<t STRING, n INT NOT NULL>>, m MAP<INT, ARRAY<STRING>> NOT NULL, v VARIANT, "   \
    "s STRUCT<a ARRAY<ARRAY<INT NOT NULL>>, v VARIANT NOT NULL>"

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

/* A null, a number, a text, or as many entries as a byte says. */
static struct row_value nested_value(const struct row_column *c, struct fuzz_in *in,
                                     struct arena *arena)
{
    uint8_t choice = fuzz_u8(in);
    struct row_value v = {.null = !c->not_null && choice % 4 == 0};
    if (v.null || c->type == ROW_INT) {
        v.i64 = choice;
        return v;
    }
    if (c->type == ROW_STRING || c->type == ROW_VARIANT) {
        v.bytes = c->type == ROW_VARIANT ? slice_of("\1\0\0\14\7", 5) : fuzz_take(in, choice / 16);
        return v;
    }
    uint32_t times = c->type == ROW_STRUCT ? 1 : choice / 4 % 4;
    struct row_value *items = arena_alloc(arena, times * c->field_count * sizeof(*items));
    for (uint32_t i = 0; i < times * c->field_count; i++)
        items[i] = nested_value(&c->fields[i % c->field_count], in, arena);
    return (struct row_value){.items = items, .item_count = times * c->field_count};
}

static void fill_nested(struct row_batch *b, uint32_t rows, struct fuzz_in *in)
{
    struct arena arena = ARENA_NULL;
    for (uint32_t i = 0; i < rows; i++) {
        struct row_value values[4];
        arena_reset(&arena);
        for (uint32_t c = 0; c < 4; c++)
            values[c] = nested_value(&b->schema->columns[c], in, &arena);
        row_batch_append(b, values);
    }
    arena_deinit(&arena);
}

static void compare_values(const struct row_column *c, const struct row_value *x,
                           const struct row_value *y)
{
    FUZZ_CHECK(x->null == y->null);
    if (x->null)
        return;
    if (c->type == ROW_STRING || c->type == ROW_VARIANT) {
        FUZZ_CHECK(slice_eq(x->bytes, y->bytes));
    } else if (row_type_is_flat(c->type)) {
        FUZZ_CHECK(x->i64 == y->i64); /* of a double its bits */
    } else {
        FUZZ_CHECK(x->item_count == y->item_count);
        for (uint32_t i = 0; i < x->item_count; i++)
            compare_values(&c->fields[i % c->field_count], &x->items[i], &y->items[i]);
    }
}

static void compare(const struct row_batch *a, const struct row_batch *b)
{
    struct arena arena = ARENA_NULL;
    FUZZ_CHECK(a->row_count == b->row_count);
    for (uint32_t i = 0; i < a->row_count; i++) {
        arena_reset(&arena);
        for (uint32_t c = 0; c < a->schema->column_count; c++) {
            struct row_value x = row_batch_value(a, c, i, &arena);
            struct row_value y = row_batch_value(b, c, i, &arena);
            compare_values(&a->schema->columns[c], &x, &y);
        }
    }
    arena_deinit(&arena);
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
    uint32_t rows = 1u + fuzz_u8(&in), choice = fuzz_u8(&in), damages = choice % 8u;
    bool nested = (choice & 8) != 0;
    struct fuzz_in damage = fuzz_in(in.p, fuzz_left(&in));
    (void)fuzz_take(&in, damages * 4);
    struct row_schema *s = NULL;
    FUZZ_CHECK(row_schema_parse(slice_str(nested ? NESTED : FLAT), NULL, 0, &s, NULL) == 0);
    struct row_batch *b = row_batch_new(s);
    struct buf file = BUF_NULL;
    struct parquet_options o = {.page_rows_max = 50};
    if (nested)
        fill_nested(b, rows, &in);
    else
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
