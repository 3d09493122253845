/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "base/mem.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void world_start(struct world *w, enum world_kind kind)
{
    memset(w, 0, sizeof(*w));
    w->kind = kind;
    if (kind == WORLD_SIM) {
        w->s = sys_new_sim(1);
        strcpy(w->dir, "data");
        cr_assert_eq(sys_mkdirs(w->s, w->dir, NULL), 0);
        return;
    }
    if (kind == WORLD_PWRITEV2)
        setenv("SLUICE_NO_URING", "1", 1);
    cr_assert_eq(sys_new_uring(&w->s, &w->e), 0);
    unsetenv("SLUICE_NO_URING");
    strcpy(w->dir, "/tmp/sluice-sys-XXXXXX");
    cr_assert_not_null(mkdtemp(w->dir));
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
    w->s = sys_free(w->s);
    if (w->kind != WORLD_SIM)
        (void)nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *at(struct world *w, int slot, const char *name)
{
    snprintf(w->path[slot], sizeof(w->path[slot]), "%s/%s", w->dir, name);
    return w->path[slot];
}

void make_file(struct world *w, const char *name, const char *content)
{
    cr_assert_eq(sys_write_file(w->s, at(w, 3, name), slice_str(content), &w->e), 0);
}

bool has_file(struct world *w, const char *name, const char *content)
{
    char *data = NULL;
    size_t len = 0;
    int r = sys_read_file(w->s, at(w, 3, name), 1 << 20, &data, &len, &w->e);
    bool same = r == 0 && slice_eq(slice_of(data, len), slice_str(content));

    mem_free(data);
    return same;
}
