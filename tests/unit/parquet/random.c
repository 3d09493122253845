/* SPDX-License-Identifier: Apache-2.0 */
#include "random.h"

#include "base/must.h"

#include <string.h>

static uint64_t next(struct random *r)
{
    r->state += 0x9e3779b97f4a7c15u;
    uint64_t z = r->state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t random_below(struct random *r, uint64_t n)
{
    return next(r) % n;
}

static struct slice random_text(struct random *r)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    return slice_of(letters + next(r) % 13, next(r) % 13);
}

/* Metadata without names, then an int8. */
static struct slice random_variant(struct random *r, struct arena *arena)
{
    const uint8_t bytes[] = {0x01, 0x00, 0x00, 0x0c, (uint8_t)next(r)};
    uint8_t *p = arena_alloc(arena, sizeof(bytes));
    memcpy(p, bytes, sizeof(bytes));
    return slice_of(p, sizeof(bytes));
}

static struct row_value random_items(struct random *r, const struct row_column *c,
                                     struct arena *arena)
{
    uint32_t times = c->type == ROW_STRUCT ? 1 : (uint32_t)(next(r) % 4);
    uint32_t count = times * c->field_count;
    struct row_value *items = arena_alloc(arena, count * sizeof(*items));
    for (uint32_t i = 0; i < count; i++)
        items[i] = random_value(r, &c->fields[i % c->field_count], arena);
    return (struct row_value){.items = items, .item_count = count};
}

struct row_value random_value(struct random *r, const struct row_column *c, struct arena *arena)
{
    struct row_value v = {.null = !c->not_null && next(r) % 3 == 0};
    if (v.null)
        return v;
    switch (c->type) {
    case ROW_BOOLEAN: v.boolean = next(r) & 1; break;
    case ROW_BYTE: v.i64 = (int8_t)next(r); break;
    case ROW_SHORT: v.i64 = (int16_t)next(r); break;
    case ROW_INT: v.i64 = (int32_t)next(r); break;
    case ROW_DATE: v.i64 = (int64_t)(next(r) % 40000) - 20000; break;
    case ROW_FLOAT: v.f32 = (float)(int16_t)next(r) / 8; break;
    case ROW_DOUBLE: v.f64 = (double)(int32_t)next(r) / 8; break;
    case ROW_DECIMAL: v.decimal = (row_i128)(next(r) % 1000) - 500; break;
    case ROW_STRING:
    case ROW_BINARY: v.bytes = random_text(r); break;
    case ROW_VARIANT: v.bytes = random_variant(r, arena); break;
    case ROW_STRUCT:
    case ROW_ARRAY:
    case ROW_MAP: return random_items(r, c, arena);
    default: v.i64 = (int64_t)next(r); break;
    }
    return v;
}

void random_rows(struct random *r, struct row_batch *b, uint32_t count)
{
    struct row_value values[64];
    struct arena arena = ARENA_NULL;
    must(b->schema->column_count <= ARRAY_LEN(values));
    while (count-- > 0) {
        arena_reset(&arena);
        for (uint32_t c = 0; c < b->schema->column_count; c++)
            values[c] = random_value(r, &b->schema->columns[c], &arena);
        row_batch_append(b, values);
    }
    arena_deinit(&arena);
}

static bool items_same(const struct row_column *c, const struct row_value *a,
                       const struct row_value *b)
{
    if (a->item_count != b->item_count)
        return false;
    for (uint32_t i = 0; i < a->item_count; i++)
        if (!value_same(&c->fields[i % c->field_count], &a->items[i], &b->items[i]))
            return false;
    return true;
}

bool value_same(const struct row_column *c, const struct row_value *a, const struct row_value *b)
{
    if (a->null || b->null)
        return a->null == b->null;
    switch (c->type) {
    case ROW_BOOLEAN: return a->boolean == b->boolean;
    case ROW_FLOAT: return memcmp(&a->f32, &b->f32, sizeof(a->f32)) == 0;
    case ROW_DOUBLE: return memcmp(&a->f64, &b->f64, sizeof(a->f64)) == 0;
    case ROW_DECIMAL: return a->decimal == b->decimal;
    case ROW_STRING:
    case ROW_BINARY:
    case ROW_VARIANT: return slice_eq(a->bytes, b->bytes);
    case ROW_STRUCT:
    case ROW_ARRAY:
    case ROW_MAP: return items_same(c, a, b);
    default: return a->i64 == b->i64;
    }
}

bool batch_same(const struct row_batch *a, const struct row_batch *b)
{
    struct arena arena = ARENA_NULL;
    bool same = a->row_count == b->row_count;
    for (uint32_t row = 0; same && row < a->row_count; row++) {
        arena_reset(&arena);
        for (uint32_t c = 0; same && c < a->schema->column_count; c++) {
            struct row_value x = row_batch_value(a, c, row, &arena);
            struct row_value y = row_batch_value(b, c, row, &arena);
            same = value_same(&a->schema->columns[c], &x, &y);
        }
    }
    arena_deinit(&arena);
    return same;
}
