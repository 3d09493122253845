/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* CONTRACT(name) { … w->s … } becomes a test over io_uring, over pwritev2 and over the
 * simulator. */

#include "sys/sys.h"

#include "test.h"

enum world_kind { WORLD_URING, WORLD_PWRITEV2, WORLD_SIM };

struct world {
    enum world_kind kind;
    struct sys *s;
    char dir[64]; /* a folder of the test's own */
    char path[4][128];
    struct err e;
};

void world_start(struct world *w, enum world_kind kind);
void world_stop(struct world *w);
/* "<dir>/<name>" in slot 0..3 of the world. */
const char *at(struct world *w, int slot, const char *name);
/* A file with this content, synced, with its name. */
void make_file(struct world *w, const char *name, const char *content);
bool has_file(struct world *w, const char *name, const char *content);

#define CONTRACT_ONE(kind_, suite_, name_)                                                         \
    Test(suite_, name_)                                                                            \
    {                                                                                              \
        struct world w;                                                                            \
        world_start(&w, kind_);                                                                    \
        name_(&w);                                                                                 \
        world_stop(&w);                                                                            \
    }
#define CONTRACT(name)                                                                             \
    static void name(struct world *w);                                                             \
    CONTRACT_ONE(WORLD_URING, sys_uring, name)                                                     \
    CONTRACT_ONE(WORLD_PWRITEV2, sys_pwritev2, name)                                               \
    CONTRACT_ONE(WORLD_SIM, sys_sim, name)                                                         \
    static void name(struct world *w)
