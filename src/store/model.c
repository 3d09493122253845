/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model: a sorted array of versions in memory, for tests and simulation. A version is a key,
 * the number of the write that made it, and a value or a deletion:
 *
 *   key a: 7 "x", 3 deleted, 1 "y"   key b: 5 "z"   …      sorted by key, then newest first
 *
 * A reader at write number n sees, per key, the first version with a number <= n. Readers are:
 * now, every snapshot and iterator, and the last flush (which is what a crash leaves). When it
 * remembers batches, the end of each is one too.
 *
 * I1  versions are in order, and no two have the same key and number.
 * I2  a version that some reader sees is never removed.
 *
 * Thread: any; one mutex guards it all. An iterator copies what it stands on.
 */
#include "store/model.h"
#include "store_priv.h"

#include "base/mem.h"
#include "base/must.h"
#include "sys/sys.h"

#include <stdatomic.h>
#include <string.h>

struct version {
    uint64_t number;
    size_t key_len, value_len;
    bool is_deleted;
    uint8_t bytes[]; /* key, then value */
};

/* A reader that pins what it sees. */
struct pin {
    uint64_t number;
    struct pin *next, **link;
};

struct store_snapshot {
    struct pin pin;
};

struct model {
    struct store base;
    struct sys_mutex lock;
    struct version **versions;
    size_t count, cap;
    uint64_t last, flushed; /* numbers of the newest write and of the newest flushed one */
    struct pin *pins;
    bool remembers;
    uint64_t *ends; /* number of the newest write of each batch since the flush */
    size_t end_count, end_cap;
    unsigned failures; /* the next writes and flushes that fail */
    bool is_broken;    /* one has: what is not flushed is lost when it is opened again */
};

struct model_batch {
    struct store_batch base;
    struct buf ops; /* kind, key length, value length (u64 each as they lie), key, value */
};

struct model_iter {
    struct store_iter base;
    struct pin pin;
    bool is_valid;
    struct buf key, value;
};

enum op_kind { OP_PUT, OP_DELETE, OP_DELETE_RANGE };
struct op_head {
    uint64_t kind, key_len, value_len;
};

static struct slice key_of(const struct version *v)
{
    return slice_of(v->bytes, v->key_len);
}

static struct slice value_of(const struct version *v)
{
    return slice_of(v->bytes + v->key_len, v->value_len);
}

static void pin_add(struct model *m, struct pin *p, uint64_t number)
{
    p->number = number;
    p->next = m->pins;
    p->link = &m->pins;
    if (m->pins != NULL)
        m->pins->link = &p->next;
    m->pins = p;
}

static void pin_remove(struct pin *p)
{
    *p->link = p->next;
    if (p->next != NULL)
        p->next->link = p->link;
}

/* ---- the array ---- */

/* Index of the first version that is not before (@key, @number). */
static size_t find(const struct model *m, struct slice key, uint64_t number)
{
    size_t low = 0, high = m->count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = slice_cmp(key_of(m->versions[mid]), key);
        bool is_before = c < 0 || (c == 0 && m->versions[mid]->number > number);
        if (is_before)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Index of the first version behind all of @key. */
static size_t find_after(const struct model *m, struct slice key)
{
    size_t i = find(m, key, 0);

    while (i < m->count && slice_eq(key_of(m->versions[i]), key))
        i++;
    return i;
}

/* The version of @key that a reader at @number sees; NULL when there is none or it is deleted. */
static const struct version *see(const struct model *m, struct slice key, uint64_t number)
{
    size_t i = find(m, key, number);

    if (i == m->count || !slice_eq(key_of(m->versions[i]), key) || m->versions[i]->is_deleted)
        return NULL;
    return m->versions[i];
}

/* Does a reader older than @until see a version made at @from (I2)? */
static bool is_seen(const struct model *m, uint64_t from, uint64_t until)
{
    if (m->flushed >= from && m->flushed < until)
        return true;
    for (size_t i = m->end_count; i > 0 && m->ends[i - 1] >= from; i--)
        if (m->ends[i - 1] < until)
            return true;
    for (const struct pin *p = m->pins; p != NULL; p = p->next) {
        if (p->number >= from && p->number < until)
            return true;
    }
    return false;
}

static void insert(struct model *m, struct slice key, struct slice value, bool is_deleted)
{
    size_t i = find(m, key, UINT64_MAX);
    struct version *v = mem_alloc(sizeof(*v) + key.len + value.len);

    v->number = m->last;
    v->key_len = key.len;
    v->value_len = value.len;
    v->is_deleted = is_deleted;
    if (key.len > 0)
        memcpy(v->bytes, key.data, key.len);
    if (value.len > 0)
        memcpy(v->bytes + key.len, value.data, value.len);

    if (i < m->count && slice_eq(key_of(m->versions[i]), key) &&
        !is_seen(m, m->versions[i]->number, m->last)) {
        mem_free(m->versions[i]);
        m->versions[i] = v;
        return;
    }
    if (m->count == m->cap) {
        m->cap = m->cap == 0 ? 64 : m->cap * 2;
        m->versions = mem_realloc(m->versions, m->cap * sizeof(*m->versions));
    }
    memmove(m->versions + i + 1, m->versions + i, (m->count - i) * sizeof(*m->versions));
    m->versions[i] = v;
    m->count++;
}

static void delete_range(struct model *m, struct slice from, struct slice to)
{
    size_t i = find(m, from, UINT64_MAX);

    while (i < m->count && slice_cmp(key_of(m->versions[i]), to) < 0) {
        struct version *newest = m->versions[i];
        _cleanup_(mem_freep) char *copy = mem_strndup((const char *)newest->bytes, newest->key_len);
        struct slice key = slice_of(copy, newest->key_len);
        if (!newest->is_deleted)
            insert(m, key, SLICE_NULL, true);
        i = find_after(m, key);
    }
}

/*
 * Keep of one key's versions [i, end) those that somebody sees, from index @kept on; returns the
 * index behind them. A deletion at the top has said all when nobody sees anything below it.
 */
static size_t sweep_key(struct model *m, size_t i, size_t end, size_t kept)
{
    size_t first = kept;
    uint64_t until = UINT64_MAX;

    for (; i < end; i++) {
        struct version *v = m->versions[i];
        bool is_needed = until == UINT64_MAX || is_seen(m, v->number, until);
        until = v->number;
        if (is_needed)
            m->versions[kept++] = v;
        else
            mem_free(v);
    }
    if (kept == first + 1 && m->versions[first]->is_deleted) {
        mem_free(m->versions[first]);
        kept = first;
    }
    return kept;
}

/* Drop the versions that nobody sees any more. */
static void sweep(struct model *m)
{
    size_t kept = 0;

    for (size_t i = 0, end; i < m->count; i = end) {
        for (end = i + 1; end < m->count; end++) { /* the array is no longer in order before i */
            if (!slice_eq(key_of(m->versions[end]), key_of(m->versions[i])))
                break;
        }
        kept = sweep_key(m, i, end, kept);
    }
    m->count = kept;
}

/* ---- batches ---- */

static void batch_add(struct store_batch *b, enum op_kind kind, struct slice key,
                      struct slice value)
{
    struct buf *ops = &((struct model_batch *)b)->ops;
    struct op_head head = {(uint64_t)kind, key.len, value.len};

    buf_add(ops, &head, sizeof(head));
    buf_add_slice(ops, key);
    buf_add_slice(ops, value);
}

static struct store_batch *model_batch_new(struct store *s)
{
    struct model_batch *b = mem_zalloc(sizeof(*b));

    b->base.ops = s->ops;
    return &b->base;
}

static void model_batch_free(struct store_batch *b)
{
    buf_deinit(&((struct model_batch *)b)->ops);
    mem_free(b);
}

static void model_batch_put(struct store_batch *b, struct slice key, struct slice value)
{
    batch_add(b, OP_PUT, key, value);
}

static void model_batch_delete(struct store_batch *b, struct slice key)
{
    batch_add(b, OP_DELETE, key, SLICE_NULL);
}

static void model_batch_delete_range(struct store_batch *b, struct slice from, struct slice to)
{
    batch_add(b, OP_DELETE_RANGE, from, to);
}

static void model_batch_clear(struct store_batch *b)
{
    buf_reset(&((struct model_batch *)b)->ops);
}

static size_t model_batch_bytes(const struct store_batch *b)
{
    return ((const struct model_batch *)b)->ops.len;
}

static void add_end(struct model *m)
{
    if (m->end_count == m->end_cap) {
        m->end_cap = MAX((size_t)16, m->end_cap * 2);
        m->ends = mem_realloc(m->ends, m->end_cap * sizeof(*m->ends));
    }
    m->ends[m->end_count++] = m->last;
}

/* Is this one of those that were ordered to fail? A broken store takes nothing more (rule S5). */
static bool fails(struct model *m)
{
    sys_mutex_lock(&m->lock);
    if (m->failures > 0) {
        m->failures--;
        m->is_broken = true;
    }
    bool broken = m->is_broken;
    sys_mutex_unlock(&m->lock);
    return broken;
}

static int model_write(struct store *base, struct store_batch *b, struct err *e)
{
    struct model *m = (struct model *)base;
    struct slice ops = buf_slice(&((struct model_batch *)b)->ops);
    struct op_head head;

    if (fails(m))
        return err_set(e, ERR_IO, "the model's write fails, on order");
    sys_mutex_lock(&m->lock);
    for (size_t at = 0; at < ops.len; at += sizeof(head) + head.key_len + head.value_len) {
        memcpy(&head, ops.data + at, sizeof(head));
        struct slice key = slice_of(ops.data + at + sizeof(head), head.key_len);
        struct slice value = slice_of(key.data + key.len, head.value_len);
        m->last++; /* one number per change keeps a key that is changed twice in order (I1) */
        if (head.kind == OP_PUT)
            insert(m, key, value, false);
        else if (head.kind == OP_DELETE)
            insert(m, key, SLICE_NULL, true);
        else
            delete_range(m, key, value);
    }
    if (m->remembers)
        add_end(m);
    sys_mutex_unlock(&m->lock);
    return 0;
}

/* ---- the life of a store ---- */

static int model_flush(struct store *base, struct err *e)
{
    struct model *m = (struct model *)base;

    if (fails(m))
        return err_set(e, ERR_IO, "the model's flush fails, on order");
    sys_mutex_lock(&m->lock);
    m->flushed = m->last;
    m->end_count = 0;
    sweep(m);
    sys_mutex_unlock(&m->lock);
    return 0;
}

static void model_close(struct store *base)
{
    struct model *m = (struct model *)base;

    for (size_t i = 0; i < m->count; i++)
        mem_free(m->versions[i]);
    mem_free(m->versions);
    mem_free(m->ends);
    mem_free(m);
}

static void drop_unflushed(struct model *m)
{
    size_t kept = 0;

    m->end_count = 0;
    for (size_t i = 0; i < m->count; i++) {
        if (m->versions[i]->number <= m->flushed)
            m->versions[kept++] = m->versions[i];
        else
            mem_free(m->versions[i]);
    }
    m->count = kept;
    m->last = m->flushed;
}

/* What closing leaves and opening finds is what was flushed; a broken store could not flush. */
static int model_reopen(struct store *base, struct err *e)
{
    struct model *m = (struct model *)base;

    if (!m->is_broken)
        return model_flush(base, e);
    sys_mutex_lock(&m->lock);
    m->is_broken = false;
    drop_unflushed(m);
    sys_mutex_unlock(&m->lock);
    return 0;
}

void store_model_fail(struct store *base, unsigned count)
{
    struct model *m = (struct model *)base;

    sys_mutex_lock(&m->lock);
    m->failures = count;
    sys_mutex_unlock(&m->lock);
}

void store_model_remember(struct store *base, bool on)
{
    struct model *m = (struct model *)base;

    sys_mutex_lock(&m->lock);
    m->remembers = on;
    m->end_count = 0;
    sys_mutex_unlock(&m->lock);
}

size_t store_model_unflushed(struct store *base)
{
    struct model *m = (struct model *)base;

    sys_mutex_lock(&m->lock);
    size_t count = m->end_count;
    sys_mutex_unlock(&m->lock);
    return count;
}

void store_model_crash(struct store *base)
{
    store_model_crash_keep(base, 0);
}

void store_model_crash_keep(struct store *base, size_t batches)
{
    struct model *m = (struct model *)base;

    must(base->users == 0);
    sys_mutex_lock(&m->lock);
    must(batches <= m->end_count);
    if (batches > 0)
        m->flushed = m->ends[batches - 1];
    m->failures = 0;
    m->is_broken = false;
    atomic_store(&base->failure, 0);
    drop_unflushed(m);
    sys_mutex_unlock(&m->lock);
}

/* ---- reading ---- */

static struct store_snapshot *model_snapshot_new(struct store *base)
{
    struct model *m = (struct model *)base;
    struct store_snapshot *snap = mem_zalloc(sizeof(*snap));

    sys_mutex_lock(&m->lock);
    pin_add(m, &snap->pin, m->last);
    sys_mutex_unlock(&m->lock);
    return snap;
}

static void model_snapshot_free(struct store *base, struct store_snapshot *snap)
{
    struct model *m = (struct model *)base;

    sys_mutex_lock(&m->lock);
    pin_remove(&snap->pin);
    sys_mutex_unlock(&m->lock);
    mem_free(snap);
}

static uint64_t number_for(const struct model *m, struct store_read how)
{
    if (how.persisted)
        return m->flushed;
    return how.snap != NULL ? how.snap->pin.number : m->last;
}

static int model_get(struct store *base, struct store_read how, struct slice key, struct buf *out,
                     struct err *e)
{
    struct model *m = (struct model *)base;

    (void)e;
    sys_mutex_lock(&m->lock);
    const struct version *v = see(m, key, number_for(m, how));
    if (v != NULL)
        buf_add_slice(out, value_of(v));
    sys_mutex_unlock(&m->lock);
    return v != NULL ? STORE_FOUND : STORE_ABSENT;
}

static struct store_iter *model_iter_new(struct store *base, struct store_read how,
                                         struct slice prefix)
{
    struct model *m = (struct model *)base;
    struct model_iter *it = mem_zalloc(sizeof(*it));

    (void)prefix; /* seeing more than asked for is allowed */
    it->base.store = base;
    sys_mutex_lock(&m->lock);
    pin_add(m, &it->pin, number_for(m, how));
    sys_mutex_unlock(&m->lock);
    return &it->base;
}

static void model_iter_free(struct store_iter *base)
{
    struct model_iter *it = (struct model_iter *)base;
    struct model *m = (struct model *)base->store;

    sys_mutex_lock(&m->lock);
    pin_remove(&it->pin);
    sys_mutex_unlock(&m->lock);
    buf_deinit(&it->key);
    buf_deinit(&it->value);
    mem_free(it);
}

static void stand_on(struct model_iter *it, const struct version *v)
{
    buf_reset(&it->key);
    buf_reset(&it->value);
    it->is_valid = v != NULL;
    if (v != NULL) {
        buf_add_slice(&it->key, key_of(v));
        buf_add_slice(&it->value, value_of(v));
    }
}

/* Stand on the first key at or behind index @i that the iterator sees. */
static void settle_forward(const struct model *m, struct model_iter *it, size_t i)
{
    const struct version *v = NULL;

    while (i < m->count && v == NULL) {
        struct slice key = key_of(m->versions[i]);
        v = see(m, key, it->pin.number);
        i = find_after(m, key);
    }
    stand_on(it, v);
}

/* The same backwards, for the keys before index @end. */
static void settle_back(const struct model *m, struct model_iter *it, size_t end)
{
    const struct version *v = NULL;

    while (end > 0 && v == NULL) {
        struct slice key = key_of(m->versions[end - 1]);
        v = see(m, key, it->pin.number);
        end = find(m, key, UINT64_MAX);
    }
    stand_on(it, v);
}

static void model_iter_seek(struct store_iter *base, struct slice from)
{
    struct model *m = (struct model *)base->store;

    sys_mutex_lock(&m->lock);
    settle_forward(m, (struct model_iter *)base, find(m, from, UINT64_MAX));
    sys_mutex_unlock(&m->lock);
}

static void model_iter_seek_back(struct store_iter *base, struct slice from)
{
    struct model *m = (struct model *)base->store;

    sys_mutex_lock(&m->lock);
    settle_back(m, (struct model_iter *)base, find_after(m, from));
    sys_mutex_unlock(&m->lock);
}

static void model_iter_next(struct store_iter *base)
{
    struct model_iter *it = (struct model_iter *)base;
    struct model *m = (struct model *)base->store;

    sys_mutex_lock(&m->lock);
    settle_forward(m, it, find_after(m, buf_slice(&it->key)));
    sys_mutex_unlock(&m->lock);
}

static bool model_iter_valid(const struct store_iter *it)
{
    return ((const struct model_iter *)it)->is_valid;
}

static struct slice model_iter_key(const struct store_iter *it)
{
    return buf_slice(&((const struct model_iter *)it)->key);
}

static struct slice model_iter_value(const struct store_iter *it)
{
    return buf_slice(&((const struct model_iter *)it)->value);
}

static int model_iter_status(const struct store_iter *it, struct err *e)
{
    (void)it;
    (void)e;
    return 0;
}

static const struct store_ops model_ops = {
    .close = model_close,
    .write = model_write,
    .flush = model_flush,
    .reopen = model_reopen,
    .snapshot_new = model_snapshot_new,
    .snapshot_free = model_snapshot_free,
    .get = model_get,
    .batch_new = model_batch_new,
    .batch_free = model_batch_free,
    .batch_put = model_batch_put,
    .batch_delete = model_batch_delete,
    .batch_delete_range = model_batch_delete_range,
    .batch_clear = model_batch_clear,
    .batch_bytes = model_batch_bytes,
    .iter_new = model_iter_new,
    .iter_free = model_iter_free,
    .iter_seek = model_iter_seek,
    .iter_seek_back = model_iter_seek_back,
    .iter_next = model_iter_next,
    .iter_valid = model_iter_valid,
    .iter_key = model_iter_key,
    .iter_value = model_iter_value,
    .iter_status = model_iter_status,
};

struct store *store_open_model(void)
{
    struct model *m = mem_zalloc(sizeof(*m));

    m->base.ops = &model_ops;
    return &m->base;
}
