/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet/read.h"

#include "base/mem.h"

#include "table.h"
#include "test.h"

#include <stdio.h>

static const char all_types[] =
    "b boolean, i8 tinyint, i16 smallint, i32 int not null, i64 bigint, f float, d double, "
    "d9 decimal(9,2), d18 decimal(18,4), d38 decimal(38,10), s string, x binary, day date, "
    "t timestamp, n timestamp_ntz, same string not null, flag boolean not null";
enum { COLUMNS = 17 };

static void make_row(uint32_t i, struct row_value v[COLUMNS], char text[32])
{
    int64_t n = (int64_t)i * 7919 - 300000;
    int len = snprintf(text, 32, "text %u", i * 31);
    for (uint32_t c = 0; c < COLUMNS; c++)
        v[c] = (struct row_value){.null = (i + c) % 5 == 0, .i64 = n};
    v[0].boolean = i % 3 == 0;
    v[1].i64 = (int8_t)n;
    v[2].i64 = (int16_t)n;
    v[3] = (struct row_value){.i64 = (int32_t)n};
    v[5].f32 = (float)n / 3;
    v[6].f64 = (double)n / 7;
    v[7].decimal = n;
    v[8].decimal = (row_i128)n * 1000003;
    v[9].decimal = (row_i128)n * 1000000007 * 1000000009 * 97;
    v[10].bytes = v[11].bytes = slice_of(text, (size_t)len);
    v[12].i64 = i % 9; /* a dictionary */
    v[15] = (struct row_value){.bytes = slice_str(i % 2 ? "odd" : "even")};
    v[16] = (struct row_value){.boolean = i % 2 == 1};
}

/* Three groups of @rows rows, in small pages. */
static void make_table(struct table *t, uint32_t rows)
{
    struct parquet_options o = {.page_rows_max = 100};
    table_init(t, all_types, &o);
    for (uint32_t i = 0; i < 3 * rows; i++) {
        struct row_value v[COLUMNS];
        char text[32];
        make_row(i, v, text);
        row_batch_append(t->batch, v);
        if (i % rows == rows - 1)
            table_flush(t);
    }
    table_finish(t);
}

static bool equal(const struct row_batch *b, uint32_t c, uint32_t row, const struct row_value *want)
{
    struct row_value got = row_batch_value(b, c, row, NULL);
    if (got.null || want->null)
        return got.null == want->null;
    switch (b->columns[c].type) {
    case ROW_BOOLEAN: return got.boolean == want->boolean;
    case ROW_FLOAT: return memcmp(&got.f32, &want->f32, sizeof(float)) == 0;
    case ROW_DOUBLE: return memcmp(&got.f64, &want->f64, sizeof(double)) == 0;
    case ROW_DECIMAL: return got.decimal == want->decimal;
    case ROW_STRING:
    case ROW_BINARY: return slice_eq(got.bytes, want->bytes);
    default: return got.i64 == want->i64;
    }
}

Test(parquet_reader, every_cell_of_every_type_comes_back)
{
    const uint32_t rows = 1500;
    struct table t;
    struct parquet_reader *r;
    make_table(&t, rows);

    cr_assert_eq(parquet_reader_new(t.schema, buf_slice(&t.file), &r, NULL), 0);

    cr_assert_eq(parquet_reader_group_count(r), 3);
    cr_assert_eq(parquet_reader_row_count(r), 3 * rows);
    struct row_batch *b = row_batch_new(t.schema);
    for (uint32_t g = 3; g-- > 0;) {
        cr_assert_eq(parquet_reader_batch(r, g, b, NULL), 0);
        cr_assert_eq(b->row_count, rows);
        for (uint32_t i = 0; i < rows; i++) {
            struct row_value want[COLUMNS];
            char text[32];
            make_row(g * rows + i, want, text);
            for (uint32_t c = 0; c < COLUMNS; c++)
                cr_assert(equal(b, c, i, &want[c]));
        }
    }
    row_batch_free(b);
    parquet_reader_free(r);
    table_deinit(&t);
}

Test(parquet_reader, a_batch_read_back_makes_the_same_file_again)
{
    struct table t, again;
    struct parquet_reader *r;
    struct parquet_options o = {.page_rows_max = 100};
    make_table(&t, 700);
    table_init(&again, all_types, &o);

    cr_assert_eq(parquet_reader_new(t.schema, buf_slice(&t.file), &r, NULL), 0);
    for (uint32_t g = 0; g < 3; g++) {
        cr_assert_eq(parquet_reader_batch(r, g, again.batch, NULL), 0);
        table_flush(&again);
    }
    table_finish(&again);

    cr_assert(slice_eq(buf_slice(&t.file), buf_slice(&again.file)));
    parquet_reader_free(r);
    table_deinit(&again);
    table_deinit(&t);
}

Test(parquet_reader, a_file_of_no_rows_has_no_group)
{
    struct table t;
    struct parquet_reader *r;
    table_init(&t, "id bigint", NULL);
    table_finish(&t);

    cr_assert_eq(parquet_reader_new(t.schema, buf_slice(&t.file), &r, NULL), 0);

    cr_assert_eq(parquet_reader_group_count(r), 0);
    cr_assert_eq(parquet_reader_row_count(r), 0);
    parquet_reader_free(r);
    table_deinit(&t);
}

Test(parquet_reader, another_schema_is_refused_by_name)
{
    struct table t;
    struct row_schema *other;
    struct parquet_reader *r;
    struct err e;
    make_table(&t, 10);
    cr_assert_eq(row_schema_parse(slice_str("b boolean, i8 int"), NULL, 0, &other, NULL), 0);
    cr_assert_eq(parquet_reader_new(other, buf_slice(&t.file), &r, &e), ERR_UNSUPPORTED);
    row_schema_unref(other);
    struct table small;
    table_init(&small, "id bigint, n bigint", NULL);
    table_finish(&small);
    cr_assert_eq(row_schema_parse(slice_str("id bigint, n int"), NULL, 0, &other, NULL), 0);

    cr_assert_eq(parquet_reader_new(other, buf_slice(&small.file), &r, &e), ERR_UNSUPPORTED);

    cr_assert_not_null(strstr(e.text, "column n"));
    row_schema_unref(other);
    table_deinit(&small);
    table_deinit(&t);
}

/* Reads all groups; 0 or the error. */
static int read_all(struct row_schema *s, struct slice file, struct err *e)
{
    struct parquet_reader *r;
    TRY(parquet_reader_new(s, file, &r, e));
    struct row_batch *b = row_batch_new(s);
    int rc = 0;
    for (uint32_t g = 0; g < parquet_reader_group_count(r) && rc == 0; g++)
        rc = parquet_reader_batch(r, g, b, e);
    row_batch_free(b);
    parquet_reader_free(r);
    return rc;
}

Test(parquet_reader, a_flipped_bit_in_any_page_body_is_found)
{
    struct table t;
    struct err e;
    make_table(&t, 30);
    const struct node *meta = table_meta(&t, 1, 10);
    size_t at = (size_t)INT_AT(meta, 9), end = at + (size_t)INT_AT(meta, 7);
    size_t found = 0, tried = 0;
    for (at += 40; at < end; at++, tried++) { /* behind the first page's header */
        t.file.data[at] ^= 0x10;
        int rc = read_all(t.schema, buf_slice(&t.file), &e);
        t.file.data[at] ^= 0x10;
        found += rc == ERR_DAMAGED && strstr(e.text, "byte") != NULL;
    }

    cr_assert_gt(tried, 20);
    cr_assert_eq(found, tried);
    table_deinit(&t);
}

Test(parquet_reader, no_flipped_bit_and_no_cut_makes_it_read_beyond)
{
    struct table t;
    struct err e;
    table_init(&t, "id bigint not null, s string, d decimal(30,2)", NULL);
    for (int i = 0; i < 20; i++) {
        struct row_value v[] = {{.i64 = i}, {.bytes = slice_str("word")}, {.decimal = i}};
        row_batch_append(t.batch, v);
    }
    table_finish(&t);
    struct slice whole = buf_slice(&t.file);
    size_t refused = 0;

    for (size_t at = 0; at < whole.len; at++) {
        for (int bit = 0; bit < 8; bit++) {
            t.file.data[at] ^= (uint8_t)(1 << bit);
            (void)read_all(t.schema, whole, &e); /* statistics have no checksum */
            t.file.data[at] ^= (uint8_t)(1 << bit);
        }
        uint8_t *copy = mem_alloc(at + 1); /* so that a byte beyond is seen */
        memcpy(copy, whole.data, at);
        refused += read_all(t.schema, slice_of(copy, at), &e) < 0;
        mem_free(copy);
    }

    cr_assert_eq(refused, whole.len);
    cr_assert_eq(read_all(t.schema, whole, &e), 0);
    table_deinit(&t);
}
