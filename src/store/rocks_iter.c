/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Iterators for RocksDB. An iterator for a prefix is bounded above by the first key after all that
 * start with it, so that a seek that finds nothing does not wander through what other tables have
 * deleted. The bound's bytes must live as long as the iterator. Thread: the iterator's owner.
 */
#include "rocks_priv.h"

#include "base/mem.h"

#include <string.h>

struct rocks_iter {
    struct store_iter base;
    rocksdb_iterator_t *inner; /* NULL while the store could not be opened again */
    rocksdb_readoptions_t *options;
    struct buf bound;
};

static struct rocks_iter *of(struct store_iter *it)
{
    return (struct rocks_iter *)it;
}

static const struct rocks_iter *of_const(const struct store_iter *it)
{
    return (const struct rocks_iter *)it;
}

/* The smallest key that is above all keys with @prefix; empty when there is none. */
static void make_bound(struct buf *bound, struct slice prefix)
{
    buf_add_slice(bound, prefix);
    while (bound->len > 0 && bound->data[bound->len - 1] == 0xff)
        bound->len--;
    if (bound->len > 0)
        bound->data[bound->len - 1]++;
}

struct store_iter *rocks__iter_new(struct store *base, struct store_read how, struct slice prefix)
{
    struct rocks *s = (struct rocks *)base;
    struct rocks_iter *it = mem_zalloc(sizeof(*it));

    it->base.store = base;
    it->options = rocks__read_options(how.snap != NULL ? how.snap->snap : NULL,
                                      how.cached_only ? ROCKS_TIER_CACHE : ROCKS_TIER_ALL);
    make_bound(&it->bound, prefix);
    if (it->bound.len > 0)
        rocksdb_readoptions_set_iterate_upper_bound(it->options, (const char *)it->bound.data,
                                                    it->bound.len);
    if (s->db != NULL)
        it->inner = rocksdb_create_iterator(s->db, it->options);
    return &it->base;
}

void rocks__iter_free(struct store_iter *base)
{
    struct rocks_iter *it = of(base);

    if (it->inner != NULL)
        rocksdb_iter_destroy(it->inner);
    rocksdb_readoptions_destroy(it->options);
    buf_deinit(&it->bound);
    mem_free(it);
}

void rocks__iter_seek(struct store_iter *it, struct slice from)
{
    if (of(it)->inner != NULL)
        rocksdb_iter_seek(of(it)->inner, (const char *)from.data, from.len);
}

void rocks__iter_seek_back(struct store_iter *it, struct slice from)
{
    if (of(it)->inner != NULL)
        rocksdb_iter_seek_for_prev(of(it)->inner, (const char *)from.data, from.len);
}

void rocks__iter_next(struct store_iter *it)
{
    rocksdb_iter_next(of(it)->inner);
}

bool rocks__iter_valid(const struct store_iter *it)
{
    return of_const(it)->inner != NULL && rocksdb_iter_valid(of_const(it)->inner) != 0;
}

struct slice rocks__iter_key(const struct store_iter *it)
{
    size_t len = 0;
    const char *key = rocksdb_iter_key(of_const(it)->inner, &len);

    return slice_of(key, len);
}

struct slice rocks__iter_value(const struct store_iter *it)
{
    size_t len = 0;
    const char *value = rocksdb_iter_value(of_const(it)->inner, &len);

    return slice_of(value, len);
}

int rocks__iter_status(const struct store_iter *base, struct err *e)
{
    const struct rocks_iter *it = of_const(base);
    const struct rocks *s = (const struct rocks *)base->store;
    char *text = NULL;

    if (it->inner == NULL)
        return err_set(e, ERR_UNAVAILABLE, "store %s: could not be opened again", s->path);
    rocksdb_iter_get_error(it->inner, &text);
    return text == NULL ? 0 : rocks__fail(e, s, "read it", text);
}
