/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Named points: places before and after the I/O of the log, the store and the lake, where a test
 * lets the process die (or looks on). A point is passed once per I/O, never per row, and costs one
 * comparison when nobody listens. Names are stable: tests and SLUICE_CRASH_AT use them.
 *
 * The points of a put in the lake come in four families of equal order, one for each kind of
 * object: data files, commits, checkpoints, and _last_checkpoint. See sys_point_of_put().
 */

#include "base/attr.h"
#include "base/err.h"

#include <stdint.h>

struct sys;

#define SYS_POINTS_OF_PUT(X, KIND, kind)                                                           \
    X(LAKE_##KIND##_BEFORE_WRITE, "lake." kind ".before_write")                                    \
    X(LAKE_##KIND##_AFTER_WRITE, "lake." kind ".after_write")                                      \
    X(LAKE_##KIND##_BEFORE_SYNC, "lake." kind ".before_sync")                                      \
    X(LAKE_##KIND##_AFTER_SYNC, "lake." kind ".after_sync")                                        \
    X(LAKE_##KIND##_BEFORE_RENAME, "lake." kind ".before_rename")                                  \
    X(LAKE_##KIND##_AFTER_RENAME, "lake." kind ".after_rename")                                    \
    X(LAKE_##KIND##_BEFORE_SYNC_DIR, "lake." kind ".before_sync_dir")                              \
    X(LAKE_##KIND##_AFTER_SYNC_DIR, "lake." kind ".after_sync_dir")

#define SYS_POINTS(X)                                                                              \
    /* a block of the log: started, completed, and told */                                         \
    X(LOG_APPEND_BEFORE_WRITE, "log.append.before_write")                                          \
    X(LOG_APPEND_AFTER_START, "log.append.after_start")                                            \
    X(LOG_APPEND_AFTER_WRITE, "log.append.after_write")                                            \
    X(LOG_APPEND_AFTER_DURABLE, "log.append.after_durable")                                        \
    /* a new segment file */                                                                       \
    X(LOG_PREPARE_BEFORE_CREATE, "log.prepare.before_create")                                      \
    X(LOG_PREPARE_AFTER_CREATE, "log.prepare.after_create")                                        \
    X(LOG_PREPARE_BEFORE_ZEROS, "log.prepare.before_zeros")                                        \
    X(LOG_PREPARE_AFTER_ZEROS, "log.prepare.after_zeros")                                          \
    X(LOG_PREPARE_BEFORE_SYNC_DIR, "log.prepare.before_sync_dir")                                  \
    X(LOG_PREPARE_AFTER_SYNC_DIR, "log.prepare.after_sync_dir")                                    \
    /* a trimmed segment file is used again */                                                     \
    X(LOG_RECYCLE_BEFORE_RENAME, "log.recycle.before_rename")                                      \
    X(LOG_RECYCLE_AFTER_RENAME, "log.recycle.after_rename")                                        \
    X(LOG_RECYCLE_BEFORE_SYNC_DIR, "log.recycle.before_sync_dir")                                  \
    X(LOG_RECYCLE_AFTER_SYNC_DIR, "log.recycle.after_sync_dir")                                    \
    X(LOG_RECYCLE_BEFORE_WIPE, "log.recycle.before_wipe")                                          \
    X(LOG_RECYCLE_AFTER_WIPE, "log.recycle.after_wipe")                                            \
    /* the log goes on in a prepared segment */                                                    \
    X(LOG_ROLL_BEFORE_HEADER, "log.roll.before_header")                                            \
    X(LOG_ROLL_AFTER_HEADER, "log.roll.after_header")                                              \
    /* start of a life */                                                                          \
    X(LOG_RECOVER_BEFORE_LOCK, "log.recover.before_lock")                                          \
    X(LOG_RECOVER_AFTER_LOCK, "log.recover.after_lock")                                            \
    X(LOG_RECOVER_BEFORE_READ, "log.recover.before_read")                                          \
    X(LOG_RECOVER_AFTER_READ, "log.recover.after_read")                                            \
    X(LOG_RECOVER_BEFORE_SWEEP, "log.recover.before_sweep")                                        \
    X(LOG_RECOVER_AFTER_SWEEP, "log.recover.after_sweep")                                          \
    X(LOG_RECOVER_BEFORE_SYNC, "log.recover.before_sync")                                          \
    X(LOG_RECOVER_AFTER_SYNC, "log.recover.after_sync")                                            \
    X(LOG_RECOVER_BEFORE_DROP, "log.recover.before_drop")                                          \
    X(LOG_RECOVER_AFTER_DROP, "log.recover.after_drop")                                            \
    X(LOG_RECOVER_BEFORE_SYNC_DIR, "log.recover.before_sync_dir")                                  \
    X(LOG_RECOVER_AFTER_SYNC_DIR, "log.recover.after_sync_dir")                                    \
    X(LOG_EPOCH_BEFORE_WRITE, "log.epoch.before_write")                                            \
    X(LOG_EPOCH_AFTER_WRITE, "log.epoch.after_write")                                              \
    /* a trimmed segment goes */                                                                   \
    X(LOG_TRIM_BEFORE_UNLINK, "log.trim.before_unlink")                                            \
    X(LOG_TRIM_AFTER_UNLINK, "log.trim.after_unlink")                                              \
    X(LOG_TRIM_BEFORE_SYNC_DIR, "log.trim.before_sync_dir")                                        \
    X(LOG_TRIM_AFTER_SYNC_DIR, "log.trim.after_sync_dir")                                          \
    /* the decision to trim */                                                                     \
    X(TRIM_BEFORE_SNAPSHOT, "trim.before_snapshot")                                                \
    X(TRIM_AFTER_SNAPSHOT, "trim.after_snapshot")                                                  \
    X(TRIM_BEFORE_FLUSH, "trim.before_flush")                                                      \
    X(TRIM_AFTER_FLUSH, "trim.after_flush")                                                        \
    X(TRIM_BEFORE_INDEX, "trim.before_index")                                                      \
    X(TRIM_AFTER_INDEX, "trim.after_index")                                                        \
    /* the log into the store */                                                                   \
    X(APPLY_BEFORE_WRITE, "apply.before_write")                                                    \
    X(APPLY_AFTER_WRITE, "apply.after_write")                                                      \
    X(APPLY_BEFORE_FLUSH, "apply.before_flush")                                                    \
    X(APPLY_AFTER_FLUSH, "apply.after_flush")                                                      \
    X(APPLY_BEFORE_REOPEN, "apply.before_reopen")                                                  \
    X(APPLY_AFTER_REOPEN, "apply.after_reopen")                                                    \
    /* an attempt to commit, as the compactor sees it */                                           \
    X(COMMIT_BEFORE_DATA, "commit.before_data")                                                    \
    X(COMMIT_AFTER_DATA, "commit.after_data")                                                      \
    X(COMMIT_BEFORE_COMMIT, "commit.before_commit")                                                \
    X(COMMIT_AFTER_COMMIT, "commit.after_commit")                                                  \
    X(COMMIT_BEFORE_SCHEMA, "commit.before_schema")                                                \
    X(COMMIT_AFTER_SCHEMA, "commit.after_schema")                                                  \
    X(COMMIT_BEFORE_WATERMARK, "commit.before_watermark")                                          \
    X(COMMIT_AFTER_WATERMARK, "commit.after_watermark")                                            \
    /* rows of one table leave the log for a file of their own */                                  \
    X(SPILL_BEFORE_MKDIR, "spill.before_mkdir")                                                    \
    X(SPILL_AFTER_MKDIR, "spill.after_mkdir")                                                      \
    X(SPILL_BEFORE_WRITE, "spill.before_write")                                                    \
    X(SPILL_AFTER_WRITE, "spill.after_write")                                                      \
    X(SPILL_BEFORE_SYNC, "spill.before_sync")                                                      \
    X(SPILL_AFTER_SYNC, "spill.after_sync")                                                        \
    X(SPILL_BEFORE_RENAME, "spill.before_rename")                                                  \
    X(SPILL_AFTER_RENAME, "spill.after_rename")                                                    \
    X(SPILL_BEFORE_SYNC_DIR, "spill.before_sync_dir")                                              \
    X(SPILL_AFTER_SYNC_DIR, "spill.after_sync_dir")                                                \
    X(SPILL_BEFORE_REMOVE, "spill.before_remove")                                                  \
    X(SPILL_AFTER_REMOVE, "spill.after_remove")                                                    \
    /* objects of the lake in a folder */                                                          \
    X(LAKE_FOLDER_BEFORE_MKDIR, "lake.folder.before_mkdir")                                        \
    X(LAKE_FOLDER_AFTER_MKDIR, "lake.folder.after_mkdir")                                          \
    X(LAKE_FOLDER_BEFORE_SYNC_DIR, "lake.folder.before_sync_dir")                                  \
    X(LAKE_FOLDER_AFTER_SYNC_DIR, "lake.folder.after_sync_dir")                                    \
    X(LAKE_MOVE_BEFORE_RENAME, "lake.move.before_rename")                                          \
    X(LAKE_MOVE_AFTER_RENAME, "lake.move.after_rename")                                            \
    X(LAKE_MOVE_BEFORE_SYNC_DIR, "lake.move.before_sync_dir")                                      \
    X(LAKE_MOVE_AFTER_SYNC_DIR, "lake.move.after_sync_dir")                                        \
    SYS_POINTS_OF_PUT(X, DATA, "data")                                                             \
    SYS_POINTS_OF_PUT(X, COMMIT, "commit")                                                         \
    SYS_POINTS_OF_PUT(X, CHECKPOINT, "checkpoint")                                                 \
    SYS_POINTS_OF_PUT(X, HINT, "hint")

#define SYS_POINT_ENUM(id, name) SYS_POINT_##id,
enum sys_point { SYS_POINTS(SYS_POINT_ENUM) SYS_POINT_COUNT };
#undef SYS_POINT_ENUM

const char *sys_point_name(enum sys_point p);
unsigned sys_point_count(void);
/* ERR_NOT_FOUND with a sentence. */
must_use int sys_point_parse(const char *name, enum sys_point *ret_point, struct err *e);

/* The process is here. */
void sys_point(struct sys *s, enum sys_point p);

/* One listener, set before threads start; it is called on the thread that passes the point. NULL:
 * none. */
typedef void sys_point_fn(void *ctx, enum sys_point p);
void sys_set_point_hook(struct sys *s, sys_point_fn *fn, void *ctx);

/* What happens to an object on its way into a folder. */
enum sys_put_step {
    SYS_PUT_BEFORE_WRITE,
    SYS_PUT_AFTER_WRITE,
    SYS_PUT_BEFORE_SYNC,
    SYS_PUT_AFTER_SYNC,
    SYS_PUT_BEFORE_RENAME,
    SYS_PUT_AFTER_RENAME,
    SYS_PUT_BEFORE_SYNC_DIR,
    SYS_PUT_AFTER_SYNC_DIR,
    SYS_PUT_STEP_COUNT,
};
/* @first: the family's BEFORE_WRITE. */
enum sys_point sys_point_of_put(enum sys_point first, enum sys_put_step step);

/*
 * For tests only: kill -9 of this process at a point. @order is "name" or "name:n": at the n-th
 * time (from 1) that the point is passed. ERR_INVALID says what is wrong with it. The sys must
 * outlive its threads.
 */
must_use int sys_crash_at(struct sys *s, const char *order, struct err *e);
