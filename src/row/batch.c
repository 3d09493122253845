/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Column batches: rows in, columns out.
 *
 * All columns grow together by doubling (row_cap), string bytes by themselves. A null row holds a
 * cell of zeros, or no bytes.
 *
 * I1: every column holds exactly row_count rows; offsets[row_count] is the length of its bytes.
 * I2: null_count is the number of zeros in valid[0 .. row_count).
 * Thread: whoever owns the batch.
 */
#include "row/row.h"

#include "base/mem.h"
#include "base/must.h"

#define BATCH_ROWS_FIRST 256u
#define VECTOR_BYTES_MAX ((size_t)INT32_MAX)

static uint32_t cell_bytes(enum row_type type)
{
    switch (type) {
    case ROW_BOOLEAN: return 1;
    case ROW_BYTE:
    case ROW_SHORT:
    case ROW_INT:
    case ROW_FLOAT:
    case ROW_DATE: return 4;
    case ROW_LONG:
    case ROW_DOUBLE:
    case ROW_TIMESTAMP:
    case ROW_TIMESTAMP_NTZ: return 8;
    case ROW_DECIMAL: return 16;
    case ROW_STRING:
    case ROW_BINARY:
    case ROW_STRUCT:
    case ROW_ARRAY:
    case ROW_MAP:
    case ROW_VARIANT: return 0;
    }
    must_die("a column has no type");
}

struct row_batch *row_batch_new(struct row_schema *schema)
{
    struct row_batch *b = mem_zalloc(sizeof(*b));
    b->schema = row_schema_ref(schema);
    b->columns = mem_calloc(schema->column_count, sizeof(*b->columns));
    for (uint32_t i = 0; i < schema->column_count; i++) {
        b->columns[i].type = schema->columns[i].type;
        b->columns[i].cell_bytes = cell_bytes(schema->columns[i].type);
    }
    return b;
}

struct row_batch *row_batch_free(struct row_batch *b)
{
    if (b == NULL)
        return NULL;
    for (uint32_t i = 0; i < b->schema->column_count; i++) {
        mem_free(b->columns[i].valid);
        mem_free(b->columns[i].fixed);
        mem_free(b->columns[i].offsets);
        buf_deinit(&b->columns[i].bytes);
    }
    mem_free(b->columns);
    row_schema_unref(b->schema);
    mem_free(b);
    return NULL;
}

void row_batch_reset(struct row_batch *b)
{
    for (uint32_t i = 0; i < b->schema->column_count; i++) {
        b->columns[i].null_count = 0;
        buf_reset(&b->columns[i].bytes);
    }
    b->row_count = 0;
    b->bytes_used = 0;
}

static void batch_grow(struct row_batch *b)
{
    uint32_t cap = b->row_cap == 0 ? BATCH_ROWS_FIRST : b->row_cap * 2;
    for (uint32_t i = 0; i < b->schema->column_count; i++) {
        struct row_vector *v = &b->columns[i];
        v->valid = mem_realloc(v->valid, cap);
        if (v->cell_bytes != 0) {
            v->fixed = mem_realloc(v->fixed, (size_t)cap * v->cell_bytes);
        } else {
            v->offsets = mem_realloc(v->offsets, ((size_t)cap + 1) * sizeof(*v->offsets));
            v->offsets[0] = 0;
        }
    }
    b->row_cap = cap;
}

void row_batch_reserve(struct row_batch *b, uint32_t rows)
{
    must(rows <= ROW_BATCH_ROWS_MAX);
    while (b->row_cap < rows)
        batch_grow(b);
}

static void set_cell(struct row_vector *v, uint8_t *cell, const struct row_value *value)
{
    int32_t i32 = 0;
    switch (v->type) {
    case ROW_BOOLEAN: *cell = value->boolean ? 1 : 0; return;
    case ROW_BYTE:
    case ROW_SHORT:
    case ROW_INT:
    case ROW_DATE:
        must_slow(value->i64 >= INT32_MIN && value->i64 <= INT32_MAX);
        i32 = (int32_t)value->i64;
        memcpy(cell, &i32, sizeof(i32));
        return;
    case ROW_LONG:
    case ROW_TIMESTAMP:
    case ROW_TIMESTAMP_NTZ: memcpy(cell, &value->i64, sizeof(value->i64)); return;
    case ROW_FLOAT: memcpy(cell, &value->f32, sizeof(value->f32)); return;
    case ROW_DOUBLE: memcpy(cell, &value->f64, sizeof(value->f64)); return;
    case ROW_DECIMAL: memcpy(cell, &value->decimal, sizeof(value->decimal)); return;
    default: break;
    }
    must_die("bytes have no cell");
}

/* Adds one value as row @row; returns about how many bytes it takes. */
static size_t vector_append(struct row_vector *v, uint32_t row, const struct row_value *value)
{
    v->valid[row] = value->null ? 0 : 1;
    v->null_count += value->null ? 1 : 0;
    if (v->cell_bytes != 0) {
        uint8_t *cell = v->fixed + (size_t)row * v->cell_bytes;
        if (value->null)
            memset(cell, 0, v->cell_bytes);
        else
            set_cell(v, cell, value);
        return 1 + v->cell_bytes;
    }
    size_t len = value->null ? 0 : value->bytes.len;
    must(len <= VECTOR_BYTES_MAX - v->bytes.len);
    if (len != 0)
        buf_add(&v->bytes, value->bytes.data, len);
    v->offsets[row + 1] = (uint32_t)v->bytes.len;
    return 1 + sizeof(*v->offsets) + len;
}

void row_batch_append(struct row_batch *b, const struct row_value *values)
{
    must(b->row_count < ROW_BATCH_ROWS_MAX);
    if (unlikely(b->row_count == b->row_cap))
        batch_grow(b);
    for (uint32_t i = 0; i < b->schema->column_count; i++)
        b->bytes_used += vector_append(&b->columns[i], b->row_count, &values[i]);
    b->row_count++;
}

static int64_t load_int(const uint8_t *cell, uint32_t cell_size)
{
    if (cell_size == sizeof(int32_t)) {
        int32_t i32;
        memcpy(&i32, cell, sizeof(i32));
        return i32;
    }
    int64_t i64;
    memcpy(&i64, cell, sizeof(i64));
    return i64;
}

struct row_value row_batch_value(const struct row_batch *b, uint32_t column, uint32_t row,
                                 struct arena *arena)
{
    (void)arena;
    must(column < b->schema->column_count);
    must(row < b->row_count);
    const struct row_vector *v = &b->columns[column];
    struct row_value value = {.null = v->valid[row] == 0};
    if (value.null)
        return value;
    if (v->cell_bytes == 0) {
        uint32_t begin = v->offsets[row];
        uint32_t len = v->offsets[row + 1] - begin;
        value.bytes = len == 0 ? slice_of("", 0) : slice_of(v->bytes.data + begin, len);
        return value;
    }
    const uint8_t *cell = v->fixed + (size_t)row * v->cell_bytes;
    switch (v->type) {
    case ROW_BOOLEAN: value.boolean = *cell != 0; break;
    case ROW_FLOAT: memcpy(&value.f32, cell, sizeof(value.f32)); break;
    case ROW_DOUBLE: memcpy(&value.f64, cell, sizeof(value.f64)); break;
    case ROW_DECIMAL: memcpy(&value.decimal, cell, sizeof(value.decimal)); break;
    default: value.i64 = load_int(cell, v->cell_bytes); break;
    }
    return value;
}
