/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The apply thread: durable blocks of the log → the store.
 *
 *   block ─► index entries │ control records │ key → row     one batch of up to about 1 MiB,
 *                                                            with m/applied = its last position
 *
 * Invariants
 *   P1  the applied position stands in the same batch as what it speaks of: the store always shows
 *       the log up to exactly that position
 *   P2  whole blocks only, so whole requests (L6)
 *   P3  rows are applied in the order of their positions; the newest version of a key sorts first
 *
 * A failed write (S5, I8): the door is shut, the store opened again, with waits that grow; it then
 * shows an older state, and reading goes on from the position it states. The process goes on
 * meanwhile; only damage ends it. The flush thread makes durable what was written, at every new
 * segment of the log.
 */
#include "serve_priv.h"

#include "base/bits.h"
#include "base/mem.h"
#include "base/must.h"
#include "bronze/index.h"
#include "codec/codec.h"
#include "store/keys.h"

#define BACKOFF_MS_MIN   100
#define BACKOFF_MS_MAX   5000
#define PAUSE_US         1000
#define IDLE_WAIT_US     (100 * 1000)
#define STOP_WAIT_MS_MAX 2000

/* ---- one block into the batch ---- */

static void put_row(struct serve *s, const struct bronze_frame *f, bronze_pos pos, struct slice row)
{
    struct serve__apply *a = &s->apply;
    const struct row_schema *schema = codec_plan_schema(a->plan);
    if (codec_decode(a->plan, row, a->values) < 0)
        must_die(
            "serve: the row at position %llu (table id %u, descriptor id %u) was accepted once and "
            "cannot be decoded now",
            (unsigned long long)pos, f->table_id, f->descriptor_id);
    serve__row_prefix(&a->key, f->table_id);
    if (row_key_encode(schema, a->values, &a->key, NULL) < 0) {
        trace_add(&s->rows_unkeyed, 1);
        return;
    }
    put_be64(buf_reserve(&a->key, 8), ~pos);
    a->key.len += 8;
    buf_reset(&a->value);
    put_le32(buf_reserve(&a->value, 4), f->descriptor_id);
    a->value.len = 4;
    buf_add_slice(&a->value, row);
    store_batch_put(a->batch, buf_slice(&a->key), buf_slice(&a->value));
    trace_add(&s->rows_applied, 1);
}

/* False: its rows are not for the store (no key, or the table's drop is over). */
static bool find_plan(struct serve *s, const struct bronze_frame *f)
{
    struct serve__apply *a = &s->apply;
    if (a->plan == NULL || a->plan_table != f->table_id || a->plan_descriptor != f->descriptor_id) {
        a->plan = catalog_plan(s->o.catalog, f->table_id, f->descriptor_id);
        a->plan_table = f->table_id;
        a->plan_descriptor = f->descriptor_id;
    }
    if (a->plan == NULL) {
        struct catalog_table *t = catalog_table_by_id(s->o.catalog, f->table_id);
        if (t != NULL)
            must_die(
                "serve: rows of table %s at position %llu need descriptor %u, which the log does "
                "not define",
                t->name, (unsigned long long)f->first_pos, f->descriptor_id);
        return false;
    }
    const struct row_schema *schema = codec_plan_schema(a->plan);
    if (a->value_cap < schema->column_count) {
        a->value_cap = schema->column_count;
        a->values = mem_realloc(a->values, a->value_cap * sizeof(*a->values));
    }
    return schema->key_count > 0;
}

static void add_control(struct serve *s, const struct bronze_frame *f)
{
    struct serve__apply *a = &s->apply;
    catalog_persist(s->o.catalog, f, a->batch);
    uint32_t dropped = catalog_dropped_table(f);
    if (dropped == 0)
        return;
    serve__row_prefix(&a->key, dropped);
    serve__row_prefix(&a->value, dropped + 1); /* ids are far below 2^32 */
    store_batch_delete_range(a->batch, buf_slice(&a->key), buf_slice(&a->value));
}

static void add_block(struct serve *s, const struct bronze_block *b)
{
    struct serve__apply *a = &s->apply;
    bronze_index_add(a->index, b, a->batch);
    size_t at = 0;
    struct bronze_frame f;
    while (bronze_block_frame(b, &at, &f)) {
        if (f.kind == BRONZE_CONTROL) {
            add_control(s, &f);
            continue;
        }
        if (f.row_count == 0 || !find_plan(s, &f))
            continue;
        size_t row_at = 0;
        struct slice row;
        for (bronze_pos pos = f.first_pos; bronze_frame_row(&f, &row_at, &row); pos++)
            put_row(s, &f, pos, row);
    }
    a->batch_pos = MAX(a->batch_pos, b->end_pos - 1);
}

/* ---- the batch into the store ---- */

static void publish(struct serve *s, bronze_pos pos)
{
    atomic_store(&s->applied, pos);
    serve__ring(s);
}

static int write_batch(struct serve *s, struct err *e)
{
    struct serve__apply *a = &s->apply;
    if (a->batch_pos == 0)
        return 0;
    must(a->batch_pos >= atomic_load(&s->applied));
    bronze_reader_release(a->reader);
    uint8_t value[8];
    put_le64(value, a->batch_pos);
    store_batch_put(a->batch, slice_str(SERVE__APPLIED_KEY), slice_of(value, sizeof(value)));
    sys_point(s->o.sys, SYS_POINT_APPLY_BEFORE_WRITE);
    TRY(store_write(s->o.store, a->batch, e));
    sys_point(s->o.sys, SYS_POINT_APPLY_AFTER_WRITE);
    bronze_pos pos = a->batch_pos;
    a->batch_pos = 0;
    store_batch_clear(a->batch);
    publish(s, pos);
    return 0;
}

static void want_flush(struct serve *s)
{
    atomic_store(&s->flush_wanted, true);
    sys_event_signal(&s->flush_event);
}

/* ---- opening, and opening again ---- */

static int read_applied(struct serve *s, bronze_pos *ret_pos, struct err *e)
{
    struct buf value = BUF_NULL;
    int rc = store_get(s->o.store, NULL, slice_str(SERVE__APPLIED_KEY), false, &value, e);
    if (rc == STORE_FOUND && value.len != 8)
        rc = err_set(e, ERR_DAMAGED, "the store's applied position is malformed");
    if (rc >= 0)
        *ret_pos = rc == STORE_FOUND ? get_le64(value.data) : 0;
    buf_deinit(&value);
    return rc < 0 ? rc : 0;
}

static int open_reader(struct serve *s, struct err *e)
{
    struct serve__apply *a = &s->apply;
    bronze_pos applied;
    TRY(read_applied(s, &applied, e));
    bronze_pos durable = bronze_durable_pos(s->o.log);
    if (applied > durable)
        return err_set(
            e, ERR_PRECONDITION,
            "the store shows position %llu, but the log ends at %llu: the store belongs to "
            "another log, or the log was rolled back; move the folder 'store' away",
            (unsigned long long)applied, (unsigned long long)durable);
    int rc = bronze_reader_open(s->o.log, "serve", applied + 1, &a->reader, e);
    if (rc == ERR_NOT_FOUND)
        return err_set(e, ERR_PRECONDITION,
                       "the store is older than the log: it shows position %llu, the log begins at "
                       "%llu; restore a newer copy of the folder 'store'",
                       (unsigned long long)applied,
                       (unsigned long long)bronze_trimmed_pos(s->o.log));
    TRY(rc);
    bronze_index_free(a->index);
    a->index = bronze_index_new();
    a->segment = 0;
    a->batch_pos = 0;
    atomic_store(&s->applied, applied);
    return 0;
}

int serve__apply_open(struct serve *s, struct err *e)
{
    s->apply.batch = store_batch_new(s->o.store);
    s->apply.backoff_ms = BACKOFF_MS_MIN;
    return open_reader(s, e);
}

void serve__apply_close(struct serve *s)
{
    struct serve__apply *a = &s->apply;
    a->reader = bronze_reader_close(a->reader);
    a->index = bronze_index_free(a->index);
    a->batch = store_batch_free(a->batch);
    buf_deinit(&a->key);
    buf_deinit(&a->value);
    mem_free(a->values);
    a->values = NULL;
}

/* One try. The door is shut. */
static int reopen(struct serve *s, struct err *e)
{
    struct serve__apply *a = &s->apply;
    a->reader = bronze_reader_close(a->reader);
    store_batch_clear(a->batch);
    a->batch_pos = 0;
    while (atomic_load(&s->inside) > 0)
        sys_sleep_ms(s->o.sys, 1);
    sys_point(s->o.sys, SYS_POINT_APPLY_BEFORE_REOPEN);
    TRY(store_reopen(s->o.store, e));
    sys_point(s->o.sys, SYS_POINT_APPLY_AFTER_REOPEN);
    TRY(open_reader(s, e));
    atomic_store(&s->flush_failed, false);
    trace_add(&s->reopens, 1);
    return 0;
}

/* After a failed write or flush. Returns when the store works again, or at a stop. */
static void heal(struct serve *s, struct err *e)
{
    atomic_store(&s->shut, true);
    int rc = e->code;
    do {
        if (rc == ERR_DAMAGED || rc == ERR_PRECONDITION)
            must_die("serve: %s", e->text);
        serve__set_fault(s, e->text);
        LOG_WARN("serve", "the store stands still: %s; next try in %u ms", e->text,
                 s->apply.backoff_ms);
        uint32_t waited_ms = 0;
        for (; waited_ms < s->apply.backoff_ms && !atomic_load(&s->stopping); waited_ms += 20)
            sys_sleep_ms(s->o.sys, 20);
        s->apply.backoff_ms = MIN(s->apply.backoff_ms * 2, BACKOFF_MS_MAX);
        rc = reopen(s, e);
    } while (rc < 0 && !atomic_load(&s->stopping));
    if (rc < 0)
        return; /* the next start goes on from what was flushed */
    atomic_store(&s->shut, false);
    LOG_INFO("serve", "the store is open again, from position %llu on",
             (unsigned long long)atomic_load(&s->applied));
    publish(s, atomic_load(&s->applied));
}

/* ---- the loop ---- */

/* 0 with a block in the batch, BRONZE_END with the batch written, or an error of the store. */
static int turn(struct serve *s, struct err *e)
{
    struct serve__apply *a = &s->apply;
    if (atomic_load(&s->flush_failed))
        return err_set(e, ERR_IO, "the store could not be flushed");
    struct bronze_block b;
    int rc = bronze_reader_next(a->reader, &b, e);
    if (rc < 0)
        must_die("serve: %s", e->text);
    if (rc == BRONZE_END) {
        TRY(write_batch(s, e));
        return BRONZE_END;
    }
    bool rolled = a->segment != 0 && b.segment != a->segment;
    a->segment = b.segment;
    if (b.end_pos > b.first_pos)
        add_block(s, &b);
    if (rolled || store_batch_bytes(a->batch) >= SERVE__BATCH_BYTES)
        TRY(write_batch(s, e));
    if (rolled)
        want_flush(s);
    return 0;
}

/*
 * Nothing more is durable. Under load the next block comes at once, and being woken for each would
 * take the processor from those who write it: a short pause lets some gather. A lookup that waits
 * ends the pause. When a pause has brought nothing, the log is idle, and the next block wakes us.
 */
static void rest(struct serve *s, uint64_t wait_us)
{
    uint32_t seen = sys_event_read(&s->apply.hurry);
    if (s->apply.worked && atomic_load(&s->parked_total) == 0)
        sys_event_wait(&s->apply.hurry, seen, MIN(wait_us, PAUSE_US));
    else
        bronze_reader_wait(s->apply.reader, wait_us);
    s->apply.worked = false;
}

bool serve_step(struct serve *s, uint64_t wait_us)
{
    struct err e;
    if (s->apply.reader == NULL)
        return false; /* a reopening was given up */
    int rc = turn(s, &e);
    if (rc < 0) {
        heal(s, &e);
    } else if (s->apply.backoff_ms > BACKOFF_MS_MIN && rc == BRONZE_END) {
        s->apply.backoff_ms = BACKOFF_MS_MIN;
        serve__set_fault(s, "");
    }
    s->apply.worked |= rc == 0;
    if (rc == BRONZE_END && wait_us > 0)
        rest(s, wait_us);
    return rc == 0;
}

static int flush(struct serve *s, struct err *e)
{
    sys_point(s->o.sys, SYS_POINT_APPLY_BEFORE_FLUSH);
    int rc = store_flush(s->o.store, e);
    sys_point(s->o.sys, SYS_POINT_APPLY_AFTER_FLUSH);
    return rc;
}

/* At a stop everything that was appended is applied, as far as it becomes durable soon. */
static void finish(struct serve *s)
{
    bronze_pos end = bronze_appended_pos(s->o.log);
    uint64_t give_up_ns = sys_mono_ns(s->o.sys) + STOP_WAIT_MS_MAX * 1000000ull;
    while (s->apply.reader != NULL && sys_mono_ns(s->o.sys) < give_up_ns) {
        bool more = serve_step(s, 0);
        if (!more && atomic_load(&s->applied) >= end)
            break;
        if (!more && s->apply.reader != NULL)
            bronze_reader_wait(s->apply.reader, 5000);
    }
    struct err e;
    if (s->apply.reader != NULL && flush(s, &e) < 0)
        LOG_WARN("serve", "the store was not flushed at the stop: %s", e.text);
}

void serve__apply_main(void *arg)
{
    struct serve *s = arg;
    while (!atomic_load(&s->stopping))
        (void)serve_step(s, IDLE_WAIT_US);
    finish(s);
}

static void flush_wanted(struct serve *s)
{
    if (!serve__enter(s))
        return; /* the next segment asks again */
    struct err e;
    if (flush(s, &e) < 0)
        atomic_store(&s->flush_failed, true);
    else
        trace_add(&s->flushes, 1);
    serve__leave(s);
}

bool serve_flush_step(struct serve *s)
{
    bool wanted = atomic_exchange(&s->flush_wanted, false);
    if (wanted)
        flush_wanted(s);
    return wanted;
}

void serve__flush_main(void *arg)
{
    struct serve *s = arg;
    while (!atomic_load(&s->stopping)) {
        uint32_t seen = sys_event_read(&s->flush_event);
        if (!atomic_exchange(&s->flush_wanted, false)) {
            if (!atomic_load(&s->stopping))
                sys_event_wait(&s->flush_event, seen, UINT64_MAX);
            continue;
        }
        flush_wanted(s);
    }
}
