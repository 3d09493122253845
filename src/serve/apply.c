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
 * meanwhile. A store that is damaged, or that turns out to be another log's, halts: nothing more is
 * applied, the fault says what to do, and rows go on being taken and committed to the lake; what is
 * read from it is checked by RocksDB, so that nothing wrong is served (I7). Damage of the log ends
 * the process. The flush thread makes durable what was written, at every new segment of the log,
 * but not more often than FLUSH_PAUSE_NS; who needs it at once (a trim of a log that fills up, a
 * stop) flushes by itself.
 */
#include "serve_priv.h"

#include "base/bits.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/must.h"
#include "bronze/index.h"
#include "codec/codec.h"
#include "store/keys.h"

#include <stdio.h>

#define BACKOFF_MS_MIN   100
#define BACKOFF_MS_MAX   5000
#define PAUSE_US         4000
#define READ_AGAIN_MS    100
#define IDLE_WAIT_US     (100 * 1000)
#define STOP_WAIT_MS_MAX 2000
/* Each flush is a file, and a few files are a compaction that writes far more than they hold. */
#define FLUSH_PAUSE_NS 2000000000ull

/* ---- one block into the batch ---- */

/* r · table · key · ~pos; false when the key is too long. */
static bool row_key(const struct row_schema *schema, uint32_t table_id, bronze_pos pos,
                    const struct row_value *values, struct buf *key)
{
    serve__row_prefix(key, table_id);
    if (row_key_encode(schema, values, key, NULL) < 0)
        return false;
    put_be64(buf_reserve(key, 8), ~pos);
    key->len += 8;
    return true;
}

static void begin_value(struct buf *value, uint32_t descriptor_id)
{
    buf_reset(value);
    put_le32(buf_reserve(value, 4), descriptor_id);
    value->len = 4;
}

bool serve_put_row(const struct serve_row *r, struct buf scratch[2], struct store_batch *batch)
{
    if (!row_key(r->schema, r->table_id, r->pos, r->values, &scratch[0]))
        return false;
    begin_value(&scratch[1], r->own_id);
    codec_values_to_row(r->schema, r->values, &scratch[1]);
    store_batch_put(batch, buf_slice(&scratch[0]), buf_slice(&scratch[1]));
    return true;
}

static void put_row(struct serve *s, const struct bronze_frame *f, bronze_pos pos, struct slice row)
{
    struct serve__apply *a = &s->apply;
    const struct row_schema *schema = codec_plan_schema(a->plan);
    arena_reset(&a->arena);
    if (codec_decode(a->plan, row, &a->arena, a->values) < 0)
        must_die(
            "serve: the row at position %llu (table id %u, descriptor id %u) was accepted once and "
            "cannot be decoded now",
            (unsigned long long)pos, f->table_id, f->descriptor_id);
    if (!row_key(schema, f->table_id, pos, a->values, &a->key)) {
        trace_add(&s->rows_unkeyed, 1);
        return;
    }
    if (s->cache != NULL) {
        uint64_t hash = map_hash(slice_of(a->key.data, a->key.len - 8)); /* without the position */
        buf_add(&a->changed, &hash, sizeof(hash));
    }
    begin_value(&a->value, f->descriptor_id);
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

/* The rows of the batch are newer than what lookups may have kept (K1). */
static void drop_changed(struct serve *s)
{
    struct buf *changed = &s->apply.changed;
    for (size_t at = 0; at < changed->len; at += sizeof(uint64_t)) {
        uint64_t hash;
        memcpy(&hash, changed->data + at, sizeof(hash));
        serve__cache_drop(s->cache, hash);
    }
    buf_reset(changed);
}

static void publish(struct serve *s, bronze_pos pos)
{
    atomic_store(&s->applied, pos);
    serve__ring(s);
}

/* Which log the store is derived from. */
static void log_name(const struct bronze *log, uint8_t ret_name[24])
{
    struct uuid u = bronze_uuid(log);
    memcpy(ret_name, u.bytes, sizeof(u.bytes));
    put_le64(ret_name + 16, bronze_timeline(log));
}

void serve_put_position(const struct bronze *log, bronze_pos applied, struct store_batch *batch)
{
    uint8_t name[24], value[8];
    log_name(log, name);
    put_le64(value, applied);
    store_batch_put(batch, slice_str(SERVE__LOG_KEY), slice_of(name, sizeof(name)));
    store_batch_put(batch, slice_str(SERVE__APPLIED_KEY), slice_of(value, sizeof(value)));
}

/* Against P1, on order only. */
static int write_position_alone(struct serve *s, struct err *e)
{
    struct store_batch *b = store_batch_new(s->o.store);
    serve_put_position(s->o.log, s->apply.batch_pos, b);
    int rc = store_write(s->o.store, b, e);
    (void)store_batch_free(b);
    return rc;
}

static int write_batch(struct serve *s, struct err *e)
{
    struct serve__apply *a = &s->apply;
    if (a->batch_pos == 0)
        return 0;
    must(a->batch_pos >= atomic_load(&s->applied));
    bronze_reader_release(a->reader);
    if (sys_bug(s->o.sys, SYS_BUG_APPLIED_APART))
        TRY(write_position_alone(s, e));
    serve_put_position(s->o.log, a->batch_pos, a->batch);
    sys_point(s->o.sys, SYS_POINT_APPLY_BEFORE_WRITE);
    TRY(store_write(s->o.store, a->batch, e));
    drop_changed(s);
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

/* Rule S3: is the store this log's? One of an older build does not say, and is taken at its word
 * about positions. */
static int check_log(struct serve *s, struct err *e)
{
    _cleanup_(buf_deinit) struct buf value = BUF_NULL;
    uint8_t name[24];
    log_name(s->o.log, name);
    int rc = store_get(s->o.store, NULL, slice_str(SERVE__LOG_KEY), false, &value, e);
    TRY(rc);
    if (rc == STORE_FOUND && !slice_eq(buf_slice(&value), slice_of(name, sizeof(name))))
        return err_set(e, ERR_PRECONDITION,
                       "the store belongs to another log (its uuid or timeline is not this one's)");
    return 0;
}

static int check_position(struct serve *s, bronze_pos applied, struct err *e)
{
    bronze_pos durable = bronze_durable_pos(s->o.log), first = bronze_trimmed_pos(s->o.log);
    if (applied > durable)
        return err_set(e, ERR_PRECONDITION,
                       "the store shows position %llu, but the log ends at %llu: the store belongs "
                       "to another log, or the log was rolled back",
                       (unsigned long long)applied, (unsigned long long)durable);
    if (applied + 1 < first)
        return err_set(e, ERR_PRECONDITION,
                       "the store is older than the log: it shows position %llu, the log begins at "
                       "%llu",
                       (unsigned long long)applied, (unsigned long long)first);
    return bronze_index_check(s->o.log, s->o.store, applied, e);
}

static int open_reader(struct serve *s, struct err *e)
{
    struct serve__apply *a = &s->apply;
    bronze_pos applied;
    TRY(check_log(s, e));
    TRY(read_applied(s, &applied, e));
    TRY(check_position(s, applied, e));
    TRY(bronze_reader_open(s->o.log, "serve", applied + 1, &a->reader, e));
    bronze_index_free(a->index);
    a->index = bronze_index_new();
    a->segment = 0;
    a->batch_pos = 0;
    atomic_store(&s->applied, applied);
    return 0;
}

static bool is_final(int code)
{
    return code == ERR_DAMAGED || code == ERR_PRECONDITION;
}

int serve__apply_open(struct serve *s, struct err *e)
{
    s->apply.batch = store_batch_new(s->o.store);
    s->apply.backoff_ms = BACKOFF_MS_MIN;
    int rc = open_reader(s, e);
    if (is_final(rc))
        (void)err_wrap(e, SERVE__ADVICE ". The reason");
    return rc;
}

void serve__damage_found(struct serve *s, const char *what)
{
    if (atomic_exchange(&s->damage_told, true))
        return;
    char text[ERR_TEXT_MAX];
    (void)snprintf(text, sizeof(text), "%.600s. " SERVE__ADVICE, what); /* cut on purpose */
    serve__set_fault(s, text);
    LOG_ERROR("serve", "%s", text);
}

/* Nothing more is applied: trying again would only find the same. */
static void halt(struct serve *s, const struct err *e)
{
    s->apply.halted = true;
    s->apply.reader = bronze_reader_close(s->apply.reader);
    serve__damage_found(s, e->text);
}

void serve__apply_close(struct serve *s)
{
    struct serve__apply *a = &s->apply;
    a->reader = bronze_reader_close(a->reader);
    a->index = bronze_index_free(a->index);
    a->batch = store_batch_free(a->batch);
    buf_deinit(&a->key);
    buf_deinit(&a->value);
    buf_deinit(&a->changed);
    mem_free(a->values);
    arena_deinit(&a->arena);
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
    buf_reset(&a->changed);
    if (s->cache != NULL)
        serve__cache_clear(s->cache);
    sys_point(s->o.sys, SYS_POINT_APPLY_BEFORE_REOPEN);
    TRY(store_reopen(s->o.store, e));
    sys_point(s->o.sys, SYS_POINT_APPLY_AFTER_REOPEN);
    atomic_store(&s->applied, 0); /* what it shows is older, and not known yet */
    TRY(open_reader(s, e));
    atomic_store(&s->flush_failed, 0);
    trace_add(&s->reopens, 1);
    return 0;
}

/* After a failed write or flush. Returns when the store works again, or at a stop. */
static void heal(struct serve *s, struct err *e)
{
    atomic_store(&s->shut, true);
    int rc = e->code;
    do {
        if (is_final(rc))
            break;
        serve__set_fault(s, e->text);
        LOG_WARN("serve", "the store stands still: %s; next try in %u ms", e->text,
                 s->apply.backoff_ms);
        uint32_t waited_ms = 0;
        for (; waited_ms < s->apply.backoff_ms && !atomic_load(&s->stopping); waited_ms += 20)
            sys_sleep_ms(s->o.sys, 20);
        s->apply.backoff_ms = MIN(s->apply.backoff_ms * 2, BACKOFF_MS_MAX);
        rc = reopen(s, e);
    } while (rc < 0 && !atomic_load(&s->stopping));
    if (is_final(rc))
        halt(s, e);
    if (rc < 0 && !is_final(rc))
        return; /* the next start goes on from what was flushed */
    atomic_store(&s->shut, false);
    if (rc < 0) {
        serve__ring(s); /* who waited for the door reads, or waits on until his deadline */
        return;
    }
    LOG_INFO("serve", "the store is open again, from position %llu on",
             (unsigned long long)atomic_load(&s->applied));
    publish(s, atomic_load(&s->applied));
}

/* ---- the loop ---- */

/* 0 with a block in the batch, BRONZE_END with the batch written, or an error of the store. */
static int turn(struct serve *s, struct err *e)
{
    struct serve__apply *a = &s->apply;
    int failed = atomic_load(&s->flush_failed);
    failed = failed < 0 ? failed : store_failure(s->o.store); /* the compactor flushes too */
    if (failed < 0)
        return err_set(e, failed, "the store could not be flushed: %s", err_text(failed));
    struct bronze_block b;
    int rc = bronze_reader_next(a->reader, &b, e);
    if (rc == ERR_EXHAUSTED && s->o.server != NULL) { /* no file to spare: the log is fine */
        LOG_WARN("serve", "the log cannot be read just now: %s; it is tried again", e->text);
        sys_sleep_ms(s->o.sys, READ_AGAIN_MS);
        rc = BRONZE_END;
    }
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
    if (s->apply.reader == NULL) { /* halted, or a reopening was given up at a stop */
        if (wait_us > 0)
            sys_sleep_ms(s->o.sys, (uint32_t)(wait_us / 1000));
        return false;
    }
    int rc = turn(s, &e);
    if (rc < 0) {
        heal(s, &e);
    } else if (s->apply.backoff_ms > BACKOFF_MS_MIN && rc == BRONZE_END) {
        s->apply.backoff_ms = BACKOFF_MS_MIN;
        if (!atomic_load(&s->damage_told)) /* damage does not heal */
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

int serve_catch_up(const struct serve_options *o, serve_progress_fn *progress, void *ctx,
                   struct err *e)
{
    must(o->server == NULL);
    struct serve s = {.o = *o, .fault_lock = SYS_MUTEX_INIT};
    int rc = serve__apply_open(&s, e);
    for (bool more = true; rc == 0 && more;) {
        rc = turn(&s, e);
        more = rc == 0;
        if (progress != NULL)
            progress(ctx, atomic_load(&s.applied));
    }
    if (rc == BRONZE_END)
        rc = flush(&s, e);
    serve__apply_close(&s);
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
    if (s->apply.reader != NULL && flush(s, &e) < 0) {
        serve__set_fault(s, e.text);
        LOG_WARN("serve", "the store was not flushed at the stop: %s", e.text);
    }
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
    int rc = flush(s, &e);
    if (rc < 0)
        atomic_store(&s->flush_failed, rc);
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
    uint64_t next_ns = 0;
    while (!atomic_load(&s->stopping)) {
        uint32_t seen = sys_event_read(&s->flush_event);
        uint64_t now_ns = sys_mono_ns(s->o.sys);
        bool wanted = atomic_load(&s->flush_wanted);
        if (!wanted || now_ns < next_ns) {
            if (!atomic_load(&s->stopping))
                sys_event_wait(&s->flush_event, seen,
                               wanted ? (next_ns - now_ns) / 1000 + 1 : UINT64_MAX);
            continue;
        }
        next_ns = now_ns + FLUSH_PAUSE_NS;
        (void)serve_flush_step(s); /* whether another has come first */
    }
}
