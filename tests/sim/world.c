/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The world: one run of one seed. A life is: start (the real recovery), checks, turns, death or a
 * clean stop. In each turn one actor does one step: a client, a queue's thread, the log's, the
 * segment's, the apply's, the flush's, the compactor's. Time moves a little with each turn, and
 * sometimes a lot.
 *
 * Whoever sleeps in a step (a slow disk, the admin who waits for streams to end) lets the others
 * work meanwhile, one level deeper on the same stack; an actor that stands on the stack makes no
 * turn.
 *
 * Death comes by longjmp from wherever it happens. What the dead life held is abandoned: nobody
 * tidies up after kill -9. So each seed runs in a process of its own (main.c).
 */
#include "sim.h"

#include "base/mem.h"
#include "base/must.h"
#include "compact/compact.h"
#include "ingest/ingest.h"
#include "objstore/objstore.h"
#include "serve/serve.h"
#include "store/model.h"
#include "store/store.h"
#include "sys/sim.h"
#include "trace/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TICK_NS      UINT64_C(20000000)
#define SECOND_NS    UINT64_C(1000000000)
#define BOUNDS_TURNS 64
#define DDL          "k STRING NOT NULL, u BIGINT NOT NULL, n BIGINT, pad STRING"
#define BIT(a)       SIM_BIT(a)

uint64_t sim_now(struct world *w)
{
    return sys_mono_ns(w->sys);
}

/* ---- turns ---- */

static void queue_turn(struct world *w)
{
    unsigned lane = (unsigned)sim_below(w, SIM_LANES);
    (void)sim_wire_turn(w, lane);
    if (sim_now(w) - w->tick_ns[lane] >= TICK_NS) {
        w->tick_ns[lane] = sim_now(w);
        sim_wire_tick(w, lane);
    }
}

static void compact_turn(struct world *w)
{
    if ((w->active & BIT(ACTOR_LOG)) == 0)
        sim_tap_follow(w); /* a drop may be over in this turn, and then nobody can read its rows */
    (void)compact_step(w->compact, 0);
    sim_check_trim(w);
}

static void act(struct world *w, enum actor a)
{
    switch (a) {
    case ACTOR_CLIENT: sim_client_turn(w, &w->clients[sim_below(w, w->client_count)]); return;
    case ACTOR_QUEUE: queue_turn(w); return;
    case ACTOR_LOG:
        bronze_step(w->log, 0);
        sim_tap_follow(w);
        return;
    case ACTOR_SEGMENT: bronze_segment_step(w->log); return;
    case ACTOR_APPLY: (void)serve_step(w->serve, 0); return;
    case ACTOR_FLUSH: (void)serve_flush_step(w->serve); return;
    case ACTOR_COMPACT: compact_turn(w); return;
    case ACTOR_LOOKUP:
        if (!w->ending && !w->draining)
            sim_lookup_turn(w);
        return;
    case ACTOR_ADMIN:
        if (!w->ending && !w->draining)
            sim_admin_turn(w);
        return;
    case ACTOR_COUNT: return;
    }
}

/* The catalog has one gate: who would wait for it at the door makes no turn. */
static uint32_t excluded(const struct world *w)
{
    uint32_t both = BIT(ACTOR_ADMIN) | BIT(ACTOR_COMPACT);
    return (w->active & both) != 0 ? w->active | both : w->active;
}

static enum actor pick(struct world *w, uint32_t without)
{
    uint64_t sum = 0;
    for (unsigned a = 0; a < ACTOR_COUNT; a++)
        sum += (without & BIT(a)) != 0 ? 0 : w->weights[a];
    uint64_t at = sim_below(w, sum);
    for (unsigned a = 0; a < ACTOR_COUNT; a++) {
        uint64_t weight = (without & BIT(a)) != 0 ? 0 : w->weights[a];
        if (at < weight)
            return (enum actor)a;
        at -= weight;
    }
    return ACTOR_QUEUE;
}

static void pass_time(struct world *w, uint64_t least_ns)
{
    uint64_t ns = sim_below(w, w->step_ns) + least_ns;
    if (sim_one_in(w, 100))
        ns += sim_below(w, 10000000);
    if (sim_one_in(w, 4000)) {
        ns += sim_below(w, 2 * SECOND_NS);
        w->r.faults[FAULT_TIME_JUMP]++;
    }
    sys_sim_advance(w->sys, ns);
}

static void turn(struct world *w, uint64_t least_ns)
{
    enum actor a = pick(w, excluded(w));
    pass_time(w, least_ns);
    sim_trace_mix(w, sim_now(w) * ACTOR_COUNT + a);
    w->active |= BIT(a);
    act(w, a);
    w->active &= ~BIT(a);
    if (++w->r.turns % BOUNDS_TURNS == 0)
        sim_check_bounds(w);
    sim_faults_turn(w, a);
}

static void on_sleep(void *ctx, uint64_t ns)
{
    struct world *w = ctx;
    uint64_t until = sim_now(w) + ns;
    if (!w->running) {
        sys_sim_advance(w->sys, ns);
        return;
    }
    while (sim_now(w) < until)
        turn(w, (until - sim_now(w)) / 64);
}

/* ---- a life ---- */

static void failed_start(struct world *w, const char *what, int rc, const struct err *e)
{
    sim_trace(w, "no start: %s: %d %s", what, rc, e->text);
    bool excused = sys_sim_hits(w->sys, SYS_SIM_WRITE_ERROR) +
                       sys_sim_hits(w->sys, SYS_SIM_SHORT_WRITE) +
                       sys_sim_hits(w->sys, SYS_SIM_SYNC_ERROR) >
                   w->failures_before;
    if (excused && rc == ERR_IO) {
        w->r.faults[FAULT_NO_START]++;
        sim_die(w, DEATH_FAILSTOP);
    }
    const char *promise = rc == ERR_PRECONDITION ? "I4" : "I1";
    sim_violation(w, promise, "the server does not start (%s): %s", what, e->text);
}

static void boot(struct world *w)
{
    struct err e = {0};
    w->life++;
    w->active = 0;
    sim_trace(w, "life %u", w->life);
    w->catalog = catalog_new(w->sys);
    int rc = bronze_open(w->sys, &w->log_options, catalog_on_control, w->catalog, &w->log, &e);
    if (rc < 0)
        failed_start(w, "log", rc, &e);
    catalog_attach(w->catalog, w->log);
    rc = objstore_open_folder(w->sys, SIM_LAKE, &w->lake, &e);
    if (rc < 0)
        failed_start(w, "lake", rc, &e);
    w->lake = objstore_open_fake(w->lake);
    w->wire = sim_wire_new(w);
    struct ingest_options in = {w->sys, w->log, w->catalog, w->wire};
    w->ingest = ingest_new(&in);
    struct serve_options sv = {
        .sys = w->sys, .log = w->log, .catalog = w->catalog, .store = w->store, .server = w->wire};
    rc = serve_new(&sv, &w->serve, &e);
    if (rc < 0)
        failed_start(w, "serve", rc, &e);
    struct compact_deps cd = {w->sys, w->log, w->catalog, w->store, w->lake};
    struct compact_options co = {
        .file_bytes = w->file_bytes,
        .memory_bytes = w->compact_bytes,
        .freshness_ms = w->freshness_ms,
        .trim_interval_ms = w->trim_ms,
        .table_log_bytes = w->table_log_bytes,
        .spill_bytes = w->spill_bytes,
    };
    rc = compact_new(&cd, &co, &w->compact, &e);
    if (rc < 0)
        failed_start(w, "compact", rc, &e);
}

/* The new life against the model. */
static void check_life(struct world *w)
{
    bronze_pos end = bronze_durable_pos(w->log) + 1;
    sim_trace(w, "the log is %" PRIu64 " to %" PRIu64 ", epoch %" PRIu64,
              bronze_trimmed_pos(w->log), end - 1, bronze_epoch(w->log));
    if (bronze_epoch(w->log) <= w->epoch)
        sim_violation(w, "I1", "epoch %" PRIu64 " follows epoch %" PRIu64, bronze_epoch(w->log),
                      w->epoch);
    w->epoch = bronze_epoch(w->log);
    sim_tap_open(w);
    sim_tap_follow(w);
    sim_check_acked(w, end);
    sim_check_durable(w, end);
    sim_check_catalog(w);
    sim_check_store(w);
    sim_check_trimmed(w);
    if (w->how != DEATH_KILL && w->how != DEATH_FAILSTOP) {
        sim_check_lake(w);
        sim_check_watermarks(w, w->how == DEATH_NONE && w->marks_exact);
    }
}

static void bury(struct world *w)
{
    sim_clients_die(w);
    w->log = NULL;
    w->catalog = NULL;
    w->lake = NULL;
    w->wire = NULL;
    w->ingest = NULL;
    w->serve = NULL;
    w->compact = NULL;
    w->tap = NULL;
    w->running = false;
    w->draining = false;
}

static bool calls_are_open(const struct world *w)
{
    for (uint32_t i = 0; i < w->client_count; i++)
        if (w->clients[i].call != NULL)
            return true;
    for (size_t i = 0; i < ARRAY_LEN(w->lookups); i++)
        if (w->lookups[i].call != NULL)
            return true;
    return false;
}

_Noreturn static void tell_stuck(struct world *w, const char *what, uint64_t seconds)
{
    struct bronze_usage u;
    struct compact_totals t;
    bronze_usage(w->log, &u);
    compact_totals(w->compact, &t);
    sim_violation(w, "I6",
                  "%s is not over after %" PRIu64 " s: durable %" PRIu64 " of %" PRIu64 ", %" PRIu64
                  " of %" PRIu64 " log bytes%s%s, applied %" PRIu64 ", scanned %" PRIu64
                  ", floor %" PRIu64 ", snapshot %" PRIu64 ", trim from %" PRIu64,
                  what, seconds, bronze_durable_pos(w->log), bronze_appended_pos(w->log),
                  u.log_bytes, u.log_bytes_max, u.stalled ? ", stalled" : "",
                  u.no_space ? ", no space" : "", serve_applied_pos(w->serve), t.scanned_pos,
                  t.floor_pos, catalog_snapshot_pos(w->catalog), u.next_trim_pos);
}

static void turns_until_quiet(struct world *w, uint64_t ns_max, const char *what)
{
    uint64_t until = sim_now(w) + ns_max;
    while (calls_are_open(w) || sim_wire_is_busy(w) ||
           bronze_durable_pos(w->log) < bronze_appended_pos(w->log)) {
        if (sim_now(w) >= until)
            tell_stuck(w, what, ns_max / SECOND_NS);
        turn(w, 0);
    }
}

/* The good end, as the program does it: streams, compactor, store, log. */
static void stop_life(struct world *w)
{
    struct err e = {0};
    w->draining = true;
    sim_faults_end(w);
    ingest_drain(w->ingest, 200);
    turns_until_quiet(w, 100 * SECOND_NS, "a clean stop");
    w->active |= BIT(ACTOR_COMPACT) | BIT(ACTOR_ADMIN);
    compact_drain(w->compact);
    sim_check_trim(w);
    w->running = false;
    bronze_stop(w->log);
    sim_tap_follow(w);
    /* After a store that failed and was opened again, watermarks may be older than txn. */
    w->how = DEATH_NONE;
    w->marks_exact = !w->store_failed;
    while (serve_step(w->serve, 0) || serve_applied_pos(w->serve) < bronze_durable_pos(w->log))
        ;
    if (store_flush(w->store, &e) < 0) { /* it had failed, and nobody came by to open it again */
        w->marks_exact = false;
        must(store_reopen(w->store, &e) == 0);
    }
    w->tap = bronze_reader_close(w->tap);
    w->compact = compact_free(w->compact);
    w->serve = serve_free(w->serve);
    w->ingest = ingest_free(w->ingest);
    sim_count_lake(w);
    w->lake = objstore_close(w->lake);
    w->catalog = catalog_free(w->catalog);
    w->log = bronze_close(w->log);
    w->draining = false;
    w->r.faults[FAULT_CLEAN_STOP]++;
    sim_trace(w, "stopped in good order");
    sim_backup(w);
}

/* ---- a run ---- */

static void draw_options(struct world *w)
{
    uint32_t block = (uint32_t)sim_between(w, 4, 16) * 8192;
    w->log_options = (struct bronze_options){
        .path = SIM_PATH,
        .segment_bytes = sim_between(w, 2, 4) * block,
        .memory_bytes = sim_between(w, 8, 24) * block,
        .block_bytes_max = block,
    };
    w->log_options.log_bytes_max = sim_between(w, 5, 14) * w->log_options.segment_bytes;
    w->freshness_ms = (uint32_t)sim_between(w, 2, sim_one_in(w, 4) ? 400 : 40);
    w->trim_ms = (uint32_t)sim_between(w, 1, 30);
    w->file_bytes = sim_between(w, 4096, 200000);
    w->compact_bytes = sim_between(w, 100000, 4000000);
    w->table_log_bytes = sim_between(w, 1, w->log_options.log_bytes_max / 3);
    w->spill_bytes = sim_one_in(w, 8) ? 0 : sim_between(w, 20000, 2000000);
    w->events_wanted = sim_between(w, 1000, 1800);
    w->crashes_wanted = (unsigned)sim_between(w, 3, 5);
    w->step_ns = (uint32_t)sim_between(w, 5000, 150000);
    w->many_commits = sim_one_in(w, 8);
    const uint32_t usual[ACTOR_COUNT] = {
        [ACTOR_CLIENT] = 300, [ACTOR_QUEUE] = 400, [ACTOR_LOG] = 250,
        [ACTOR_SEGMENT] = 30, [ACTOR_APPLY] = 80,  [ACTOR_FLUSH] = 10,
        [ACTOR_COMPACT] = 60, [ACTOR_LOOKUP] = 60, [ACTOR_ADMIN] = 1,
    };
    for (unsigned a = 0; a < ACTOR_COUNT; a++)
        w->weights[a] = usual[a] * (uint32_t)sim_between(w, 3, 20) / 10 + 1;
    w->busy_log = sim_one_in(w, 3);
    if (w->busy_log)
        w->weights[ACTOR_LOG] = w->weights[ACTOR_LOG] / 10 + 1;
    if (w->many_commits) {
        w->freshness_ms = 1;
        w->file_bytes = 1000;
        w->weights[ACTOR_COMPACT] = 400;
        w->events_wanted += 800;
    }
}

static void live(struct world *w)
{
    struct err e = {0};
    if (w->life == 0 && bronze_init(w->sys, SIM_PATH, &e) < 0)
        must_die("sim: %s", e.text);
    if (w->life > 0)
        sim_flip(w);
    sim_faults_boot(w);
    boot(w);
    sim_faults_pause(w, true);
    check_life(w);
    sim_faults_pause(w, false);
    w->running = true;
    sim_faults_live(w);
    if (!w->admin_done) {
        w->active |= BIT(ACTOR_ADMIN);
        w->admin_done = sim_admin_start(w);
        w->active &= ~BIT(ACTOR_ADMIN);
    }
    while (w->r.events < w->events_wanted || w->arm.set) {
        turn(w, 0);
        if (w->stop_events != 0 && w->r.events >= w->stop_events) {
            w->stop_events = 0;
            stop_life(w);
            return;
        }
    }
    w->ending = true;
    sim_faults_end(w);
    sim_trace(w, "the end begins");
    turns_until_quiet(w, 200 * SECOND_NS, "the end");
    stop_life(w);
    w->over = true;
}

/* All is over, and once more everything is compared with the model. */
static void last_look(struct world *w)
{
    boot(w);
    check_life(w);
    sim_check_complete(w);
    bury(w);
    if (!sim_restore(w))
        return;
    boot(w);
    bronze_pos end = bronze_durable_pos(w->log);
    sim_check_rollback(w, end, false);
    sim_outgrow_lake(w, end);
    bury(w);
    sys_sim_kill(w->sys);
    boot(w);
    sim_check_rollback(w, end, true);
}

static void no_log_lines(const char *line, size_t len)
{
    (void)line;
    (void)len;
}

static void begin(struct world *w, const struct sim_options *o)
{
    struct err e = {0};
    const char *key = "k";
    w->o = *o;
    w->r.seed = o->seed;
    w->chance = o->seed * UINT64_C(0x2545f4914f6cdd1d) + 1;
    w->trace.ring = mem_calloc(SIM_TRACE_LINES, sizeof(*w->trace.ring));
    w->trace.live = o->trace;
    w->trace.hash = UINT64_C(0xcbf29ce484222325);
    w->sys = sys_new_sim(o->seed);
    w->store = store_open_model();
    store_model_remember(w->store, true);
    must(row_schema_parse(slice_str(DDL), &key, 0, &w->schema, &e) == 0);
    draw_options(w);
    sim_clients_init(w);
    w->stop_events = sim_one_in(w, 2) ? sim_between(w, 100, w->events_wanted) : 0;
    sys_set_point_hook(w->sys, sim_on_point, w);
    if (o->bug >= 0)
        sys_set_bug(w->sys, (enum sys_bug)o->bug, true);
    sys_sim_on_sleep(w->sys, on_sleep, w);
    must_set_handler(sim_on_must, w);
    if (!o->trace)
        trace_set_sink(no_log_lines);
}

void sim_run(const struct sim_options *o, struct sim_result *ret_result)
{
    struct world *w = mem_zalloc(sizeof(*w));
    begin(w, o);
    while (!w->over && w->r.violations == 0) {
        switch (setjmp(w->death)) {
        case 0: live(w); break;
        case 1:
            w->r.crashes++;
            bury(w);
            store_model_crash_keep(w->store, sim_below(w, store_model_unflushed(w->store) + 1));
            continue;
        default: break;
        }
        if (!w->over && w->r.violations == 0)
            bury(w);
    }
    if (w->r.violations == 0 && setjmp(w->death) == 0)
        last_look(w);
    must_set_handler(NULL, NULL);
    w->r.virtual_ns = sim_now(w);
    w->r.trace_hash = w->trace.hash;
    w->r.trace_lines = w->trace.lines;
    for (unsigned i = 0; i < SYS_SIM_FAULT_COUNT; i++)
        w->r.disk_faults[i] = sys_sim_hits(w->sys, (enum sys_sim_fault)i);
    *ret_result = w->r;
}
