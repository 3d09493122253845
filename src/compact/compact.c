/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker: one pass over the log for all tables.
 *
 * A turn reads one block and gives each frame to its table; between blocks it looks at the busy
 * tables: cuts what is due, tries again what has failed, relieves memory, goes back for missed
 * rows, trims the log, and publishes what others may see. Cuts are made only between blocks, so a
 * request is never split over two versions (rule L6).
 *
 * A table that cannot take rows (the lake is away and the memory is used up, or its Delta table is
 * not open) misses them and remembers the first one; the pass goes on for the others. When it can
 * go on, the reader is opened again at the oldest missed row, and every table skips what it has
 * taken already.
 *
 * All of it belongs to the worker; status.c is what others see.
 */
#include "compact/compact.h"

#include "base/bits.h"
#include "base/mem.h"
#include "base/must.h"
#include "bronze/bronze.h"
#include "codec/codec.h"
#include "codec/wire.h"
#include "store/store.h"

#include "compact_priv.h"

#define PAUSE_MS      10
#define READ_AGAIN_MS 100

/* Field numbers of the control record (docs/formats/control.md). */
#define CONTROL_TABLE_CREATED 1
#define CONTROL_TABLE_DROPPED 2
#define CONTROL_TABLE_ALTERED 11
#define CONTROL_TABLE_ID      1
#define DRAIN_PAUSE_MS        10
/* At the end of a life a table that fails so often in a row is left to the next one. */
#define DRAIN_FAILURES_MAX 3
#define DRAIN_RECORDS_MS   2000
#define DRAIN_STORE_MS     2000

struct compact_now compact__now(struct compact *c, bool caught_up)
{
    return (struct compact_now){sys_now_us(c->d.sys), sys_mono_ns(c->d.sys), caught_up};
}

void compact__list_add(struct compact_list *l, struct compact_table *t)
{
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->items = mem_realloc(l->items, l->cap * sizeof(struct compact_table *));
    }
    l->items[l->count++] = t;
}

/* It has work, or memory. */
static bool is_held(const struct compact_table *t)
{
    return compact__table_is_busy(t) || t->open.batch != NULL;
}

void compact__touch(struct compact *c, struct compact_table *t)
{
    if (!t->dirty) {
        t->dirty = true;
        compact__list_add(&c->dirty, t);
    }
    if (!t->busy && is_held(t)) {
        t->busy = true;
        compact__list_add(&c->busy, t);
    }
}

/* ---- tables ---- */

static struct compact_table *add_table(struct compact *c, struct catalog_table *meta)
{
    struct compact_table *t = compact__table_new(meta);
    sys_mutex_lock(&c->lock);
    (void)map_put(&c->tables, slice_of(&t->id, sizeof(t->id)), t); /* was not there */
    sys_mutex_unlock(&c->lock);
    c->opening++;
    compact__touch(c, t);
    return t;
}

struct compact_table *compact__table(struct compact *c, uint32_t id)
{
    struct compact_table *t = map_get(&c->tables, slice_of(&id, sizeof(id)));
    if (t)
        return t;
    struct catalog_table *meta = catalog_table_by_id(c->d.catalog, id);
    return meta ? add_table(c, meta) : NULL;
}

static void add_known(struct compact *c, struct catalog_table **metas, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t id = metas[i]->id;
        if (map_get(&c->tables, slice_of(&id, sizeof(id))))
            catalog_table_unref(metas[i]);
        else
            (void)add_table(c, metas[i]); /* in the map */
    }
    mem_free(metas);
}

/* Dropped ones too: the record of a drop that is over may lie below where the reading begins. */
static void add_tables(struct compact *c)
{
    struct catalog_table **metas = NULL;
    size_t count = catalog_tables(c->d.catalog, &metas);
    add_known(c, metas, count);
    count = catalog_dropped_tables(c->d.catalog, &metas);
    add_known(c, metas, count);
    struct compact_table *t;
    for (size_t i = 0; (t = map_next(&c->tables, &i)) != NULL;)
        if (atomic_load(&t->meta->live->dropped))
            t->drop_pos = MAX(bronze_durable_pos(c->d.log), 1); /* no row of it is above */
}

/* This life ends, and its lake is away: the log keeps its rows. */
bool compact__is_left(const struct compact *c, const struct compact_table *t)
{
    return c->ending && t->failures >= DRAIN_FAILURES_MAX;
}

/* A table's record is durable, and read, a moment before the catalog knows the table. */
static void await_table(struct compact *c, uint32_t id)
{
    c->awaited_first = c->awaited_first == 0 ? id : MIN(c->awaited_first, id);
    c->awaited_last = MAX(c->awaited_last, id);
}

static void find_awaited(struct compact *c)
{
    while (c->awaited_first != 0 && compact__table(c, c->awaited_first) != NULL)
        c->awaited_first = c->awaited_first < c->awaited_last ? c->awaited_first + 1 : 0;
    if (c->awaited_first == 0)
        c->awaited_last = 0;
}

static void open_tables(struct compact *c)
{
    find_awaited(c);
    for (size_t i = 0; c->opening > 0 && i < c->busy.count; i++) {
        struct compact_table *t = c->busy.items[i];
        if (t->state == COMPACT_OPENING && sys_mono_ns(c->d.sys) >= t->retry_ns &&
            !compact__is_left(c, t))
            compact__open(c, t);
    }
}

/* ---- frames ---- */

/* The table id inside the record's message @number; 0 = it is another record. */
static uint32_t control_table(struct slice payload, uint32_t number)
{
    const uint8_t *p = payload.data, *end = p + payload.len;
    struct wire_field what, field;
    if (wire_next(&p, end, &what) <= 0 || what.number != number || what.type != WIRE_LEN)
        return 0;
    p = what.bytes.data;
    end = p + what.bytes.len;
    while (wire_next(&p, end, &field) > 0)
        if (field.number == CONTROL_TABLE_ID && field.type == WIRE_VARINT)
            return (uint32_t)field.value;
    return 0;
}

static void take_alter(struct compact *c, uint32_t id, const struct bronze_frame *f)
{
    struct compact_table *t = compact__table(c, id);
    if (!t || t->state == COMPACT_GONE)
        return;
    compact__table_cut_at(t, f->first_pos);
    c->look = true;
    compact__touch(c, t);
}

static void take_control(struct compact *c, const struct bronze_frame *f)
{
    struct slice payload;
    size_t at = 0;
    if (!bronze_frame_row(f, &at, &payload))
        payload = f->payload;
    uint32_t created = control_table(payload, CONTROL_TABLE_CREATED);
    bool may_alter = control_table(payload, CONTROL_TABLE_ALTERED) != 0;
    uint32_t altered = may_alter ? catalog_altered_table(f) : 0;
    uint32_t dropped = control_table(payload, CONTROL_TABLE_DROPPED);
    bool is_new = f->first_pos > c->life_pos; /* else it may have been dropped and forgotten */
    if (created != 0 && compact__table(c, created) == NULL && is_new)
        await_table(c, created);
    if (altered != 0)
        take_alter(c, altered, f);
    struct compact_table *t = dropped != 0 ? compact__table(c, dropped) : NULL;
    if (t && t->state != COMPACT_GONE && t->drop_pos == 0) { /* snapshots say it again */
        t->drop_pos = f->first_pos;
        compact__touch(c, t);
    }
}

static void take_rows(struct compact *c, const struct bronze_frame *f, uint64_t now_ns)
{
    struct err e;
    struct compact_table *t = compact__table(c, f->table_id);
    if (!t) {
        if (c->totals.rows_unknown == 0)
            LOG_WARN("compact", "rows of table id %u, which the catalog does not know",
                     f->table_id);
        c->totals.rows_unknown += f->row_count;
        return;
    }
    if (t->state == COMPACT_GONE)
        return;
    if (t->state == COMPACT_OPENING && t->failures == 0)
        compact__open(c, t);
    bool is_above_cut = t->alter_pos != 0 && f->first_pos > t->alter_pos;
    if (t->state != COMPACT_READY || t->missed != 0 || is_above_cut) {
        compact__table_miss(t, f);
        compact__touch(c, t);
        return;
    }
    struct codec_plan *plan = catalog_plan(c->d.catalog, f->table_id, f->descriptor_id);
    int r = plan ? compact__table_take(t, plan, f, now_ns, &e)
                 : err_set(&e, ERR_DAMAGED, "row descriptor %u is unknown", f->descriptor_id);
    if (r < 0) {
        compact__table_stop(t, &e);
        compact__table_miss(t, f);
    }
    c->look |= t->open.load.bytes >= c->policy.file_bytes;
    compact__touch(c, t);
}

static void take_block(struct compact *c, const struct bronze_block *b)
{
    struct bronze_frame f;
    uint64_t now_ns = sys_mono_ns(c->d.sys);
    for (size_t at = 0; bronze_block_frame(b, &at, &f);) {
        if (f.kind == BRONZE_CONTROL)
            take_control(c, &f);
        else if (f.row_count > 0)
            take_rows(c, &f, now_ns);
        c->scanned_us = f.time_us;
    }
    if (b->end_pos > b->first_pos)
        c->scanned = b->end_pos - 1;
}

/* ---- between blocks ---- */

/* It has missed rows, and nothing keeps it from taking them now. */
static bool can_go_on(const struct compact *c, const struct compact_table *t, uint64_t now_ns)
{
    return t->missed != 0 && t->state == COMPACT_READY && !t->cut.frozen && now_ns >= t->retry_ns &&
           !compact__is_left(c, t) && !compact__is_spilled(c, t) && !compact__table_is_at_cut(t);
}

static void look_at(struct compact *c, struct compact_table *t, const struct compact_now *now)
{
    if (t->state == COMPACT_OPENING || now->ns < t->retry_ns || compact__is_left(c, t))
        return;
    if (t->state == COMPACT_READY) {
        bool at_cut = t->alter_pos <= c->scanned && compact__table_is_at_cut(t);
        bool due = (t->drop_pos != 0 && t->drop_pos <= c->scanned) || at_cut ||
                   compact__spill_presses(c, t) ||
                   (c->draining && now->caught_up && t->open.load.rows > 0) ||
                   compact__is_due(&c->policy, &t->open.load, now);
        if (t->cut.frozen || (due && t->open.load.rows > 0))
            compact__push(c, t);
        if (at_cut && !t->cut.frozen && t->open.load.rows == 0 && now->ns >= t->retry_ns)
            compact__push_alter(c, t);
        c->rewind |= can_go_on(c, t, now->ns);
    }
    bool idle = !t->cut.frozen && t->open.load.rows == 0 && t->missed == 0 && t->alter_pos == 0;
    if (t->drop_pos != 0 && t->drop_pos <= c->scanned && t->state != COMPACT_GONE &&
        (idle || t->state == COMPACT_STOPPED))
        compact__push_drop(c, t);
}

static uint64_t memory_used(const struct compact *c)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < c->busy.count; i++)
        sum += compact__table_memory(c->busy.items[i]);
    return sum;
}

static struct compact_table *largest(const struct compact *c)
{
    struct compact_table *best = NULL;
    for (size_t i = 0; i < c->busy.count; i++) {
        struct compact_table *t = c->busy.items[i];
        if (compact__table_memory(t) > (best ? compact__table_memory(best) : 0))
            best = t;
    }
    return best;
}

/* Beyond the budget the largest goes first: into the lake, or, when the lake is away, back to the
 * log. */
static void relieve(struct compact *c)
{
    while ((c->totals.memory_bytes = memory_used(c)) > c->policy.memory_bytes) {
        struct compact_table *t = largest(c);
        if (t->state == COMPACT_READY && sys_mono_ns(c->d.sys) >= t->retry_ns &&
            t->open.load.rows > 0 && !t->cut.frozen)
            compact__push(c, t);
        else if (compact__table_forget(t) == 0)
            return;
        compact__touch(c, t);
    }
}

static void look(struct compact *c, bool caught_up)
{
    struct compact_now now = compact__now(c, caught_up);
    size_t kept = 0;
    compact__spill_look(c);
    for (size_t i = 0; i < c->busy.count; i++)
        look_at(c, c->busy.items[i], &now);
    relieve(c);
    compact__spill_slow(c);
    for (size_t i = 0; i < c->busy.count; i++) {
        struct compact_table *t = c->busy.items[i];
        compact__table_cool(t, c->draining ? UINT64_MAX : now.ns);
        t->busy = is_held(t);
        if (t->busy)
            c->busy.items[kept++] = t;
    }
    c->busy.count = kept;
    c->look = false;
    c->look_next_ns = now.ns + COMPACT_LOOK_NS;
}

/* Go back to the oldest missed row of the tables that can take rows again. */
static void rewind_reader(struct compact *c)
{
    struct bronze_reader *reader = NULL, *old;
    struct compact_table *t;
    struct err e;
    bronze_pos from = c->scanned + 1;
    uint64_t now_ns = sys_mono_ns(c->d.sys);
    c->rewind = false;
    for (size_t i = 0; (t = map_next(&c->tables, &i)) != NULL;)
        if (can_go_on(c, t, now_ns))
            from = MIN(from, MAX(t->missed, t->spill.to + 1));
    if (bronze_reader_open(c->d.log, "compact", from, &reader, &e) < 0)
        must_die("compact cannot go back to position %llu, which it holds: %s",
                 (unsigned long long)from, e.text);
    for (size_t i = 0; (t = map_next(&c->tables, &i)) != NULL;) {
        t->taken = compact__table_reach(t, c->scanned);
        if (can_go_on(c, t, now_ns))
            compact__table_missed_none(t);
    }
    sys_mutex_lock(&c->lock);
    old = c->reader;
    c->reader = reader;
    sys_mutex_unlock(&c->lock);
    bronze_reader_close(old);
    c->scanned = from - 1;
    c->totals.rewinds++;
}

static uint64_t next_deadline_us(struct compact *c, uint64_t wait_us)
{
    struct compact_now now = compact__now(c, true);
    if (c->awaited_first != 0)
        wait_us = MIN(wait_us, COMPACT_LOOK_NS / 1000);
    for (size_t i = 0; i < c->busy.count; i++) {
        const struct compact_table *t = c->busy.items[i];
        uint64_t due = t->cut.frozen ? 0 : compact__due_in_us(&c->policy, &t->open.load, &now);
        bool has_cut = t->alter_pos != 0 && t->alter_pos <= c->scanned;
        if (t->state == COMPACT_OPENING || has_cut || t->drop_pos != 0)
            due = 0;
        if (t->state == COMPACT_STOPPED || t->state == COMPACT_GONE)
            continue;
        if (t->retry_ns > now.ns)
            due = MAX(due, (t->retry_ns - now.ns) / 1000 + 1);
        wait_us = MIN(wait_us, due);
    }
    return wait_us;
}

/* The process has no file to spare just now: the log is fine, and is read later. */
static bool may_read_later(struct compact *c, int code, const struct err *e)
{
    if (code != ERR_EXHAUSTED && code != ERR_NO_MEMORY)
        return false;
    if (c->read_next_ns == 0)
        LOG_WARN("compact", "the log cannot be read just now: %s; it is tried again", e->text);
    c->read_next_ns = sys_mono_ns(c->d.sys) + READ_AGAIN_MS * 1000000ull;
    return true;
}

static bool read_block(struct compact *c)
{
    struct bronze_block b;
    struct err e;
    if (sys_mono_ns(c->d.sys) < c->read_next_ns)
        return false;
    int r = bronze_reader_next(c->reader, &b, &e);
    if (r < 0 && may_read_later(c, r, &e))
        return false;
    c->read_next_ns = 0;
    if (r < 0)
        must_die("compact: the log does not read: %s", e.text);
    if (r == BRONZE_END)
        return false;
    take_block(c, &b);
    bronze_reader_release(c->reader); /* commits are slow */
    return true;
}

/*
 * Nothing more is durable. Under load the next block comes at once, and being woken for each would
 * take the processor from those who write it: a short pause lets some gather, as rows have seconds
 * of time here. When a pause has brought nothing, the log is idle, and the next block wakes us.
 */
static void rest(struct compact *c, uint64_t wait_us)
{
    if (c->read_next_ns != 0 || (c->worked && wait_us >= PAUSE_MS * 1000))
        sys_sleep_ms(c->d.sys, PAUSE_MS);
    else
        bronze_reader_wait(c->reader, wait_us);
    c->worked = false;
}

/* Somebody waits for a table to be gone, its name perhaps for another one; and working harder
 * helps: it does not while the lake refuses. */
static bool is_dropping(struct compact *c)
{
    struct compact_table *t;
    for (size_t i = 0; (t = map_next(&c->tables, &i)) != NULL;)
        if (t->state != COMPACT_GONE && t->failures == 0 && atomic_load(&t->meta->live->dropped))
            return true;
    return false;
}

/* Its share of the processors, by how late it is. */
static void share(struct compact *c, bool caught_up)
{
    struct bronze_usage u;
    bronze_usage(c->d.log, &u);
    int64_t late_us = caught_up ? 0 : sys_now_us(c->d.sys) - c->scanned_us;
    struct compact_lag lag = {(uint64_t)MAX(late_us, 0), u.log_bytes, u.log_bytes_max};
    bool pressing = c->draining || is_dropping(c) || compact__is_pressing(&lag, c->pressing);
    if (pressing == c->pressing)
        return;
    c->pressing = pressing;
    sys_thread_share(pressing ? SYS_SHARE_EQUAL : SYS_SHARE_REST);
}

bool compact_step(struct compact *c, uint64_t wait_us)
{
    open_tables(c);
    if (c->rewind)
        rewind_reader(c);
    bool read = read_block(c);
    read |= compact__spill(c);
    read |= compact__unspill(c);
    c->worked |= read;
    uint64_t now_ns = sys_mono_ns(c->d.sys);
    if (!read || c->look || now_ns >= c->look_next_ns)
        look(c, !read);
    if (c->records)
        (void)compact__push_records(c); /* what is left is told later */
    if (c->trim_interval_ns != 0 && now_ns >= c->trim_next_ns) {
        if (c->may_yield)
            share(c, !read);
        compact__trim(c);
        c->trim_next_ns = now_ns + c->trim_interval_ns;
    }
    compact__sweep(c);
    compact__publish(c);
    if (!read && !c->rewind && wait_us > 0) {
        wait_us = MIN(next_deadline_us(c, wait_us), compact__sweep_wait_us(c));
        if (wait_us > 0)
            rest(c, wait_us);
    }
    return read;
}

/* ---- the end ---- */

/* Each table has one more try at once, whatever its pause was. */
static void begin_end(struct compact *c)
{
    c->draining = c->ending = true;
    for (size_t i = 0; i < c->busy.count; i++) {
        struct compact_table *t = c->busy.items[i];
        t->retry_ns = 0;
        t->failures = MIN(t->failures, DRAIN_FAILURES_MAX - 1);
    }
}

/* Is there something that a try in a moment may bring into the lake? */
static bool has_hope(const struct compact *c)
{
    for (size_t i = 0; i < c->busy.count; i++) {
        const struct compact_table *t = c->busy.items[i];
        if ((t->state == COMPACT_OPENING || t->state == COMPACT_READY) &&
            compact__table_is_busy(t) && !compact__is_left(c, t))
            return true;
    }
    return c->read_next_ns != 0;
}

/* Returns whether there is one. */
static bool warn_of_rest(const struct compact *c)
{
    bool has_rest = false;
    for (size_t i = 0; i < c->busy.count; i++) {
        const struct compact_table *t = c->busy.items[i];
        if (t->state == COMPACT_GONE || !compact__table_is_busy(t))
            continue;
        has_rest = true;
        LOG_WARN("compact",
                 "%s has rows that are not in Delta yet; they are in the log, and the next "
                 "start goes on: %s",
                 t->meta->name, t->fault[0] != '\0' ? t->fault : "the time was over");
    }
    return has_rest;
}

bool compact_drain(struct compact *c)
{
    uint64_t end_ns = atomic_load(&c->drain_end_ns);
    bool is_over = false, is_noted;
    begin_end(c);
    while (sys_mono_ns(c->d.sys) < end_ns) {
        if (compact_step(c, 0) || c->rewind)
            continue;
        is_over = !has_hope(c);
        if (is_over)
            break;
        sys_sleep_ms(c->d.sys, DRAIN_PAUSE_MS);
    }
    uint64_t records_ns = sys_mono_ns(c->d.sys) + DRAIN_RECORDS_MS * 1000000ull;
    while (!compact__push_records(c) && sys_mono_ns(c->d.sys) < MIN(end_ns, records_ns))
        sys_sleep_ms(c->d.sys, DRAIN_PAUSE_MS);
    /* A store that has failed is being opened again by the apply thread. */
    uint64_t store_ns = sys_mono_ns(c->d.sys) + DRAIN_STORE_MS * 1000000ull;
    while (!(is_noted = compact__watermarks_put(c)) &&
           sys_mono_ns(c->d.sys) < MIN(end_ns, store_ns))
        sys_sleep_ms(c->d.sys, DRAIN_PAUSE_MS);
    bool has_rest = warn_of_rest(c);
    compact__publish(c);
    return is_over && is_noted && !has_rest;
}

/* ---- life ---- */

static void set_options(struct compact *c, const struct compact_options *o)
{
    static const struct compact_options defaults = {.trim_interval_ms = 200};
    if (!o)
        o = &defaults;
    c->policy = (struct compact_policy){
        .file_bytes = o->file_bytes ? o->file_bytes : 64u << 20,
        .memory_bytes = o->memory_bytes ? o->memory_bytes : 256u << 20,
        .freshness_us = (o->freshness_ms ? o->freshness_ms : 2000) * 1000ull,
    };
    c->trim_interval_ns = o->trim_interval_ms * 1000000ull;
    c->log_keep_bytes = o->log_keep_bytes;
    compact__spill_init(c, o->table_log_bytes, o->spill_bytes);
}

/* Everything below was committed for all tables, or is not in the log any more. */
static bronze_pos start_position(struct compact *c)
{
    bronze_pos from = MAX(compact__watermark_get(c, NULL), bronze_trimmed_pos(c->d.log));
    return MAX(MIN(from, bronze_durable_pos(c->d.log) + 1), 1);
}

int compact_new(const struct compact_deps *d, const struct compact_options *o,
                struct compact **ret_compact, struct err *e)
{
    struct compact *c = mem_zalloc(sizeof(*c));
    c->d = *d;
    set_options(c, o);
    c->tables = MAP_NULL;
    c->records_end = &c->records;
    c->lock = SYS_MUTEX_INIT;
    c->changed = SYS_EVENT_INIT;
    c->freshness = mem_zalloc(sizeof(*c->freshness));
    atomic_store(&c->drain_end_ns, UINT64_MAX);
    compact__sweep_init(c, o ? o->orphan_grace_ms : 0);
    c->batch = store_batch_new(d->store);
    bronze_pos from = start_position(c);
    c->scanned = from - 1;
    c->life_pos = bronze_durable_pos(d->log);
    add_tables(c);
    int r = compact__spill_load(c, e);
    compact__publish(c);
    if (r == 0)
        r = bronze_reader_open(d->log, "compact", from, &c->reader, e);
    if (r < 0) {
        compact_free(c);
        return r;
    }
    *ret_compact = c;
    return 0;
}

static void work(void *arg)
{
    struct compact *c = arg;
    /* Acks first. Who could not come back from the rest is not sent there. */
    sys_thread_share(c->may_yield ? SYS_SHARE_REST : SYS_SHARE_SLIVER);
    while (!atomic_load(&c->stopping))
        (void)compact_step(c, 100000); /* turn again, whatever it read */
    c->is_drained = compact_drain(c);
}

int compact_start(struct compact *c, struct err *e)
{
    c->may_yield = sys_thread_may_return(c->d.sys);
    if (!c->may_yield)
        LOG_INFO("compact",
                 "a compactor that is late cannot take a larger share of the processors: "
                 "that needs the nice limit (LimitNICE=+0 in a systemd unit)");
    int r = sys_thread_start(c->d.sys, "compact", work, c, &c->thread);
    return r < 0 ? err_set(e, r, "the compact worker cannot be started") : 0;
}

bool compact_stop(struct compact *c, uint32_t limit_ms)
{
    if (!c->thread)
        return c->is_drained;
    atomic_store(&c->drain_end_ns, sys_mono_ns(c->d.sys) + limit_ms * 1000000ull);
    atomic_store(&c->stopping, true);
    sys_mutex_lock(&c->lock);
    bronze_reader_wake(c->reader);
    sys_mutex_unlock(&c->lock);
    sys_thread_join(TAKE(c->thread));
    return c->is_drained;
}

struct compact *compact_free(struct compact *c)
{
    if (!c)
        return NULL;
    must(!c->thread);
    compact__spill_deinit(c);
    struct compact_table *t;
    for (size_t i = 0; (t = map_next(&c->tables, &i)) != NULL;)
        compact__table_free(t);
    map_deinit(&c->tables);
    while (c->records) {
        struct compact_record *r = c->records;
        c->records = r->next;
        mem_free(r);
    }
    compact__sweep_deinit(c);
    bronze_reader_close(c->reader);
    store_batch_free(c->batch);
    mem_free(c->busy.items);
    mem_free(c->dirty.items);
    mem_free(c->freshness);
    mem_free(c);
    return NULL;
}
