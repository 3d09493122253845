/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of bronze share. Layouts: docs/formats/bronze.md. */

#include "bronze/bronze.h"

#include "base/limits.h"
#include "sys/bug.h"
#include "sys/point.h"
#include "sys/sys.h"
#include "trace/trace.h"

#include <stdatomic.h>

#define SEGMENT_HEADER_BYTES 4096u
#define BLOCK_ALIGN          4096u
#define BLOCK_HEADER_BYTES   128u
#define FRAME_HEADER_BYTES   64u
#define FRAME_ALIGN          8u
#define READ_CHUNK_BYTES     (4u * 1024 * 1024)
#define IDLE_SEAL_US         5000u
#define SPARE_SEGMENTS_NEW   2            /* so many are made ahead */
#define SPARE_SEGMENTS_MAX   16           /* so many are kept of what was trimmed … */
#define SPARE_BYTES_MAX      (1ull << 30) /* … and no more than this: a start looks at each */
#define SEGMENT_NAME_LEN     24

/* ---- record.c: bytes ---- */

struct segment_header {
    struct uuid uuid;
    uint64_t timeline, epoch, number, bytes;
    bronze_pos first_pos;
    uint64_t first_ticket;
    bronze_pos life_pos; /* end of the previous life */
    uint64_t life_ticket;
    int64_t created_us;
};

struct block_header {
    uint64_t epoch, ticket, segment, offset;
    bronze_pos first_pos;
    uint32_t row_count, frame_count, frame_bytes, bytes, payload_crc;
    uint64_t durable_ticket;
    int64_t first_time_us;
};

void bronze__segment_encode(const struct segment_header *h, uint8_t out[SEGMENT_HEADER_BYTES]);
bool bronze__segment_decode(const uint8_t in[SEGMENT_HEADER_BYTES], struct segment_header *ret);
/* @block holds the frames from byte 128 and zeros behind; fills header and both checksums. */
void bronze__block_seal(const struct uuid *uuid, const struct block_header *h, uint8_t *block);
/* Header only: magic, checksum, UUID. */
bool bronze__block_decode(const struct uuid *uuid, const uint8_t *in, struct block_header *ret);
bool bronze__block_payload_ok(const struct uuid *uuid, const struct block_header *h,
                              const uint8_t *block);
void bronze__frame_encode(const struct bronze_frame *f, uint32_t payload_len, uint8_t *out);
struct bronze_block bronze__block_view(const struct block_header *h, const uint8_t *block);
/* Do the frames lie in the block, their rows in the frames, and add up to what the header says?
 * What bronze_block_frame() and bronze_frame_row() then take for granted. */
bool bronze__block_frames_ok(const struct bronze_block *b);

/* ---- scan.c: the blocks of one segment file, front to back ---- */

struct scan {
    struct sys_file *file; /* borrowed */
    const struct sys *sys; /* NULL, or for whom planted bugs count */
    struct uuid uuid;
    uint64_t number, epoch, file_bytes;
    uint64_t offset; /* of the next block */
    uint64_t ticket; /* that it must have */
    bronze_pos pos;
    /* @bytes, somewhere in @buf, hold [buf_offset, buf_offset + buf_len) of the file. */
    uint8_t *buf, *bytes;
    size_t buf_cap, buf_len;
    uint64_t buf_offset;
    /* What comes next is on its way into @ahead, ahead_len bytes (0: nothing is). */
    struct sys_fetch *fetch; /* borrowed; NULL: the next bytes are read when they are needed */
    uint8_t *ahead;
    size_t ahead_cap, ahead_len;
};

void bronze__scan_init(struct scan *s, struct sys_file *file, const struct segment_header *h,
                       uint64_t file_bytes);
void bronze__scan_deinit(struct scan *s); /* waits for what is on its way */
void bronze__scan_forget(struct scan *s); /* what was read is old: the next bytes are read afresh */
enum scan_outcome { SCAN_STOP = 1 };      /* the bytes at s->offset are not the next block */
must_use int bronze__scan_next(struct scan *s, struct bronze_block *ret_block, struct err *e);
/* Bytes [offset, offset + len) in the buffer, or NULL when the file ends before. */
must_use int bronze__scan_bytes(struct scan *s, uint64_t offset, size_t len,
                                const uint8_t **ret_bytes, struct err *e);

/* ---- segments ---- */

struct segment {
    uint64_t number, epoch;
    bronze_pos first_pos;
    uint64_t first_ticket;
    uint64_t end_ticket;   /* the ticket after its last; UINT64_MAX while it is written to */
    struct sys_file *file; /* open for writing: this life's only */
};

/* A trimmed segment on its way to reuse or removal; @file is set when it is this life's. */
struct recycled {
    uint64_t number;
    struct sys_file *file;
};

/* A prepared file: named, written once, in the folder durably; header invalid until it is used. */
struct spare {
    uint64_t number;
    struct sys_file *file;
};

void bronze__segment_name(uint64_t number, char out[SEGMENT_NAME_LEN + 1]);
char *bronze__segment_path(const struct bronze *log, uint64_t number); /* given */
/* A new file of zeros, or (with @old->file) the recycled one: taken; after a failure *old says
 * its name now. */
must_use int bronze__segment_prepare(struct bronze *log, uint64_t number, struct recycled *old,
                                     struct sys_file **ret_file, struct err *e);
/* Header durable, entry added: @file becomes the segment that is written to. */
must_use int bronze__segment_use(struct bronze *log, struct spare sp, bronze_pos first_pos,
                                 uint64_t first_ticket, struct err *e);
struct segment *bronze__segment_of_pos(struct bronze *log, bronze_pos pos);     /* under lock */
struct segment *bronze__segment_of_ticket(struct bronze *log, uint64_t ticket); /* under lock */
void bronze__segment_push(struct bronze *log, struct segment s); /* under lock, or at start */

/* ---- the log ---- */

/* What is known of a block that stands in memory; slot = ticket & slot_mask. */
struct block_slot {
    uint64_t ticket;
    uint64_t virt; /* place in the ring, ever growing; memory = virt % ring_bytes */
    uint64_t segment, offset;
    struct block_header header;
    bool done; /* its write has completed */
};

struct bronze {
    struct sys *sys;
    char *path, *log_path;
    struct uuid uuid;
    uint64_t timeline, epoch;
    uint64_t segment_bytes, log_bytes_max;
    uint32_t block_bytes_max, second_write_bytes_min, gather_from_bytes, gather_bytes;
    /* Its step is on the stack: in a simulation it may sleep there and let others work. */
    bool log_turns, segment_turns;
    bronze_pos life_pos; /* where this life began */
    uint64_t life_ticket;
    struct sys_file *lock_file; /* NULL when is_locked */
    bool is_locked;             /* by who opened it, for longer than the log is open */

    /* Under `lock`: the open block, the ring, the queue of closed blocks, segments, readers. */
    struct sys_mutex lock;
    uint8_t *ring;
    uint64_t ring_bytes;
    uint64_t write_end; /* virt: bytes below it minus ring_bytes have been overwritten */
    struct block_slot *slots;
    uint64_t slot_mask;
    uint64_t open_ticket;   /* the open block's; blocks [submit_ticket, open_ticket) are closed */
    uint64_t submit_ticket; /* the next to be submitted */
    uint64_t open_virt;
    uint32_t open_used; /* frame bytes, from byte 128 */
    uint32_t open_frames, open_rows;
    bronze_pos open_first_pos;
    int64_t open_time_us;
    uint32_t last_frame; /* offset of the open block's last frame from byte 128 */
    bool last_is_singles;
    struct bronze_frame last; /* its header, when last_is_singles */
    uint64_t limit_virt;      /* appends may write below it without asking again */
    uint64_t closed_bytes;    /* closed, not yet submitted */
    int64_t last_time_us;
    unsigned in_flight;
    bool want_room, no_space, stopping, stalled;
    uint64_t wake_bytes; /* the log thread sleeps until so many wait; UINT64_MAX: it is awake */
    uint32_t overdraws;  /* who lets control records in beyond the limit just now */
    struct segment *segments;
    size_t segment_count, segment_cap;
    struct spare spares[SPARE_SEGMENTS_MAX];
    size_t spare_count;
    uint64_t next_number;     /* of the next segment to prepare */
    struct recycled *recycle; /* trimmed segments that wait for the segment thread */
    size_t recycle_count;
    uint64_t disk_segments; /* files on the device, spares too */
    bool segments_fail;     /* segment thread only: the last job failed, and that was told */
    struct bronze_reader *readers;

    /* Log thread only. */
    struct sys_ring *io;
    uint64_t current_number; /* the segment that is written to: the list above moves at a trim */
    struct sys_file *current_file;
    uint64_t segment_offset;     /* next free byte of the current segment */
    bool sealed;                 /* nothing was written since the last empty block */
    uint64_t quiet_ns;           /* when the last write completed */
    uint64_t last_ns;            /* when the last write began */
    uint32_t last_bytes;         /* what it carried */
    uint64_t came_bytes;         /* what waited when a write had completed */
    uint64_t step_ns, step_virt; /* of gathering: when a step ends, what was there at its begin */

    _Atomic uint64_t durable_ticket; /* the newest durable block */
    _Atomic uint64_t durable_pos;    /* the last durable position */
    _Atomic uint64_t appended_pos;
    struct sys_event durable_event; /* waiters and readers */
    struct sys_event segment_event; /* the segment thread has work */
    struct bronze_listener *listeners;
    struct sys_thread *log_thread, *segment_thread;
    _Atomic bool stop_segment_thread;

    struct trace_hist write_hist;
    struct trace_counter writes, full_events;
    uint64_t submit_ns[WRITES_IN_FLIGHT_MAX];
    uint64_t submit_tickets[WRITES_IN_FLIGHT_MAX]; /* 0 = free */
};

/* append.c */
void bronze__open_block(struct bronze *log, uint64_t ticket, bronze_pos first_pos); /* under lock */
void bronze__close_open_block(struct bronze *log);                                  /* under lock */
bool bronze__has_room(struct bronze *log,
                      uint64_t end); /* under lock: may memory below virt @end be written? */
static inline uint8_t *bronze__memory(const struct bronze *log, uint64_t virt)
{
    return log->ring + virt % log->ring_bytes;
}
static inline struct block_slot *bronze__slot(const struct bronze *log, uint64_t ticket)
{
    return &log->slots[ticket & log->slot_mask];
}

/* Under the lock: does it hold more than it may? By an overdraft, or by the segment that a start
 * takes for itself. Rows wait until trims have given that back. */
static inline bool bronze__is_over(const struct bronze *log)
{
    return log->disk_segments * log->segment_bytes > log->log_bytes_max &&
           !sys_bug(log->sys, SYS_BUG_NO_LIMIT); /* against I6 */
}
/* Under the lock: is somebody to be told, outside of it, that there may be room? */
bool bronze__room_wanted(struct bronze *log);
void bronze__tell_room(struct bronze *log); /* not under the lock */

/* write.c: everything appended written, an empty block behind it (or stalled) */
void bronze__write_tail(struct bronze *log);

/* recover.c */
struct recovered {
    bronze_pos next_pos;
    uint64_t next_ticket;
    uint64_t max_epoch, max_number;
    int64_t last_time_us;
};
must_use int bronze__recover(struct bronze *log, bronze_control_fn *on_control, void *ctx,
                             struct recovered *ret, struct err *e);

/* follow.c */
struct bronze_reader {
    struct bronze *log;
    char *name;
    uint64_t ticket;   /* the next block to show */
    bronze_pos from;   /* blocks that end at or before it are skipped */
    uint64_t pin_virt; /* UINT64_MAX = nothing pinned */
    _Atomic bool woken;
    uint64_t last_segment, last_end_offset; /* where the last shown block ended */
    bronze_pos last_end_pos;
    uint64_t segment; /* of the open file, 0 = none */
    struct sys_file *file;
    struct sys_fetch *fetch; /* from the first segment file on; may be NULL */
    struct scan scan;
    struct bronze_reader *next;
};

/* A reader that begins with the block that stands at @b's ticket, segment, offset and first_pos. */
struct bronze_reader *bronze__reader_at(struct bronze *log, const char *name,
                                        const struct bronze_block *b);
