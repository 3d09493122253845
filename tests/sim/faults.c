/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes wrong in a run, drawn from the seed: how and when each life ends, and what disk, store
 * and lake do meanwhile. Each life draws one plan for the disk, one for the lake; they combine.
 *
 * A fail-stop is right when the disk has failed in that life, and wrong else (I8). Bit flips and
 * backups come between lives: then the start is judged.
 */
#include "sim.h"

#include "base/mem.h"
#include "base/must.h"
#include "compact/compact.h"
#include "delta/delta.h"
#include "objstore/objstore.h"
#include "serve/serve.h"
#include "store/model.h"
#include "store/store.h"
#include "sys/sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Blocks that must follow in the log before a flip counts as "in what was acknowledged": more than
 * can be in flight at once, so one of them states that the flipped one had been durable. */
#define PROOF_BLOCKS 8

const char *sim_fault_name(unsigned f)
{
    static const char *const names[] = {
#define FAULT_NAME(id, name) name,
        SIM_FAULTS(FAULT_NAME)
#undef FAULT_NAME
    };
    return names[f];
}

/* ---- the end of a life ---- */

void sim_count_lake(struct world *w)
{
    for (unsigned f = 0; w->lake != NULL && f < OBJSTORE_FAULT_COUNT; f++)
        w->r.faults[FAULT_LAKE + f] += objstore_fake_hits(w->lake, (enum objstore_fault)f);
}

_Noreturn void sim_die(struct world *w, enum sim_death how)
{
    static const char *const words[] = {"", "power loss", "kill", "fail-stop"};
    sim_trace(w, "death by %s", words[how]);
    w->how = how;
    w->running = false;
    sim_count_lake(w);
    if (how == DEATH_POWER) {
        w->r.faults[FAULT_POWER_LOSS]++;
        sys_sim_power_loss(w->sys);
    } else {
        w->r.faults[FAULT_KILL] += how == DEATH_KILL;
        sys_sim_kill(w->sys);
    }
    longjmp(w->death, 1);
}

/* Points that few runs come by: while the life is to die anyway, one pass in so many is its end,
 * whatever it was armed for. 0: not such a point. */
static uint64_t rare_chance(enum sys_point p)
{
    if (p >= SYS_POINT_LOG_RECOVER_BEFORE_DROP && p <= SYS_POINT_LOG_RECOVER_AFTER_SYNC_DIR)
        return 3;
    if (p == SYS_POINT_APPLY_BEFORE_REOPEN || p == SYS_POINT_APPLY_AFTER_REOPEN)
        return 8;
    if (p >= SYS_POINT_LAKE_MOVE_BEFORE_RENAME && p <= SYS_POINT_LAKE_MOVE_AFTER_SYNC_DIR)
        return 60;
    if (p == SYS_POINT_TRIM_BEFORE_FLUSH || p == SYS_POINT_TRIM_AFTER_FLUSH)
        return 60;
    if (p >= SYS_POINT_LAKE_HINT_BEFORE_WRITE) /* each of its eight alike, and one of them surely */
        return SYS_POINT_LAKE_HINT_AFTER_SYNC_DIR - p + 1;
    if (p >= SYS_POINT_LAKE_CHECKPOINT_BEFORE_WRITE) /* the later ones rather: fewer come so far */
        return 3 * (SYS_POINT_LAKE_CHECKPOINT_AFTER_SYNC_DIR - p + 1);
    return 0;
}

static bool must_die_at(struct world *w, enum sys_point p)
{
    uint64_t chance = rare_chance(p);
    if (!w->arm.set || w->o.calm)
        return false;
    if (chance != 0 && sim_one_in(w, chance))
        return true;
    return w->arm.at_point && w->arm.point == p && w->r.events >= w->arm.events &&
           --w->arm.passes == 0;
}

void sim_on_point(void *ctx, enum sys_point p)
{
    struct world *w = ctx;
    w->r.points[p]++;
    if (!must_die_at(w, p))
        return;
    sim_trace(w, "at point %s", sys_point_name(p));
    w->r.crashed[p]++;
    w->r.faults[FAULT_AT_POINT]++;
    w->r.faults[FAULT_IN_RECOVERY] += !w->running;
    w->arm.set = false;
    sim_die(w, w->arm.how);
}

static uint64_t disk_failures(struct world *w)
{
    return sys_sim_hits(w->sys, SYS_SIM_WRITE_ERROR) + sys_sim_hits(w->sys, SYS_SIM_SHORT_WRITE) +
           sys_sim_hits(w->sys, SYS_SIM_SYNC_ERROR);
}

void sim_on_must(void *ctx, const char *sentence)
{
    struct world *w = ctx;
    sim_trace(w, "the server ends itself: %.150s", sentence);
    bool claim = strstr(sentence, "this must hold") != NULL;
    if (claim || disk_failures(w) == w->failures_before)
        sim_violation(w, "I8", "the server ended itself without a reason: %s", sentence);
    w->r.faults[FAULT_FAIL_STOP]++;
    sim_die(w, DEATH_FAILSTOP);
}

/* Each seed has a point of its own, so that a run of many seeds comes by all of them. Points of a
 * start and of recycling, and a roll of the log, are drawn more often. */
static enum sys_point draw_point(struct world *w, bool at_start)
{
    if (sim_one_in(w, 3))
        return (enum sys_point)(w->o.seed % SYS_POINT_COUNT);
    if (at_start && !sim_one_in(w, 3))
        return (enum sys_point)sim_between(w, SYS_POINT_LOG_RECOVER_BEFORE_LOCK,
                                           SYS_POINT_LOG_EPOCH_AFTER_WRITE);
    if (sim_one_in(w, 8))
        return (enum sys_point)sim_between(w, SYS_POINT_LOG_RECYCLE_BEFORE_RENAME,
                                           SYS_POINT_LOG_RECYCLE_AFTER_WIPE);
    if (sim_one_in(w, 8))
        return (enum sys_point)sim_between(w, SYS_POINT_SPILL_BEFORE_MKDIR,
                                           SYS_POINT_SPILL_AFTER_REMOVE);
    if (sim_one_in(w, w->busy_log ? 3 : 8))
        return SYS_POINT_LOG_ROLL_AFTER_HEADER;
    return (enum sys_point)sim_below(w, SYS_POINT_COUNT);
}

/* ---- disk, store and lake in a life ---- */

static void plan_disk(struct world *w)
{
    struct sys_sim_faults f = {0};
    uint64_t plan = w->busy_log && sim_one_in(w, 2) ? 2 : sim_below(w, 8);
    switch (plan) {
    case 0: /* the lake's disk */
        f = (struct sys_sim_faults){.under = SIM_LAKE,
                                    .write_error = (uint32_t)sim_below(w, 30000),
                                    .short_write = (uint32_t)sim_below(w, 30000),
                                    .sync_error = (uint32_t)sim_below(w, 30000)};
        break;
    case 1: /* the log's: mostly the end of that life */
        f = (struct sys_sim_faults){.under = SIM_PATH,
                                    .write_error = (uint32_t)sim_below(w, 1500),
                                    .short_write = (uint32_t)sim_below(w, 1500),
                                    .sync_error = (uint32_t)sim_below(w, 20000)};
        break;
    case 2:
    case 3: /* slow */
        f = (struct sys_sim_faults){.slow = (uint32_t)sim_below(w, 100000),
                                    .slow_ns = sim_below(w, 20000000) + 1};
        break;
    case 4: /* stuck */
        f = (struct sys_sim_faults){.stuck = (uint32_t)sim_below(w, 2000),
                                    .stuck_ns = sim_below(w, 5000000000) + 1};
        break;
    case 5: w->fail_log_at = w->r.events + sim_below(w, 300); return;
    default: return; /* a good disk */
    }
    w->disk = f;
    w->disk_on = true;
    sys_sim_set_faults(w->sys, &f);
}

void sim_faults_boot(struct world *w)
{
    uint64_t per_life = w->events_wanted / (w->crashes_wanted + 1);
    sim_faults_end(w);
    w->failures_before = disk_failures(w);
    w->store_failed = false;
    w->arm = (struct sim_arm){0};
    if (w->o.calm || w->r.crashes >= w->crashes_wanted)
        return;
    bool at_start = sim_one_in(w, 4);
    enum sys_point point = draw_point(w, at_start);
    w->arm = (struct sim_arm){
        .set = true,
        .at_point = !sim_one_in(w, 4),
        .point = point,
        .passes = 1 + (unsigned)(sim_one_in(w, 2) ? sim_below(w, 4) : 0),
        .how = sim_one_in(w, 2) ? DEATH_POWER : DEATH_KILL,
        .events = at_start ? 0 : w->r.events + sim_below(w, per_life),
    };
    w->arm.late = w->r.events + sim_between(w, per_life, per_life * 3 / 2);
    if (sim_one_in(w, 8))
        plan_disk(w);                           /* a start on a failing disk */
    if (w->many_commits && !sim_one_in(w, 4)) { /* only where few runs come by: a checkpoint */
        w->arm.at_point = true;
        w->arm.point = SYS_POINT_COUNT;
        w->arm.late = w->r.events + 1000;
    }
    sim_trace(w, "armed: %s, at event %" PRIu64 " to %" PRIu64,
              w->arm.at_point && w->arm.point < SYS_POINT_COUNT ? sys_point_name(w->arm.point)
                                                                : "any",
              w->arm.events, w->arm.late);
}

static void plan_races(struct world *w)
{
    for (uint64_t n = sim_below(w, 4); n > 0; n--) {
        char part[32]; /* not version 0: who loses that place is another table */
        (void)snprintf(part, sizeof(part), "%06u.json", (unsigned)sim_between(w, 1, 60));
        objstore_fake_order(w->lake, part, OBJSTORE_LOSE_RACE, 0, 1);
    }
}

static void plan_lake(struct world *w)
{
    struct objstore_chances c = {.slow_ms = (uint32_t)sim_between(w, 1, 50)};
    if (!sim_one_in(w, 3))
        return;
    for (unsigned f = 0; f < OBJSTORE_FAULT_COUNT; f++)
        if (f != OBJSTORE_LOSE_RACE && sim_one_in(w, 2))
            c.of[f] = (uint32_t)sim_below(w, sim_one_in(w, 4) ? 500000 : 60000);
    objstore_fake_chances(w->lake, w->sys, &c);
    plan_races(w);
}

void sim_faults_live(struct world *w)
{
    w->fail_log_at = 0;
    if (w->o.calm || w->r.crashes >= w->crashes_wanted)
        return;
    if (!w->disk_on)
        plan_disk(w);
    plan_lake(w);
    sim_spill_plan(w);
}

/* No more faults: the last life, or the checker is at work. */
void sim_faults_end(struct world *w)
{
    sys_sim_set_faults(w->sys, NULL);
    w->disk_on = false;
    w->ordered_at = 0;
    w->failed_pos = 0;
    sys_sim_set_capacity(w->sys, UINT64_MAX);
    store_model_fail(w->store, 0);
    w->fail_log_at = 0;
    w->full = false;
    if (w->lake != NULL)
        objstore_fake_chances(w->lake, w->sys, NULL);
}

/* The very next write into the segment that is written to fails. */
static void order_log_failure(struct world *w)
{
    char path[64];
    if (w->segment == 0)
        return;
    (void)snprintf(path, sizeof(path), "%s/log/%020" PRIu64 ".log", SIM_PATH, w->segment);
    sys_sim_order(w->sys, sim_one_in(w, 2) ? SYS_SIM_WRITE_ERROR : SYS_SIM_SHORT_WRITE, path, 0, 1);
    w->ordered_at = disk_failures(w) + 1;
    w->fail_log_at = 0;
    sim_trace(w, "a write into segment %" PRIu64 " will fail", w->segment);
}

static void turn_disk_full(struct world *w)
{
    if (!w->full && sim_one_in(w, 15000)) {
        uint64_t left = sim_below(w, 2 * w->log_options.segment_bytes);
        sys_sim_set_capacity(w->sys, sys_sim_used(w->sys) + left);
        w->full = true;
        sim_trace(w, "the disk has %" PRIu64 " bytes left", left);
    } else if (w->full && sim_one_in(w, 1500)) {
        sys_sim_set_capacity(w->sys, UINT64_MAX);
        w->full = false;
        sim_trace(w, "the disk has room again");
    }
}

/*
 * Has the ordered failure come? It is a block's only in the log's own turn: a file that is recycled
 * keeps its old name in orders, and a failure there ends nothing.
 */
static void note_failure(struct world *w, enum actor a)
{
    uint32_t others = SIM_BIT(ACTOR_SEGMENT) | SIM_BIT(ACTOR_ADMIN) | SIM_BIT(ACTOR_COMPACT);
    if (!w->running || w->ordered_at == 0 || disk_failures(w) < w->ordered_at)
        return;
    w->ordered_at = 0;
    if (a == ACTOR_LOG && (w->active & others) == 0)
        w->failed_pos = bronze_appended_pos(w->log); /* the block that failed ends here or before */
}

void sim_faults_turn(struct world *w, enum actor a)
{
    note_failure(w, a);
    sim_check_silence(w);
    if (w->o.calm || w->ending || !w->running)
        return;
    if (w->fail_log_at != 0 && w->r.events >= w->fail_log_at)
        order_log_failure(w);
    turn_disk_full(w);
    if (sim_one_in(w, 20000)) {
        store_model_fail(w->store, 1);
        w->store_failed = true;
        w->r.faults[FAULT_STORE]++;
        sim_trace(w, "the store's next write fails");
    }
    if (!w->arm.set || w->r.events < (w->arm.at_point ? w->arm.late : w->arm.events))
        return;
    w->arm.set = false;
    w->r.faults[FAULT_BETWEEN]++;
    sim_die(w, w->arm.how);
}

void sim_faults_pause(struct world *w, bool pause)
{
    w->paused += pause ? 1 : -1;
    sys_set_point_hook(w->sys, w->paused > 0 ? NULL : sim_on_point, w);
    if (w->disk_on)
        sys_sim_set_faults(w->sys, w->paused > 0 ? NULL : &w->disk);
}

/* ---- between lives: a bit flips ---- */

static void segment_path(uint64_t segment, char path[64])
{
    (void)snprintf(path, 64, "%s/log/%020" PRIu64 ".log", SIM_PATH, segment);
}

/* A block that stands in the log and is proved by later ones. */
static const struct sim_block *draw_block(struct world *w)
{
    if (w->block_count <= PROOF_BLOCKS)
        return NULL;
    uint64_t newest = w->blocks[w->block_count - 1].ticket;
    const struct sim_block *b = &w->blocks[sim_below(w, w->block_count - PROOF_BLOCKS)];
    bool exists = false;
    char path[64];
    segment_path(b->segment, path);
    if (b->ticket + PROOF_BLOCKS > newest || b->end_pos <= w->m.trimmed ||
        sys_exists(w->sys, path, &exists, NULL) < 0 || !exists)
        return NULL;
    return b;
}

void sim_flip(struct world *w)
{
    const struct sim_block *b = draw_block(w);
    char path[64];
    struct err e = {0};
    if (b == NULL || w->o.calm || !sim_one_in(w, 4))
        return;
    segment_path(b->segment, path);
    uint64_t bit = b->offset * 8 + sim_below(w, (uint64_t)b->content * 8);
    if (sys_sim_flip(w->sys, path, bit, &e) < 0)
        return;
    sim_trace(w, "bit %" PRIu64 " of %s is flipped", bit, path);
    sim_faults_pause(w, true);
    struct catalog *c = catalog_new(w->sys);
    struct bronze *log = NULL;
    int rc = bronze_open(w->sys, &w->log_options, catalog_on_control, c, &log, &e);
    if (rc >= 0)
        sim_violation(w, "I7", "bit %" PRIu64 " of %s was flipped, and the log was opened", bit,
                      path);
    w->r.faults[FAULT_FLIP_FOUND]++;
    if (rc != ERR_DAMAGED || strstr(e.text, path) == NULL)
        sim_violation(w, "I7", "bit %" PRIu64 " of %s was flipped: %d %s", bit, path, rc, e.text);
    must(sys_sim_flip(w->sys, path, bit, &e) == 0);
    sim_faults_pause(w, false);
}

/* ---- between lives: an old backup is put back ---- */

/* The model of the store has no files: its backup is another one. */
static struct store *copy_store(struct store *from)
{
    struct store *to = store_open_model();
    struct store_batch *b = store_batch_new(to);
    struct store_iter *it = store_iter_new(from, NULL);
    struct err e;
    for (store_iter_seek(it, SLICE_NULL); store_iter_valid(it); store_iter_next(it))
        store_batch_put(b, store_iter_key(it), store_iter_value(it));
    it = store_iter_free(it);
    must(store_write(to, b, &e) == 0 && store_flush(to, &e) == 0);
    b = store_batch_free(b);
    return to;
}

void sim_backup(struct world *w)
{
    struct err e = {0};
    if (w->o.calm || w->backup != NULL || !sim_one_in(w, 2))
        return;
    must(sys_sim_snapshot(w->sys, SIM_PATH, &w->backup, &e) == 0);
    w->backup_store = copy_store(w->store);
    sim_trace(w, "a backup of the data folder");
}

bool sim_restore(struct world *w)
{
    struct err e = {0};
    if (w->backup == NULL || !w->over || !sim_one_in(w, 2))
        return false;
    must(sys_sim_restore(w->sys, w->backup, &e) == 0);
    w->store = w->backup_store;
    sim_trace(w, "the backup is put back");
    w->r.faults[FAULT_ROLLED_BACK]++;
    return true;
}

/* What the catalog has of it, a reference; NULL: it is not there, or another one. */
static struct catalog_table *rolled_table(struct world *w, const struct sim_table *t)
{
    struct catalog_table *c = NULL;
    if (t->created != FATE_YES || t->dropped != FATE_NO ||
        catalog_table_by_name(w->catalog, t->name, &c, NULL) < 0)
        return NULL;
    if (c->id == t->id && strcmp(c->delta_id, t->delta_id) == 0)
        return c;
    return catalog_table_unref(c);
}

/* Tables that the lake has further than this log stand still, the others go on; and they stand
 * still too when the log has become longer. */
static void check_rolled_table(struct world *w, const struct sim_table *t, bronze_pos end, bool on)
{
    struct compact_table_status status;
    struct catalog_table *c = rolled_table(w, t);
    bool is_there = c != NULL && compact_table(w->compact, t->id, &status);
    c = catalog_table_unref(c);
    bool ahead = t->txn > end;
    if (!is_there || (on && ahead && !t->outgrown)) /* it has lost nothing */
        return;
    if (ahead != (status.state == COMPACT_STOPPED))
        sim_violation(w, "I3",
                      "a backup was restored: %s has txn %" PRIu64
                      " in the lake, the log ended at %" PRIu64 "%s, and the table is %s: %s",
                      t->name, t->txn, end, on ? " and went on" : "",
                      ahead ? "not stopped" : "stopped", status.fault);
}

void sim_check_rollback(struct world *w, bronze_pos end, bool on)
{
    for (unsigned i = 0; i < 400; i++) {
        (void)compact_step(w->compact, 0);
        bronze_step(w->log, 0);
        sys_sim_advance(w->sys, 2000000);
    }
    for (uint32_t i = 0; i < w->m.table_count; i++)
        check_rolled_table(w, &w->m.tables[i], end, on);
}

/* Empty rows, up to position @to at most. */
static void fill(struct world *w, struct sim_table *t, bronze_pos to)
{
    struct slice rows[256] = {0};
    struct catalog_table *c = rolled_table(w, t);
    bronze_pos at = bronze_durable_pos(w->log);
    while (c != NULL && at < to) {
        struct bronze_append a = {
            .kind = BRONZE_ROWS,
            .table_id = c->id,
            .descriptor_id = c->own_id,
            .rows = rows,
            .row_count = (uint32_t)MIN(to - at, ARRAY_LEN(rows)),
        };
        if (bronze_append(w->log, &a) != 0 || bronze_wait(w->log, a.ticket, 1000) != 0)
            break; /* the log is full: then no table is longer than the lake knows it */
        t->outgrown = true;
        at = a.last_pos;
    }
    catalog_table_unref(c);
}

void sim_outgrow_lake(struct world *w, bronze_pos end)
{
    struct sim_table *last = NULL;
    for (uint32_t i = 0; i < w->m.table_count; i++) {
        struct sim_table *t = &w->m.tables[i];
        struct catalog_table *c = rolled_table(w, t);
        if (c != NULL && t->txn > end && (last == NULL || t->txn > last->txn))
            last = t;
        catalog_table_unref(c);
    }
    for (uint32_t i = 0; last != NULL && i < w->m.table_count; i++)
        if (w->m.tables[i].txn > bronze_durable_pos(w->log))
            fill(w, &w->m.tables[i], bronze_durable_pos(w->log) + 1);
    if (last != NULL)
        fill(w, last, last->txn);
    sim_trace(w, "the restored log goes on to %" PRIu64, bronze_durable_pos(w->log));
}
