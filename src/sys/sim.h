/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What only the simulator can do. Its files live in memory under one root (absolute and relative
 * paths mean the same), its time moves only when somebody sleeps, waits for a ring or advances it,
 * its randomness comes from the seed. Ring writes are done when a wait delivers them, in an order
 * and in portions that the seed chooses; a wait with a timeout of 0 may deliver none.
 *
 * Without faults it is a perfect machine. Faults come by chance (sys_sim_set_faults) or on order
 * (sys_sim_order), and every one that took effect is counted. Hooks (points, sleep) are called with
 * none of its mutexes held, so they may leave with longjmp.
 */

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sys;

/* ---- faults ---- */

#define SYS_SIM_FAULTS(X)                                                                          \
    X(KILL, "kill")                  /* the process ended, what it wrote stays */                  \
    X(POWER, "power_loss")           /* what was not synced is at risk */                          \
    X(LOST, "unsynced_lost")         /* at a power loss: bytes that were not synced */             \
    X(TORN, "torn_write")            /* some sectors of a write kept, some not */                  \
    X(REORDERED, "reordered_writes") /* a later one kept, an earlier one not */                    \
    X(NAME_LOST, "name_lost")        /* a name whose folder was not synced */                      \
    X(LATE_WRITE, "late_write")      /* of a killed life, landed after its end */                  \
    X(WRITE_ERROR, "write_error")    /* a write failed; what it wrote is unknown */                \
    X(SHORT_WRITE, "short_write")    /* a write ended early */                                     \
    X(SYNC_ERROR, "sync_error")      /* a sync failed; a later one does not bring it back */       \
    X(NO_SPACE, "no_space")          /* refused: the disk is full */                               \
    X(BIT_FLIP, "bit_flip")          /* at rest */                                                 \
    X(SLOW, "slow_io")                                                                             \
    X(STUCK, "stuck_io")                                                                           \
    X(OUT_OF_ORDER, "out_of_order") /* a ring completion overtook an older write's */              \
    X(RESTORED, "restored")         /* a folder put back to an older state */

#define SYS_SIM_FAULT_ENUM(id, name) SYS_SIM_##id,
enum sys_sim_fault { SYS_SIM_FAULTS(SYS_SIM_FAULT_ENUM) SYS_SIM_FAULT_COUNT };
#undef SYS_SIM_FAULT_ENUM

const char *sys_sim_fault_name(enum sys_sim_fault f);
uint64_t sys_sim_hits(struct sys *sim, enum sys_sim_fault f); /* how often it took effect so far */

/* Chances per million operations, for paths that begin with @under (NULL: all). All 0: none. */
struct sys_sim_faults {
    const char *under; /* copied */
    uint32_t write_error, short_write, sync_error, slow, stuck;
    uint64_t slow_ns, stuck_ns; /* at most so long; 0: 20 ms, 20 s */
};
void sys_sim_set_faults(struct sys *sim, const struct sys_sim_faults *f); /* NULL: none */

/*
 * The next @count operations of that kind whose path contains @part suffer @f (WRITE_ERROR,
 * SHORT_WRITE, SYNC_ERROR, SLOW or STUCK) after @skip went through. Orders stand beside chances and
 * are forgotten by sys_sim_set_faults().
 */
void sys_sim_order(struct sys *sim, enum sys_sim_fault f, const char *part, unsigned skip,
                   unsigned count);

/* Bytes that all files together may have; UINT64_MAX (at first): a terabyte is shown as free. */
void sys_sim_set_capacity(struct sys *sim, uint64_t bytes);
uint64_t sys_sim_used(struct sys *sim);

/* Flip one bit of a file as it lies on the disk. ERR_NOT_FOUND; ERR_INVALID behind its end. */
must_use int sys_sim_flip(struct sys *sim, const char *path, uint64_t bit, struct err *e);

/* ---- the end of a life ---- */

/*
 * All three: files and rings that were open answer ERR_IO from now on. They may still be closed and
 * freed; what is not is freed with the simulator.
 *
 * sys_sim_crash: a power loss by the book: every byte that was not synced, every name whose folder
 * was not synced and every ring write that was not delivered are gone; locks are free.
 * sys_sim_power_loss: the seed chooses, sector by sector (512 bytes) and name by name, what of that
 * is gone.
 * sys_sim_kill: kill -9: everything written stays. Ring writes that were not delivered have landed
 * (on the disk, or in its cache only, where a sync still has to bring them down), never land, or
 * land later, when time has passed; until then they keep their file's lock (L1).
 */
void sys_sim_crash(struct sys *sim);
void sys_sim_power_loss(struct sys *sim);
void sys_sim_kill(struct sys *sim);
bool sys_sim_late_pending(struct sys *sim);

/* ---- backups ---- */

/* Folder @path as it is now. To put it back, end the life first: whoever has files open there would
 * go on with what is gone. Elsewhere nothing changes. */
struct sys_sim_image;
must_use int sys_sim_snapshot(struct sys *sim, const char *path, struct sys_sim_image **ret_image,
                              struct err *e);
must_use int sys_sim_restore(struct sys *sim, const struct sys_sim_image *image, struct err *e);
struct sys_sim_image *sys_sim_image_free(struct sys_sim_image *image); /* takes NULL; gives NULL */

/* ---- time ---- */

void sys_sim_advance(struct sys *sim, uint64_t ns);
/* Whoever sleeps (slow I/O too) calls @fn instead of moving the time: it lets others work and
 * advances the time itself. NULL: as before. */
typedef void sys_sim_sleep_fn(void *ctx, uint64_t ns);
void sys_sim_on_sleep(struct sys *sim, sys_sim_sleep_fn *fn, void *ctx);
