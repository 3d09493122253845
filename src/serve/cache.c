/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The newest rows that lookups have read from the store, by key. A hit costs a hash and a copy; the
 * store would have to build an iterator over its memtable and all its levels.
 *
 * Sets of WAYS entries, chosen by hash. Each has a lock, an equal share of the bytes, the oldest
 * entry leaves first, and a count of changes:
 *
 *   lookup   get, a miss tells the count → read the store → put, refused when the count has moved
 *   apply    write the batch to the store → drop its keys, which moves the count → publish the
 *            applied position
 *
 * Invariants
 *   K1  who sees an applied position finds no entry that is older than the store at that position:
 *       such an entry was dropped before the position was published, and what a lookup read before
 *       the drop is refused by the count
 *   K2  an entry is at most as new as the log's durable end, as everything in the store is
 * After the store was opened again, and is older, entries are still true; they are cleared all the
 * same. Lookups as of a snapshot never come here.
 *
 * Thread: any. Locks are held for one copy of a row.
 */
#include "serve_priv.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/must.h"

#define WAYS            16
#define SET_BYTES       4096u
#define ENTRY_BYTES_MAX (SET_BYTES / 4)

struct entry {
    uint64_t hash;
    bronze_pos pos;
    uint32_t key_len, value_len;
    uint8_t bytes[]; /* key, value */
};

struct set {
    struct sys_mutex lock;
    uint32_t changes;
    uint32_t bytes;
    uint32_t oldest; /* the way that is used next */
    struct entry *ways[WAYS];
};

struct serve__cache {
    struct set *sets;
    size_t set_count; /* a power of two */
    struct trace_counter hits;
};

struct serve__cache *serve__cache_new(uint64_t bytes_max)
{
    struct serve__cache *c = mem_zalloc(sizeof(*c));
    c->set_count = 1;
    while (c->set_count * 2 * SET_BYTES <= bytes_max)
        c->set_count *= 2;
    c->sets = mem_calloc(c->set_count, sizeof(*c->sets));
    return c;
}

uint64_t serve__cache_hits(const struct serve__cache *c)
{
    return trace_read(&c->hits);
}

static size_t entry_bytes(const struct entry *n)
{
    return sizeof(*n) + n->key_len + n->value_len;
}

static void evict(struct set *t, uint32_t way)
{
    if (t->ways[way] == NULL)
        return;
    t->bytes -= (uint32_t)entry_bytes(t->ways[way]);
    mem_free(TAKE(t->ways[way]));
}

void serve__cache_clear(struct serve__cache *c)
{
    for (size_t i = 0; i < c->set_count; i++) {
        struct set *t = &c->sets[i];
        sys_mutex_lock(&t->lock);
        t->changes++;
        for (uint32_t way = 0; way < WAYS; way++)
            evict(t, way);
        sys_mutex_unlock(&t->lock);
    }
}

struct serve__cache *serve__cache_free(struct serve__cache *c)
{
    if (c == NULL)
        return NULL;
    serve__cache_clear(c);
    mem_free(c->sets);
    mem_free(c);
    return NULL;
}

static struct set *set_of(const struct serve__cache *c, uint64_t hash)
{
    return &c->sets[hash & (c->set_count - 1)];
}

static const struct entry *find(const struct set *t, struct slice key, uint64_t hash)
{
    for (uint32_t way = 0; way < WAYS; way++) {
        const struct entry *n = t->ways[way];
        if (n != NULL && n->hash == hash && slice_eq(slice_of(n->bytes, n->key_len), key))
            return n;
    }
    return NULL;
}

bool serve__cache_get(struct serve__cache *c, struct slice key, struct buf *value,
                      struct serve__cache_place *ret_place)
{
    *ret_place = (struct serve__cache_place){.hash = map_hash(key)};
    struct set *t = set_of(c, ret_place->hash);
    sys_mutex_lock(&t->lock);
    const struct entry *n = find(t, key, ret_place->hash);
    if (n != NULL) {
        ret_place->pos = n->pos;
        buf_add(value, n->bytes + n->key_len, n->value_len);
    }
    ret_place->changes = t->changes;
    sys_mutex_unlock(&t->lock);
    trace_add(&c->hits, n != NULL);
    return n != NULL;
}

void serve__cache_put(struct serve__cache *c, struct slice key, struct slice value,
                      const struct serve__cache_place *place)
{
    size_t bytes = sizeof(struct entry) + key.len + value.len;
    if (bytes > ENTRY_BYTES_MAX)
        return;
    struct set *t = set_of(c, place->hash);
    sys_mutex_lock(&t->lock);
    if (t->changes == place->changes && find(t, key, place->hash) == NULL) { /* K1 */
        evict(t, t->oldest);
        for (uint32_t way = t->oldest; t->bytes + bytes > SET_BYTES;)
            evict(t, way = (way + 1) % WAYS);
        struct entry *n = mem_alloc(bytes);
        *n = (struct entry){place->hash, place->pos, (uint32_t)key.len, (uint32_t)value.len};
        memcpy(n->bytes, key.data, key.len);
        memcpy(n->bytes + key.len, value.data, value.len);
        t->ways[t->oldest] = n;
        t->bytes += (uint32_t)bytes;
        t->oldest = (t->oldest + 1) % WAYS;
    }
    sys_mutex_unlock(&t->lock);
}

void serve__cache_drop(struct serve__cache *c, uint64_t hash)
{
    struct set *t = set_of(c, hash);
    sys_mutex_lock(&t->lock);
    t->changes++;
    for (uint32_t way = 0; way < WAYS; way++)
        if (t->ways[way] != NULL && t->ways[way]->hash == hash)
            evict(t, way);
    sys_mutex_unlock(&t->lock);
}
