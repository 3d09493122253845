/* SPDX-License-Identifier: Apache-2.0 */
/* Linear probing; removal shifts the run back, so there are no tombstones. */
#include "base/map.h"

#include "base/bits.h"
#include "base/mem.h"
#include "base/must.h"

struct map_entry {
    uint8_t *key;
    size_t key_len;
    uint64_t hash;
    void *value;
};

/* FNV-1a with a final mix: keys are short. */
uint64_t map_hash(struct slice key)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < key.len; i++)
        h = (h ^ key.data[i]) * 0x100000001b3u;
    h ^= h >> 32;
    h *= 0x9e3779b97f4a7c15u;
    return h ^ (h >> 29);
}

static size_t slot_of(const struct map *m, struct slice key, uint64_t hash)
{
    size_t i = hash & (m->cap - 1);
    while (m->entries[i].value != NULL) {
        const struct map_entry *e = &m->entries[i];
        if (e->hash == hash && slice_eq(slice_of(e->key, e->key_len), key))
            break;
        i = (i + 1) & (m->cap - 1);
    }
    return i;
}

static void grow(struct map *m)
{
    struct map old = *m;
    m->cap = old.cap == 0 ? 16 : old.cap * 2;
    m->entries = mem_calloc(m->cap, sizeof(*m->entries));
    for (size_t i = 0; i < old.cap; i++) {
        const struct map_entry *e = &old.entries[i];
        if (e->value != NULL)
            m->entries[slot_of(m, slice_of(e->key, e->key_len), e->hash)] = *e;
    }
    mem_free(old.entries);
}

void map_deinit(struct map *m)
{
    for (size_t i = 0; i < m->cap; i++)
        mem_free(m->entries[i].key);
    mem_free(m->entries);
    *m = MAP_NULL;
}

void *map_get(const struct map *m, struct slice key)
{
    return m->len == 0 ? NULL : m->entries[slot_of(m, key, map_hash(key))].value;
}

void *map_put(struct map *m, struct slice key, void *value)
{
    must(value != NULL);
    if (m->len + 1 > m->cap / 4 * 3)
        grow(m);
    uint64_t hash = map_hash(key);
    struct map_entry *e = &m->entries[slot_of(m, key, hash)];
    void *before = e->value;
    if (before == NULL) {
        e->key = mem_alloc(key.len + 1);
        if (key.len != 0)
            memcpy(e->key, key.data, key.len);
        e->key_len = key.len;
        e->hash = hash;
        m->len++;
    }
    e->value = value;
    return before;
}

void *map_remove(struct map *m, struct slice key)
{
    if (m->len == 0)
        return NULL;
    size_t hole = slot_of(m, key, map_hash(key));
    void *value = m->entries[hole].value;
    if (value == NULL)
        return NULL;
    mem_free(m->entries[hole].key);
    for (size_t i = (hole + 1) & (m->cap - 1); m->entries[i].value != NULL;
         i = (i + 1) & (m->cap - 1)) {
        size_t home = m->entries[i].hash & (m->cap - 1);
        if (((i - home) & (m->cap - 1)) >= ((i - hole) & (m->cap - 1))) {
            m->entries[hole] = m->entries[i];
            hole = i;
        }
    }
    m->entries[hole] = (struct map_entry){NULL, 0, 0, NULL};
    m->len--;
    return value;
}

void *map_next(const struct map *m, size_t *i)
{
    while (*i < m->cap) {
        void *value = m->entries[(*i)++].value;
        if (value != NULL)
            return value;
    }
    return NULL;
}
