/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* CONTRACT(name) { … w->s … } becomes one test over RocksDB and one over the model. */

#include "store/store.h"

#include "test.h"

struct world {
    struct store *s;
    char dir[64]; /* empty for the model */
};

void world_start_rocksdb(struct world *w);
void world_start_model(struct world *w);
void world_stop(struct world *w);

#define CONTRACT(name)                                                                             \
    static void name(struct world *w);                                                             \
    Test(store_rocksdb, name)                                                                      \
    {                                                                                              \
        struct world w;                                                                            \
        world_start_rocksdb(&w);                                                                   \
        name(&w);                                                                                  \
        world_stop(&w);                                                                            \
    }                                                                                              \
    Test(store_model, name)                                                                        \
    {                                                                                              \
        struct world w;                                                                            \
        world_start_model(&w);                                                                     \
        name(&w);                                                                                  \
        world_stop(&w);                                                                            \
    }                                                                                              \
    static void name(struct world *w)

/* Short forms for text keys and values. */
void put(struct world *w, const char *key, const char *value);
void del(struct world *w, const char *key);
void flush(struct world *w);
/* The value of @key, "-" when it is absent; good until the next call with the same @into. */
const char *get(struct world *w, const struct store_snapshot *snap, const char *key, char *into);
