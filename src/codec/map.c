/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A map's keys, each once. On the wire a key may come again, and its last value counts. Small maps
 * are compared pair by pair; large ones through an order of their entries, sorted by key (merge
 * sort: no input makes it slow). Thread: any.
 */
#include "pb_priv.h"

#define SMALL_ENTRIES_MAX 16

static int compare_keys(const struct row_column *key, const struct row_value *a,
                        const struct row_value *b)
{
    if (key->type == ROW_STRING)
        return slice_cmp(a->bytes, b->bytes);
    if (key->type == ROW_BOOLEAN)
        return (int)a->boolean - (int)b->boolean;
    return a->i64 < b->i64 ? -1 : a->i64 > b->i64;
}

static void unique_small(const struct row_column *key, struct row_value *items, uint32_t *count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *count; i += 2) {
        uint32_t at = 0;
        while (at < kept && compare_keys(key, &items[at], &items[i]) != 0)
            at += 2;
        if (at == kept) {
            items[at] = items[i];
            kept += 2;
        }
        items[at + 1] = items[i + 1];
    }
    *count = kept;
}

/* @order: indexes of entries, by key, equal keys as they came. @room: as many. */
static void sort_entries(const struct row_column *key, const struct row_value *items,
                         uint32_t *order, uint32_t *room, uint32_t entries)
{
    for (uint32_t width = 1; width < entries; width *= 2) {
        for (uint32_t from = 0; from < entries; from += 2 * width) {
            uint32_t middle = MIN(from + width, entries), to = MIN(from + 2 * width, entries);
            uint32_t a = from, b = middle;
            for (uint32_t k = from; k < to; k++) {
                bool take_a = b == to || (a < middle && compare_keys(key, &items[2 * order[a]],
                                                                     &items[2 * order[b]]) <= 0);
                room[k] = take_a ? order[a++] : order[b++];
            }
        }
        memcpy(order, room, entries * sizeof(*order));
    }
}

static void unique_large(const struct row_column *key, struct row_value *items, uint32_t *count,
                         struct arena *arena)
{
    uint32_t entries = *count / 2, kept = 0;
    uint32_t *order = arena_alloc(arena, 2 * entries * sizeof(*order));
    for (uint32_t i = 0; i < entries; i++)
        order[i] = i;
    sort_entries(key, items, order, order + entries, entries);
    for (uint32_t i = 0, to; i < entries; i = to) {
        uint32_t first = order[i];
        for (to = i + 1; to < entries; to++) {
            if (compare_keys(key, &items[2 * first], &items[2 * order[to]]) != 0)
                break;
            items[2 * first + 1] = items[2 * order[to] + 1];
            items[2 * order[to]].null = true; /* a key is never null: dropped */
        }
    }
    for (uint32_t i = 0; i < 2 * entries; i += 2)
        if (!items[i].null) {
            items[kept] = items[i];
            items[kept + 1] = items[i + 1];
            kept += 2;
        }
    *count = kept;
}

void codec__map_unique(const struct row_column *c, struct row_value *map, struct arena *arena)
{
    struct row_value *items = codec__items(map);
    if (map->item_count <= 2 * SMALL_ENTRIES_MAX)
        unique_small(&c->fields[ROW_KEY], items, &map->item_count);
    else
        unique_large(&c->fields[ROW_KEY], items, &map->item_count, arena);
}
