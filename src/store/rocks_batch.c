/* SPDX-License-Identifier: Apache-2.0 */
/* Batches for RocksDB: its own representation, filled directly. Thread: the batch's owner. */
#include "rocks_priv.h"

#include "base/mem.h"

struct rocks_batch {
    struct store_batch base;
    rocksdb_writebatch_t *inner;
};

struct store_batch *rocks__batch_new(struct store *s)
{
    struct rocks_batch *b = mem_zalloc(sizeof(*b));

    b->base.ops = s->ops;
    b->inner = rocksdb_writebatch_create();
    return &b->base;
}

rocksdb_writebatch_t *rocks__batch_inner(struct store_batch *b)
{
    return ((struct rocks_batch *)b)->inner;
}

void rocks__batch_free(struct store_batch *b)
{
    rocksdb_writebatch_destroy(rocks__batch_inner(b));
    mem_free(b);
}

void rocks__batch_put(struct store_batch *b, struct slice key, struct slice value)
{
    rocksdb_writebatch_put(rocks__batch_inner(b), (const char *)key.data, key.len,
                           (const char *)value.data, value.len);
}

void rocks__batch_delete(struct store_batch *b, struct slice key)
{
    rocksdb_writebatch_delete(rocks__batch_inner(b), (const char *)key.data, key.len);
}

void rocks__batch_delete_range(struct store_batch *b, struct slice from, struct slice to)
{
    rocksdb_writebatch_delete_range(rocks__batch_inner(b), (const char *)from.data, from.len,
                                    (const char *)to.data, to.len);
}

void rocks__batch_clear(struct store_batch *b)
{
    rocksdb_writebatch_clear(rocks__batch_inner(b));
}

size_t rocks__batch_bytes(const struct store_batch *b)
{
    size_t len = 0;

    (void)rocksdb_writebatch_data(((const struct rocks_batch *)b)->inner, &len);
    return len;
}
