/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Column batches: rows in, columns out.
 *
 * A column is a vector, and one that holds others is a tree of them:
 *
 *   STRUCT   valid            children: one per field, entry by entry with it
 *   ARRAY    valid, offsets   child 0: all elements, one array after the other
 *   MAP      valid, offsets   child 0: all keys, child 1: all values
 *   VARIANT  valid            child 0: metadata, child 1: values, entry by entry with it
 *
 * All columns grow together by doubling (row_cap), what they hold and string bytes by themselves. A
 * null entry holds a cell of zeros, no bytes, no elements, or null children.
 *
 * I1: every column holds exactly row_count entries; offsets[count] is the length of its bytes, or
 *     the count of its children.
 * I2: null_count is the number of zeros in valid[0 .. count).
 * Thread: whoever owns the batch.
 */
#include "row/row.h"

#include "base/mem.h"
#include "base/must.h"

#define VECTOR_CAP_FIRST 256u
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

/* ---- memory ---- */

static void vector_init(struct row_vector *v, const struct row_column *c)
{
    v->type = c->type;
    v->cell_bytes = cell_bytes(c->type);
    v->child_count = c->type == ROW_VARIANT ? 2 : c->field_count;
    if (v->child_count == 0)
        return;
    v->children = mem_calloc(v->child_count, sizeof(*v->children));
    for (uint32_t i = 0; i < v->child_count; i++) {
        if (c->type == ROW_VARIANT)
            v->children[i].type = ROW_BINARY;
        else
            vector_init(&v->children[i], &c->fields[i]);
    }
}

static void vector_deinit(struct row_vector *v)
{
    for (uint32_t i = 0; i < v->child_count; i++)
        vector_deinit(&v->children[i]);
    mem_free(v->children);
    mem_free(v->valid);
    mem_free(v->fixed);
    mem_free(v->offsets);
    buf_deinit(&v->bytes);
}

static void vector_reset(struct row_vector *v)
{
    v->count = 0;
    v->null_count = 0;
    buf_reset(&v->bytes);
    for (uint32_t i = 0; i < v->child_count; i++)
        vector_reset(&v->children[i]);
}

static uint32_t grown(uint32_t cap, uint32_t entries)
{
    cap = MAX(cap, VECTOR_CAP_FIRST);
    while (cap < entries)
        cap *= 2;
    return cap;
}

static bool goes_with_children(const struct row_vector *v)
{
    return v->type == ROW_STRUCT || v->type == ROW_VARIANT;
}

void row_vector_reserve(struct row_vector *v, uint32_t entries)
{
    must(entries <= (uint32_t)INT32_MAX);
    if (entries <= v->cap)
        return;
    uint32_t cap = grown(v->cap, entries);
    v->valid = mem_realloc(v->valid, cap);
    if (v->cell_bytes != 0) {
        v->fixed = mem_realloc(v->fixed, (size_t)cap * v->cell_bytes);
    } else if (!goes_with_children(v)) {
        v->offsets = mem_realloc(v->offsets, ((size_t)cap + 1) * sizeof(*v->offsets));
        v->offsets[0] = 0;
    }
    for (uint32_t i = 0; i < v->child_count && goes_with_children(v); i++)
        row_vector_reserve(&v->children[i], cap);
    v->cap = cap;
}

struct row_batch *row_batch_new(struct row_schema *schema)
{
    struct row_batch *b = mem_zalloc(sizeof(*b));
    b->schema = row_schema_ref(schema);
    b->columns = mem_calloc(schema->column_count, sizeof(*b->columns));
    for (uint32_t i = 0; i < schema->column_count; i++)
        vector_init(&b->columns[i], &schema->columns[i]);
    return b;
}

struct row_batch *row_batch_free(struct row_batch *b)
{
    if (b == NULL)
        return NULL;
    for (uint32_t i = 0; i < b->schema->column_count; i++)
        vector_deinit(&b->columns[i]);
    mem_free(b->columns);
    row_schema_unref(b->schema);
    mem_free(b);
    return NULL;
}

void row_batch_reset(struct row_batch *b)
{
    for (uint32_t i = 0; i < b->schema->column_count; i++)
        vector_reset(&b->columns[i]);
    b->row_count = 0;
    b->bytes_used = 0;
}

void row_batch_reserve(struct row_batch *b, uint32_t rows)
{
    must(rows <= ROW_BATCH_ROWS_MAX);
    if (rows <= b->row_cap)
        return;
    uint32_t cap = grown(b->row_cap, rows);
    for (uint32_t i = 0; i < b->schema->column_count; i++)
        row_vector_reserve(&b->columns[i], cap);
    b->row_cap = cap;
}

/* ---- rows in ---- */

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

static size_t append_nested(struct row_vector *v, uint32_t at, const struct row_value *value);

/* Puts one value into entry @at, the first free one, for which there is room. Returns about how
 * many bytes it takes. */
static size_t vector_put(struct row_vector *v, uint32_t at, const struct row_value *value)
{
    v->valid[at] = value->null ? 0 : 1;
    v->null_count += value->null ? 1 : 0;
    v->count = at + 1;
    if (v->cell_bytes != 0) {
        uint8_t *cell = v->fixed + (size_t)at * v->cell_bytes;
        if (value->null)
            memset(cell, 0, v->cell_bytes);
        else
            set_cell(v, cell, value);
        return 1 + v->cell_bytes;
    }
    if (unlikely(v->child_count != 0))
        return 1 + append_nested(v, at, value);
    size_t len = value->null ? 0 : value->bytes.len;
    must(len <= VECTOR_BYTES_MAX - v->bytes.len);
    if (len != 0)
        buf_add(&v->bytes, value->bytes.data, len);
    v->offsets[at + 1] = (uint32_t)v->bytes.len;
    return 1 + sizeof(*v->offsets) + len;
}

static size_t vector_append(struct row_vector *v, const struct row_value *value)
{
    if (unlikely(v->count == v->cap))
        row_vector_reserve(v, v->count + 1);
    return vector_put(v, v->count, value);
}

static size_t append_variant(struct row_vector *v, const struct row_value *value)
{
    struct row_value metadata = {.null = value->null}, rest = metadata;
    if (!value->null) {
        int r = row_variant_split(value->bytes, &metadata.bytes, &rest.bytes);
        must(r == 0);
    }
    return vector_append(&v->children[0], &metadata) + vector_append(&v->children[1], &rest);
}

static size_t append_struct(struct row_vector *v, const struct row_value *value)
{
    static const struct row_value null = {.null = true};
    must(value->null || value->item_count == v->child_count);
    size_t size = 0;
    for (uint32_t i = 0; i < v->child_count; i++)
        size += vector_append(&v->children[i], value->null ? &null : &value->items[i]);
    return size;
}

/* What a nested value holds, into the children. */
static size_t append_nested(struct row_vector *v, uint32_t at, const struct row_value *value)
{
    if (v->type == ROW_STRUCT)
        return append_struct(v, value);
    if (v->type == ROW_VARIANT)
        return append_variant(v, value);
    uint32_t count = value->null ? 0 : value->item_count;
    must(count % v->child_count == 0); /* a MAP's keys and values by turns */
    size_t size = sizeof(*v->offsets);
    for (uint32_t i = 0; i < count; i += v->child_count)
        for (uint32_t k = 0; k < v->child_count; k++)
            size += vector_append(&v->children[k], &value->items[i + k]);
    v->offsets[at + 1] = v->children[0].count;
    return size;
}

void row_batch_append(struct row_batch *b, const struct row_value *values)
{
    must(b->row_count < ROW_BATCH_ROWS_MAX);
    if (unlikely(b->row_count == b->row_cap))
        row_batch_reserve(b, b->row_count + 1);
    for (uint32_t i = 0; i < b->schema->column_count; i++)
        b->bytes_used += vector_put(&b->columns[i], b->row_count, &values[i]);
    b->row_count++;
}

/* ---- values out ---- */

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

static struct slice bytes_at(const struct row_vector *v, uint32_t at)
{
    uint32_t begin = v->offsets[at], len = v->offsets[at + 1] - begin;
    return len == 0 ? slice_of("", 0) : slice_of(v->bytes.data + begin, len);
}

static void load_cell(const struct row_vector *v, uint32_t at, struct row_value *ret)
{
    const uint8_t *cell = v->fixed + (size_t)at * v->cell_bytes;
    switch (v->type) {
    case ROW_BOOLEAN: ret->boolean = *cell != 0; break;
    case ROW_FLOAT: memcpy(&ret->f32, cell, sizeof(ret->f32)); break;
    case ROW_DOUBLE: memcpy(&ret->f64, cell, sizeof(ret->f64)); break;
    case ROW_DECIMAL: memcpy(&ret->decimal, cell, sizeof(ret->decimal)); break;
    default: ret->i64 = load_int(cell, v->cell_bytes); break;
    }
}

static struct row_value vector_value(const struct row_vector *v, uint32_t at, struct arena *arena);

/* The items of entry @at: one of each child at each place from @begin to @end. */
static void load_items(const struct row_vector *v, uint32_t begin, uint32_t end,
                       struct arena *arena, struct row_value *ret)
{
    must(arena != NULL);
    ret->item_count = (end - begin) * v->child_count;
    struct row_value *item = arena_alloc(arena, ret->item_count * sizeof(*item));
    ret->items = item;
    for (uint32_t at = begin; at < end; at++)
        for (uint32_t k = 0; k < v->child_count; k++)
            *item++ = vector_value(&v->children[k], at, arena);
}

/* Both parts in one piece. */
static struct slice load_variant(const struct row_vector *v, uint32_t at, struct arena *arena)
{
    must(arena != NULL);
    struct slice metadata = bytes_at(&v->children[0], at), value = bytes_at(&v->children[1], at);
    uint8_t *both = arena_alloc(arena, metadata.len + value.len);
    memcpy(both, metadata.data, metadata.len);
    memcpy(both + metadata.len, value.data, value.len);
    return slice_of(both, metadata.len + value.len);
}

static struct row_value vector_value(const struct row_vector *v, uint32_t at, struct arena *arena)
{
    struct row_value value = {.null = v->valid[at] == 0};
    if (value.null)
        return value;
    switch (v->type) {
    case ROW_STRING:
    case ROW_BINARY: value.bytes = bytes_at(v, at); break;
    case ROW_VARIANT: value.bytes = load_variant(v, at, arena); break;
    case ROW_STRUCT: load_items(v, at, at + 1, arena, &value); break;
    case ROW_ARRAY:
    case ROW_MAP: load_items(v, v->offsets[at], v->offsets[at + 1], arena, &value); break;
    default: load_cell(v, at, &value); break;
    }
    return value;
}

struct row_value row_batch_value(const struct row_batch *b, uint32_t column, uint32_t row,
                                 struct arena *arena)
{
    must(column < b->schema->column_count);
    must(row < b->row_count);
    return vector_value(&b->columns[column], row, arena);
}
