/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void world_start_rocksdb(struct world *w)
{
    struct store_options o = {.cache_bytes = 1 << 20, .write_buffer_bytes = 1 << 20};
    struct err e = {0};

    strcpy(w->dir, "/tmp/sluice-store-XXXXXX");
    cr_assert_not_null(mkdtemp(w->dir));
    o.path = w->dir;
    int r = store_open_rocksdb(&o, &w->s, &e);
    cr_assert_eq(r, 0);
}

void world_start_model(struct world *w)
{
    w->dir[0] = '\0';
    w->s = store_open_model();
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void world_stop(struct world *w)
{
    w->s = store_close(w->s);
    if (w->dir[0] != '\0')
        (void)nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void put(struct world *w, const char *key, const char *value)
{
    struct store_batch *b = store_batch_new(w->s);

    store_batch_put(b, slice_str(key), slice_str(value));
    int r = store_write(w->s, b, NULL);
    cr_assert_eq(r, 0);
    store_batch_free(b);
}

void del(struct world *w, const char *key)
{
    struct store_batch *b = store_batch_new(w->s);

    store_batch_delete(b, slice_str(key));
    int r = store_write(w->s, b, NULL);
    cr_assert_eq(r, 0);
    store_batch_free(b);
}

void flush(struct world *w)
{
    int r = store_flush(w->s, NULL);
    cr_assert_eq(r, 0);
}

const char *get(struct world *w, const struct store_snapshot *snap, const char *key, char *into)
{
    struct buf out = BUF_NULL;
    int r = store_get(w->s, snap, slice_str(key), false, &out, NULL);

    cr_assert(r == STORE_FOUND || r == STORE_ABSENT);
    strcpy(into, r == STORE_FOUND ? buf_cstr(&out) : "-");
    buf_deinit(&out);
    return into;
}
