/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The face: calls through the implementation's table and counts who is inside: calls under way,
 * and views (snapshots and iterators) that are alive. An implementation is closed and opened again
 * only when nobody is; whoever comes meanwhile waits. Any thread.
 */
#include "store/store.h"
#include "store_priv.h"

#include "base/must.h"

#include <stdatomic.h>

#define REOPEN_STEP_US   1000
#define REOPEN_STEPS_MAX 5000

static void leave(struct store *s)
{
    uint32_t before = atomic_fetch_sub(&s->users, 1);
    must(before > 0);
}

static void enter(struct store *s)
{
    for (;;) {
        atomic_fetch_add(&s->users, 1);
        if (likely(!atomic_load(&s->closing)))
            return;
        leave(s);
        sys_event_wait(&s->opened, sys_event_read(&s->opened), REOPEN_STEP_US);
    }
}

struct store *store_close(struct store *s)
{
    if (s != NULL) {
        must(atomic_load(&s->users) == 0);
        s->ops->close(s);
    }
    return NULL;
}

/* ---- writing ---- */

struct store_batch *store_batch_new(struct store *s)
{
    return s->ops->batch_new(s);
}

struct store_batch *store_batch_free(struct store_batch *b)
{
    if (b != NULL)
        b->ops->batch_free(b);
    return NULL;
}

void store_batch_put(struct store_batch *b, struct slice key, struct slice value)
{
    b->ops->batch_put(b, key, value);
}

void store_batch_delete(struct store_batch *b, struct slice key)
{
    b->ops->batch_delete(b, key);
}

void store_batch_delete_range(struct store_batch *b, struct slice from, struct slice to)
{
    if (slice_cmp(from, to) < 0)
        b->ops->batch_delete_range(b, from, to);
}

void store_batch_clear(struct store_batch *b)
{
    b->ops->batch_clear(b);
}

size_t store_batch_bytes(const struct store_batch *b)
{
    return b->ops->batch_bytes(b);
}

static void note_failure(struct store *s, int r)
{
    int none = 0;
    if (r < 0)
        (void)atomic_compare_exchange_strong(&s->failure, &none, r); /* the first one stays */
}

int store_write(struct store *s, struct store_batch *b, struct err *e)
{
    must(b->ops == s->ops);
    enter(s);
    int r = s->ops->write(s, b, e);
    note_failure(s, r);
    leave(s);
    return r;
}

int store_flush(struct store *s, struct err *e)
{
    enter(s);
    int r = s->ops->flush(s, e);
    note_failure(s, r);
    leave(s);
    return r;
}

int store_failure(const struct store *s)
{
    return atomic_load(&s->failure);
}

int store_reopen(struct store *s, struct err *e)
{
    bool other = atomic_exchange(&s->closing, true);
    must(!other);
    int r = 0;
    for (unsigned i = 0; atomic_load(&s->users) > 0 && r == 0; i++) {
        if (i == REOPEN_STEPS_MAX)
            r = err_set(e, ERR_BUSY, "the store is in use and cannot be opened again now");
        sys_event_wait(&s->opened, sys_event_read(&s->opened), REOPEN_STEP_US);
    }
    if (r == 0)
        r = s->ops->reopen(s, e);
    if (r == 0)
        atomic_store(&s->failure, 0);
    atomic_store(&s->closing, false);
    sys_event_signal(&s->opened);
    return r;
}

/* ---- reading ---- */

struct store_snapshot *store_snapshot_new(struct store *s)
{
    enter(s);
    return s->ops->snapshot_new(s);
}

void store_snapshot_free(struct store *s, struct store_snapshot *snap)
{
    if (snap == NULL)
        return;
    s->ops->snapshot_free(s, snap);
    leave(s);
}

int store_get(struct store *s, const struct store_snapshot *snap, struct slice key,
              bool cached_only, struct buf *out, struct err *e)
{
    struct store_read how = {.snap = snap, .cached_only = cached_only};

    if (snap == NULL) /* else the view is inside already */
        enter(s);
    int r = s->ops->get(s, how, key, out, e);
    if (snap == NULL)
        leave(s);
    return r;
}

int store_get_persisted(struct store *s, struct slice key, struct buf *out, struct err *e)
{
    struct store_read how = {.persisted = true};

    enter(s);
    int r = s->ops->get(s, how, key, out, e);
    leave(s);
    return r;
}

static bool starts_with(struct slice key, struct slice prefix)
{
    return key.len >= prefix.len && slice_eq(slice_of(key.data, prefix.len), prefix);
}

int store_seek(struct store *s, const struct store_snapshot *snap, struct slice from,
               struct slice prefix, bool cached_only, struct buf *out_key, struct buf *out_value,
               struct err *e)
{
    struct store_read how = {.snap = snap, .cached_only = cached_only};
    int r;

    if (snap == NULL)
        enter(s);
    struct store_iter *it = s->ops->iter_new(s, how, prefix);
    s->ops->iter_seek(it, from);
    if (!s->ops->iter_valid(it)) {
        r = s->ops->iter_status(it, e);
        r = r == 0 ? STORE_ABSENT : r;
    } else if (!starts_with(s->ops->iter_key(it), prefix)) {
        r = STORE_ABSENT;
    } else {
        buf_add_slice(out_key, s->ops->iter_key(it));
        buf_add_slice(out_value, s->ops->iter_value(it));
        r = STORE_FOUND;
    }
    s->ops->iter_free(it);
    if (snap == NULL)
        leave(s);
    return r;
}

struct store_iter *store_iter_new(struct store *s, const struct store_snapshot *snap)
{
    struct store_read how = {.snap = snap};

    enter(s);
    return s->ops->iter_new(s, how, SLICE_NULL);
}

struct store_iter *store_iter_free(struct store_iter *it)
{
    if (it != NULL) {
        struct store *s = it->store;
        s->ops->iter_free(it);
        leave(s);
    }
    return NULL;
}

void store_iter_seek(struct store_iter *it, struct slice from)
{
    it->store->ops->iter_seek(it, from);
}

void store_iter_seek_back(struct store_iter *it, struct slice from)
{
    it->store->ops->iter_seek_back(it, from);
}

void store_iter_next(struct store_iter *it)
{
    must(store_iter_valid(it));
    it->store->ops->iter_next(it);
}

bool store_iter_valid(const struct store_iter *it)
{
    return it->store->ops->iter_valid(it);
}

struct slice store_iter_key(const struct store_iter *it)
{
    must(store_iter_valid(it));
    return it->store->ops->iter_key(it);
}

struct slice store_iter_value(const struct store_iter *it)
{
    must(store_iter_valid(it));
    return it->store->ops->iter_value(it);
}

int store_iter_status(const struct store_iter *it, struct err *e)
{
    return it->store->ops->iter_status(it, e);
}
