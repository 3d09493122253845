/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Planted bugs: mistakes that the tests must find, switched on at run time in test builds
 * (SLUICE_PLANTED_BUGS). In all other builds sys_bug() is the constant false, and no trace of them
 * is left. Each entry: name, the promise it breaks, the rule it breaks.
 */

#include <stdbool.h>

struct sys;

#define SYS_BUGS(X)                                                                                \
    X(ACK_BEFORE_WRITE, "ack_before_write", "I1", "W2: durable when started, not when written")    \
    X(ACK_ON_COMPLETION, "ack_on_completion", "I1", "L3: the newest completion counts")            \
    X(EPOCH_REUSED, "epoch_reused", "I1", "L2: a life uses the last epoch again")                  \
    X(OLD_SEGMENT, "old_segment", "I1",                                                            \
      "L1: no lock is waited for; a late write falls into reads")                                  \
    X(DAMAGE_IS_TORN, "damage_taken_for_torn", "I1",                                               \
      "L5: proof behind the tail is not looked for")                                               \
    X(TAIL_NOT_SYNCED, "tail_not_synced", "I1", "L3: what recovery read may be in a cache only")   \
    X(SPLIT_REQUEST, "split_request", "I3", "L6: a batch may lie in two blocks")                   \
    X(TRIM_UNFLUSHED, "trim_unflushed", "I4", "S2: applied, not flushed, is enough for a trim")    \
    X(APPLIED_APART, "applied_apart", "I2", "P1: the applied position is written first, alone")    \
    X(WATERMARK_FIRST, "watermark_first", "I3", "D5: the watermark is written before the commit")  \
    X(DATA_NOT_SYNCED, "data_not_synced", "I3", "D4: the commit goes before the data's sync")      \
    X(COMMIT_NOT_SYNCED, "commit_not_synced", "I3", "D4: the commit's folder is not synced")       \
    X(CUT_WIDENED, "cut_widened", "I3", "D3: a retry takes new rows along")                        \
    X(LAKE_AHEAD_IGNORED, "lake_ahead_ignored", "I3",                                              \
      "D2: a txn beyond the log's end is taken on")                                                \
    X(LAKE_AHEAD_FORGOTTEN, "lake_ahead_forgotten", "I3",                                          \
      "D2: … and so it is once the log has become longer")                                         \
    X(TRIM_WITHOUT_CATALOG, "trim_without_catalog", "I4", "L7: no snapshot before a trim")         \
    X(DIR_NOT_SYNCED, "dir_not_synced", "I1", "a segment's name is not made durable")              \
    X(NO_FENCE, "no_fence", "I2", "R9: a lookup does not wait for the apply thread")               \
    X(SPILL_NOT_SYNCED, "spill_not_synced", "I4", "L9: a spill file counts before it is synced")   \
    X(SPILL_REMOVED_FIRST, "spill_removed_first", "I3",                                            \
      "L9: a spill file goes when its rows were read, not when they are committed")                \
    X(SPILL_PASSED, "spill_passed", "I3", "L9: the log's rows are committed before spilled ones")  \
    X(READ_PAST_DURABLE, "read_past_durable", "I5", "a follower reads what is only appended")      \
    X(NO_LIMIT, "no_limit", "I6", "the ring takes appends beyond its limit for what is in flight") \
    X(CRC_IGNORED, "crc_ignored", "I7", "L4: the payload's checksum is not looked at")             \
    X(WRITE_FAILURE_IGNORED, "write_failure_ignored", "I8", "W3: a failed write counts as done")

#define SYS_BUG_ENUM(id, name, promise, rule) SYS_BUG_##id,
enum sys_bug { SYS_BUGS(SYS_BUG_ENUM) SYS_BUG_COUNT };
#undef SYS_BUG_ENUM

#ifdef SLUICE_PLANTED_BUGS
bool sys_bug(const struct sys *s, enum sys_bug b); /* @s NULL: never */
/* Before threads start. */
void sys_set_bug(struct sys *s, enum sys_bug b, bool on);
const char *sys_bug_name(enum sys_bug b);
const char *sys_bug_promise(enum sys_bug b); /* "I1" */
const char *sys_bug_rule(enum sys_bug b);
#else
static inline bool sys_bug(const struct sys *s, enum sys_bug b)
{
    (void)s;
    (void)b;
    return false;
}
#endif
