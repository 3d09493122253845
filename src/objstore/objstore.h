/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * objstore: named immutable objects. put, put-if-absent, get, list. Implementations behind one
 * table of functions: a local folder (files synced, folder synced), and a faulty fake for tests
 * that wraps another and loses answers, fails, or runs out of space on order. S3 comes with its own
 * issue.
 *
 * Names are relative paths with '/' ("t/_delta_log/00…0.json"). Thread: any; calls block.
 */

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct sys;
struct objstore;

must_use int objstore_open_folder(struct sys *s, const char *path, struct objstore **ret_store,
                                  struct err *e);

/* What the fake does to the n-th call that matches, counting from now. */
enum objstore_fault {
    OBJSTORE_FAIL,        /* ERR_UNAVAILABLE, nothing done */
    OBJSTORE_LOSE_ANSWER, /* done, but ERR_TIMEOUT is returned */
    OBJSTORE_NO_SPACE,    /* ERR_NO_SPACE, nothing done; writes only */
    OBJSTORE_TIMEOUT,     /* ERR_TIMEOUT, nothing done */
    OBJSTORE_LOSE_RACE,   /* put_absent only: another writer's object came first, ERR_EXISTS */
    OBJSTORE_SLOW,        /* done after a while (only once objstore_fake_chances() gave a sys) */
    OBJSTORE_FAULT_COUNT,
};
const char *objstore_fault_name(enum objstore_fault f);
/* Takes @below; closing the fake closes it. */
struct objstore *objstore_open_fake(struct objstore *below);
/* The next @count calls whose name contains @part suffer @fault after @skip matching ones went
 * through. */
void objstore_fake_order(struct objstore *fake, const char *part, enum objstore_fault fault,
                         unsigned skip, unsigned count);

/*
 * Faults by chance, per million calls that @fault can strike; drawn from @s, which also sleeps for
 * the slow ones. @chances NULL: none any more, and orders are forgotten too.
 *
 * Who wins a race puts a commit that changes nothing: the first line of ours (commitInfo), alone.
 */
struct objstore_chances {
    uint32_t of[OBJSTORE_FAULT_COUNT];
    uint32_t slow_ms; /* at most; 0: 2 s */
};
void objstore_fake_chances(struct objstore *fake, struct sys *s,
                           const struct objstore_chances *chances);
/* How often a fault took effect, by order or by chance. */
uint64_t objstore_fake_calls(struct objstore *fake); /* so far, of any kind */
uint64_t objstore_fake_hits(struct objstore *fake, enum objstore_fault fault);

struct objstore *objstore_close(struct objstore *o); /* takes NULL; returns NULL */
const char *objstore_root(const struct objstore *o); /* as a path or URL for people */

/* Durable on return 0 (rule D4: data and folder are synced). An object of that name is replaced. */
must_use int objstore_put(struct objstore *o, const char *name, struct slice data, struct err *e);
/* ERR_EXISTS when there is one already; atomic; readers never see half of it. ERR_TIMEOUT, ERR_IO:
 * the fate is unknown. */
must_use int objstore_put_absent(struct objstore *o, const char *name, struct slice data,
                                 struct err *e);
/* Appends the content. ERR_NOT_FOUND. ERR_EXHAUSTED above @len_max. */
must_use int objstore_get(struct objstore *o, const char *name, size_t len_max, struct buf *out,
                          struct err *e);
/* Appends the last @len bytes of the content, all of it when there are fewer. */
must_use int objstore_get_tail(struct objstore *o, const char *name, size_t len, struct buf *out,
                               struct err *e);
struct objstore_entry {
    char *name; /* relative to the listed folder */
    uint64_t size;
    int64_t modified_us; /* when it was put, by the clock of whoever keeps it */
};
struct objstore_list {
    struct objstore_entry *entries; /* sorted by name, files only */
    size_t count;
};
/* Objects directly in folder @prefix ("t/_delta_log"), names > @after ("" = all). A missing folder
 * is empty. */
must_use int objstore_list(struct objstore *o, const char *prefix, const char *after,
                           struct objstore_list *ret_list, struct err *e);
void objstore_list_deinit(struct objstore_list *l);
must_use int objstore_delete(struct objstore *o, const char *name,
                             struct err *e); /* missing is fine */
/* Is there anything at all below @prefix? */
must_use int objstore_is_empty(struct objstore *o, const char *prefix, bool *ret_empty,
                               struct err *e);
/* Remove what interrupted puts have left directly in folder @prefix and was last written before
 * @before_us. Objects are never touched. */
must_use int objstore_clean(struct objstore *o, const char *prefix, int64_t before_us,
                            uint64_t *ret_count, struct err *e);
/* What readers see in folder @prefix survives power loss from now on, folders above it too. A
 * life asks for it before it relies on what an earlier one put: that may have been killed between
 * giving the name and making it durable. A missing folder is fine. */
must_use int objstore_settle(struct objstore *o, const char *prefix, struct err *e);
/* Move the folder @from to @to (drop of a table, rule D6). Local folders only. */
must_use int objstore_move(struct objstore *o, const char *from, const char *to, struct err *e);
