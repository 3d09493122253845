/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row's values under the columns of a later version of its table: what came later is null, what
 * was widened is converted (docs/formats/rows.md). The later columns have passed
 * row_schema_change_check(), so every value has its place. Pure.
 */
#include "row_priv.h"

#include "base/must.h"

#define DAY_US 86400000000ll

/* Is there nothing to convert? */
static bool is_same(const struct row_column *a, const struct row_column *b)
{
    if (a->type != b->type || a->scale != b->scale || a->field_count != b->field_count)
        return false;
    for (uint32_t i = 0; i < a->field_count; i++)
        if (!is_same(&a->fields[i], &b->fields[i]))
            return false;
    return true;
}

/* A day that no timestamp can say becomes the nearest one that can be said. */
static int64_t timestamp_of(int64_t days)
{
    int64_t us;
    if (__builtin_mul_overflow(days, DAY_US, &us))
        return days < 0 ? INT64_MIN : INT64_MAX;
    return us;
}

static void raise_flat(const struct row_column *from, const struct row_column *to,
                       struct row_value *v)
{
    switch (to->type) {
    case ROW_DOUBLE:
        if (from->type == ROW_FLOAT)
            v->f64 = (double)v->f32;
        else if (from->type != ROW_DOUBLE)
            v->f64 = (double)v->i64; /* 32 bits at most: exact */
        return;
    case ROW_DECIMAL:
        if (from->type != ROW_DECIMAL)
            v->decimal = (row_i128)v->i64 * row_pow10(to->scale);
        else
            v->decimal *= row_pow10(to->scale - from->scale);
        return;
    case ROW_TIMESTAMP_NTZ:
        if (from->type == ROW_DATE)
            v->i64 = timestamp_of(v->i64);
        return;
    default: return; /* integers are int64 already */
    }
}

static void raise(const struct row_column *from, const struct row_column *to, struct row_value *v,
                  struct arena *arena);

static void raise_fields(const struct row_column *from, const struct row_column *to,
                         struct row_value *values, struct arena *arena)
{
    for (uint32_t i = 0; i < from->field_count; i++)
        raise(&from->fields[i], &to->fields[i], &values[i], arena);
    for (uint32_t i = from->field_count; i < to->field_count; i++)
        values[i] = (struct row_value){.null = true};
}

/* Items are borrowed: changed ones stand in a copy. */
static void raise(const struct row_column *from, const struct row_column *to, struct row_value *v,
                  struct arena *arena)
{
    if (v->null || is_same(from, to))
        return;
    if (row_type_is_flat(from->type)) {
        raise_flat(from, to, v);
        return;
    }
    bool is_struct = from->type == ROW_STRUCT;
    uint32_t have = v->item_count, want = is_struct ? to->field_count : have;
    struct row_value *items = arena_alloc(arena, want * sizeof(*items));
    memcpy(items, v->items, have * sizeof(*items));
    if (is_struct)
        raise_fields(from, to, items, arena);
    for (uint32_t i = 0; i < have && !is_struct; i++) {
        uint32_t child = i % from->field_count; /* an array has one, a map key and value */
        raise(&from->fields[child], &to->fields[child], &items[i], arena);
    }
    v->items = items;
    v->item_count = want;
}

void row_values_raise(const struct row_schema *from, const struct row_schema *to,
                      struct row_value *values, struct arena *arena)
{
    if (from == to)
        return;
    must(to->column_count >= from->column_count);
    for (uint32_t i = 0; i < from->column_count; i++)
        raise(&from->columns[i], &to->columns[i], &values[i], arena);
    for (uint32_t i = from->column_count; i < to->column_count; i++)
        values[i] = (struct row_value){.null = true};
}
