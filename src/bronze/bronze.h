/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * bronze: the durable log. A row is ours from the moment bronze says so. It stores opaque frames
 * and knows no schema. Design and crash rules: bronze.c and README.md. Bytes:
 * docs/formats/bronze.md.
 *
 * Words. position: the number of a row (a control record counts as one), from 1, no gaps, never
 * reused. block: one write, the frames that became durable together. ticket: the sequence number of
 * a block; a request is durable when the durable ticket has reached the ticket it was given.
 *
 * Threads: append from any (block lock); one log thread writes; one segment thread makes new
 * segments; each reader belongs to one thread at a time.
 */

#include "base/attr.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stdint.h>

struct sys;
struct sys_file;
struct bronze;

typedef uint64_t bronze_pos;

enum bronze_kind {
    BRONZE_ROWS =
        1, /* payload: rows, each u32 length + bytes; one offset for all of them (a batch) */
    BRONZE_SINGLES =
        2, /* the same; each row has an offset of its own: row i has first_offset + i */
    BRONZE_CONTROL = 3, /* payload: one control record; takes one position */
};

struct bronze_frame {
    bronze_pos
        first_pos; /* of its first row; with row_count 0 the position the next row will have */
    uint32_t row_count;
    uint32_t table_id, descriptor_id;
    enum bronze_kind kind;
    uint64_t stream_id;
    uint64_t first_offset; /* of the stream */
    uint32_t offset_count;
    int64_t time_us;      /* arrival, never going back along the log */
    struct slice payload; /* borrowed from the block */
};

/* Walks the rows of a frame: *at starts at 0; false at the end. The block's checksum has been
 * verified. */
bool bronze_frame_row(const struct bronze_frame *f, size_t *at, struct slice *ret_row);

/* ---- life ---- */

struct bronze_options {
    const char *path;       /* data folder; the log is in <path>/log */
    uint64_t segment_bytes; /* 64 MiB; 16 MiB..4 GiB, multiple of 1 MiB */
    uint64_t log_bytes_max; /* all segments together; at least 4 segments */
    uint64_t memory_bytes;  /* the ring of recent blocks; 64 MiB, at least 32 MiB */
    /* 0 = 12 MiB. Less is for simulation and tests: segments and memory may be a few blocks. */
    uint32_t block_bytes_max;
    bool is_locked; /* the caller holds bronze_lock(), until the log is closed or longer */
};

/* Make FORMAT and the log folder. ERR_EXISTS when there is a log already. */
must_use int bronze_init(struct sys *s, const char *path, struct err *e);
/*
 * The data folder's lock, for who touches more of the folder than the log: taken before the first
 * of it, given up (sys_close) after the last. Others let bronze_open take it.
 * Returns: 0, ERR_BUSY, ERR_NOT_FOUND (no data folder), ERR_UNSUPPORTED, ERR_DAMAGED (FORMAT).
 */
must_use int bronze_lock(struct sys *s, const char *path, struct sys_file **ret_lock,
                         struct err *e);

/*
 * Recover: every valid block since the trim bound is read once, checksums verified, and each
 * CONTROL frame shown to @on_control in log order. Then a fresh segment and a new epoch are durable
 * and the log takes appends.
 * Returns: 0. ERR_DAMAGED naming file and offset: acknowledged data is damaged, refused to start
 * (L5).
 * ERR_BUSY: another process writes this log. ERR_UNSUPPORTED: FORMAT of a newer build (L12).
 */
typedef int bronze_control_fn(void *ctx, const struct bronze_frame *f);
must_use int bronze_open(struct sys *s, const struct bronze_options *o,
                         bronze_control_fn *on_control, void *ctx, struct bronze **ret_log,
                         struct err *e);
/* The same, only to be read: recovered, but no new epoch, no segment, no appends, no threads. */
must_use int bronze_open_offline(struct sys *s, const char *path, bronze_control_fn *on_control,
                                 void *ctx, struct bronze **ret_log, struct err *e);
must_use int bronze_start(struct bronze *log, struct err *e); /* starts its threads */
/* Everything appended becomes durable, an empty block seals the tail, threads end. */
void bronze_stop(struct bronze *log);
struct bronze *bronze_close(struct bronze *log); /* takes NULL; returns NULL */
/* Without threads (simulation, offline tools): one turn of the log thread / the segment thread.
 * Inside itself (a slow device lets others work) it does nothing. */
void bronze_step(struct bronze *log, uint64_t wait_us);
void bronze_segment_step(struct bronze *log);

struct uuid bronze_uuid(const struct bronze *log);
uint64_t bronze_timeline(const struct bronze *log);
uint64_t bronze_epoch(const struct bronze *log);
const char *bronze_folder(const struct bronze *log); /* the data folder; borrowed */

/* ---- append ---- */

enum bronze_outcome {
    BRONZE_FULL = 1, /* a limit is reached, or no segment is ready: ask again when on_room rings */
    BRONZE_NO_SPACE = 2, /* the same, and the reason is that the disk is full */
    BRONZE_END = 3,      /* reader: nothing more is durable yet */
};

/* One request: all of it in one block (L6). Filled by the caller; borrowed for the call. */
struct bronze_append {
    enum bronze_kind kind;
    uint32_t table_id, descriptor_id;
    uint64_t stream_id, offset;
    const struct slice *rows; /* CONTROL: exactly one */
    uint32_t row_count;       /* 0 is fine: the request leaves an empty frame */
    bool urgent;              /* it has waited: though large, it does not let small ones pass */
    /* set on return 0 */
    bronze_pos first_pos, last_pos; /* last_pos = first_pos - 1 when row_count is 0 */
    uint64_t ticket;
    /* Or NULL: a further frame of the same request, of another table; filled and set likewise. It
     * stands in the same block, behind this one. */
    struct bronze_append *also;
};

/*
 * Copy the request into the open block. Any thread; does not block.
 * Returns: 0, BRONZE_FULL, BRONZE_NO_SPACE; ERR_INVALID when it can never fit into a block.
 */
must_use int bronze_append(struct bronze *log, struct bronze_append *a);

/*
 * Would a request of about @payload bytes be taken now? For large ones: asked before the work of
 * looking at their rows. Returns 0, BRONZE_FULL, BRONZE_NO_SPACE; a promise of nothing.
 */
must_use int bronze_room(struct bronze *log, uint64_t payload);

/* The durable end: all tickets / positions up to it are on stable storage (L3). Any thread,
 * wait-free. */
uint64_t bronze_durable_ticket(const struct bronze *log);
bronze_pos bronze_durable_pos(const struct bronze *log);
bronze_pos bronze_appended_pos(const struct bronze *log);
/* The log's clock, µs since 1970: what a request would get for its arrival now. Never before the
 * arrival of one that is in the log, though the wall clock may go back. Any thread. */
int64_t bronze_now_us(struct bronze *log);
/* Blocks the calling thread until @ticket is durable; ERR_TIMEOUT. Not on a loop that must not
 * block. A log without threads is turned meanwhile. */
must_use int bronze_wait(struct bronze *log, uint64_t ticket, uint32_t timeout_ms);

/* Called by the log thread after the durable end has moved (on_durable), and when appends may
 * succeed again after BRONZE_FULL (on_room). Must be quick: ring a bell. Register before start. */
struct bronze_listener {
    void (*on_durable)(void *ctx);
    void (*on_room)(void *ctx);
    void *ctx;
    struct bronze_listener *next; /* private */
};
void bronze_listen(struct bronze *log, struct bronze_listener *l);

/* ---- follow ---- */

/*
 * A reader sees the durable blocks in order, from memory while it keeps up, else from the device.
 * The frames of a block are borrowed until the next call on this reader. A block held for long
 * keeps the log from reusing memory: give it back with bronze_reader_release() before slow work.
 */
struct bronze_reader;

struct bronze_block {
    uint64_t ticket;
    bronze_pos first_pos, end_pos; /* positions [first_pos, end_pos) */
    uint32_t frame_count;
    uint64_t bytes;           /* on the device */
    int64_t first_time_us;    /* arrival of its first frame */
    uint64_t segment, offset; /* where it stands */
    struct slice frames;      /* private: walk with bronze_block_frame() */
};

/* Walks the frames: *at starts at 0; false at the end. */
bool bronze_block_frame(const struct bronze_block *b, size_t *at, struct bronze_frame *ret_frame);

/* From the block that holds position @from (or the next after it). ERR_NOT_FOUND: trimmed
 * already. */
must_use int bronze_reader_open(struct bronze *log, const char *name, bronze_pos from,
                                struct bronze_reader **ret_reader, struct err *e);
struct bronze_reader *bronze_reader_close(struct bronze_reader *r); /* takes NULL; returns NULL */
/* 0 with a block, BRONZE_END, or ERR_DAMAGED (a broken promise: the caller ends the process). */
must_use int bronze_reader_next(struct bronze_reader *r, struct bronze_block *ret_block,
                                struct err *e);
void bronze_reader_release(struct bronze_reader *r);
/* Wait until a block is there for this reader, bronze_reader_wake() or @timeout_us. */
void bronze_reader_wait(struct bronze_reader *r, uint64_t timeout_us);
void bronze_reader_wake(struct bronze_reader *r); /* from any thread */

/* ---- trim ---- */

/*
 * Segments that lie wholly below @bound (positions < bound) may be reused (I4). The caller has made
 * sure that control records still in force stand at or above it (L7). Any thread.
 */
void bronze_trim(struct bronze *log, bronze_pos bound);
bronze_pos
bronze_trimmed_pos(const struct bronze *log); /* the first position that is still there */
/* The position at which a trim would free at least one more segment, and how full the log is. */
struct bronze_usage {
    uint64_t log_bytes, log_bytes_max; /* segments in use or made ahead; the limit */
    bronze_pos next_trim_pos; /* first position of the second oldest segment; 0 = only one */
    uint64_t segments, writes, write_errors, full_events;
    bool stalled;  /* no segment is ready: appends are refused just now */
    bool no_space; /* the last try to make a segment failed for space */
};
void bronze_usage(struct bronze *log, struct bronze_usage *ret_usage);

/*
 * First position of the segment where the last @bytes of the log up to @pos begin, in whole
 * segments, the one of @pos counted; 0 = the log does not reach back so far. Who still needs a
 * position below it holds more than that.
 */
bronze_pos bronze_behind(struct bronze *log, bronze_pos pos, uint64_t bytes);

/*
 * While on, a full log takes control records though its limit is reached: a snapshot of the catalog
 * must get through, or a full log could never be trimmed (L7), and so must what an operator gets
 * out of it with. Each on has its off; several may be on at once. All of them together take at most
 * half of the log's memory and one segment beyond the limit; until trims have given that back,
 * everything else waits, also after the last off. Any thread.
 */
void bronze_overdraw(struct bronze *log, bool on);

struct trace_hist;
const struct trace_hist *bronze_write_hist(const struct bronze *log); /* device write, µs */

/* ---- offline: read segment files as they are ---- */

/* Shows each valid block of a closed or live log; stops at the first invalid one of each life. */
typedef int bronze_dump_fn(void *ctx, const char *segment, const struct bronze_block *b);
must_use int bronze_dump(struct sys *s, const char *path, bronze_dump_fn *fn, void *ctx,
                         struct err *e);
