/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sys: the only door to the kernel, the clock, randomness and threads. Two backends stand behind
 * one face: "uring" (files, io_uring where the system has it, else pwritev2) and "sim" (files in
 * memory, virtual time). Threads and events are real in both; code under the simulator simply does
 * not start threads but calls the same step functions itself.
 *
 * All functions are safe from any thread unless they say otherwise. Paths are absolute or relative
 * to the process's folder; they are borrowed for the call. Failures carry the path and the system's
 * reason in @e (which may be NULL).
 */

#include "base/attr.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sys; /* a backend; made once by the program, handed to everything */

must_use int sys_new_uring(struct sys **ret_sys, struct err *e);
struct sys *sys_new_sim(uint64_t seed);
struct sys *sys_free(struct sys *s); /* takes NULL; returns NULL */

/* "io_uring" or "pwritev2": how ring writes are done, for the start-up message (rule L11). */
const char *sys_write_method(const struct sys *s);
/* Why it is not io_uring, for people; NULL when nothing stands in its way. */
const char *sys_write_fallback(const struct sys *s);

/* ---- time and chance ---- */

int64_t sys_now_us(struct sys *s);                     /* wall clock, µs since 1970 UTC */
uint64_t sys_mono_ns(struct sys *s);                   /* never goes back */
void sys_random(struct sys *s, void *buf, size_t len); /* cryptographic; seeded under sim */
void sys_sleep_ms(struct sys *s, uint32_t ms);

/* ---- files ---- */

struct sys_file;

#define SYS_BLOCK 4096u /* unit of SYS_DIRECT */

enum sys_open_flags {
    SYS_READ = 0,
    SYS_WRITE = 1,     /* read and write */
    SYS_CREATE = 2,    /* make it if missing */
    SYS_EXCLUSIVE = 4, /* with CREATE: ERR_EXISTS if it is there */
    SYS_DIRECT = 8,    /* O_DIRECT: offsets, lengths and buffers in multiples of SYS_BLOCK */
    SYS_DSYNC = 16,    /* a write returns when it is on stable storage */
    SYS_TRUNCATE = 32,
    SYS_APPEND = 64,
};

must_use int sys_open(struct sys *s, const char *path, unsigned flags, struct sys_file **ret_file,
                      struct err *e);
struct sys_file *sys_close(struct sys_file *f); /* takes NULL; returns NULL; drops its lock */
CLEANUP_FUNC(struct sys_file *, sys_close)

/* Exactly @len bytes at @offset, or an error: ERR_DAMAGED when the file ends before. */
must_use int sys_read(struct sys_file *f, void *buf, size_t len, uint64_t offset, struct err *e);
/* At most @len bytes; *ret_len < len only at the end of the file. */
must_use int sys_read_some(struct sys_file *f, void *buf, size_t len, uint64_t offset,
                           size_t *ret_len, struct err *e);
/* All of @buf at @offset, or an error (then the file's content there is unknown). */
must_use int sys_write(struct sys_file *f, const void *buf, size_t len, uint64_t offset,
                       struct err *e);
must_use int sys_sync(struct sys_file *f, struct err *e); /* data and what is needed to read it */
must_use int sys_size(struct sys_file *f, uint64_t *ret_size, struct err *e);
must_use int sys_allocate(struct sys_file *f, uint64_t size, struct err *e); /* reserve blocks */
must_use int sys_truncate(struct sys_file *f, uint64_t size, struct err *e);
/*
 * flock, exclusive. It belongs to the open file, writes in flight included: a lock of a killed
 * process is free only when its last write has landed (rule L1). With @wait_ms 0 does not wait.
 * Returns ERR_BUSY when another holds it.
 */
must_use int sys_lock(struct sys_file *f, uint32_t wait_ms, struct err *e);

/* ---- folders and names ---- */

must_use int sys_mkdir(struct sys *s, const char *path, struct err *e); /* ERR_EXISTS if there */
must_use int sys_mkdirs(struct sys *s, const char *path,
                        struct err *e); /* with parents; fine if there */
must_use int sys_sync_dir(struct sys *s, const char *path, struct err *e);
must_use int sys_unlink(struct sys *s, const char *path, struct err *e);
must_use int sys_rename(struct sys *s, const char *from, const char *to,
                        struct err *e); /* replaces */
/* rename that never replaces: ERR_EXISTS when @to is there. Atomic. */
must_use int sys_rename_new(struct sys *s, const char *from, const char *to, struct err *e);
must_use int sys_exists(struct sys *s, const char *path, bool *ret_exists, struct err *e);
struct sys_stat {
    bool is_folder;
    uint64_t size;       /* of a file */
    int64_t modified_us; /* a file's last write, by the wall clock of that moment */
};
must_use int sys_stat(struct sys *s, const char *path, struct sys_stat *ret_stat, struct err *e);
must_use int sys_free_bytes(struct sys *s, const char *path, uint64_t *ret_bytes, struct err *e);

/* Names in a folder (without . and ..), sorted by bytes. */
struct sys_names {
    char **names;
    size_t count;
};
must_use int sys_list(struct sys *s, const char *path, struct sys_names *ret_names, struct err *e);
void sys_names_deinit(struct sys_names *n);

/* Whole small files. Read: at most @len_max bytes, else ERR_EXHAUSTED. Gives *ret_data
 * (mem_free). */
must_use int sys_read_file(struct sys *s, const char *path, size_t len_max, char **ret_data,
                           size_t *ret_len, struct err *e);
/* Durable replace: temporary file, sync, rename, sync of the folder. */
must_use int sys_write_file(struct sys *s, const char *path, struct slice data, struct err *e);

/* ---- asynchronous durable writes: the log's ring ---- */

struct sys_ring; /* used by one thread, except sys_ring_wake() */

struct sys_done {
    uint64_t tag;
    /* 0 = all bytes are on stable storage; else a negative ERR_ code (short write too) */
    int result;
};

must_use int sys_ring_new(struct sys *s, unsigned depth, struct sys_ring **ret_ring, struct err *e);
struct sys_ring *sys_ring_free(struct sys_ring *r);
/*
 * Start one durable write; @file was opened SYS_DIRECT | SYS_DSYNC. @data is borrowed until the
 * completion with @tag. At most @depth at once. With the pwritev2 method it is done when it returns
 * and its completion waits to be reaped.
 */
must_use int sys_ring_write(struct sys_ring *r, struct sys_file *file, struct slice data,
                            uint64_t offset, uint64_t tag);
/*
 * Completions, in any order. Waits until there is one, a wake, or @timeout_us (0 = do not wait,
 * UINT64_MAX = for ever). Returns their number, 0..max.
 */
unsigned sys_ring_wait(struct sys_ring *r, struct sys_done *done, unsigned max,
                       uint64_t timeout_us);
/* Make a present or the next sys_ring_wait() return. From any thread; costs a system call. */
void sys_ring_wake(struct sys_ring *r);

/* ---- reading ahead ---- */

struct sys_fetch; /* one read beside its caller's work; used by one thread */

/* NULL where the system has none (no io_uring, the simulator): read when the bytes are needed. */
struct sys_fetch *sys_fetch_new(struct sys *s);
/* Takes NULL; returns NULL. Waits for a read that is under way. */
struct sys_fetch *sys_fetch_free(struct sys_fetch *f);
/* Begin to read. One at a time; @file and @buf (SYS_DIRECT: aligned as for sys_read()) are the
 * fetch's until sys_fetch_end() or sys_fetch_free(). False: the kernel does not take it just now,
 * and nothing is under way. */
must_use bool sys_fetch_begin(struct sys_fetch *f, struct sys_file *file, void *buf, size_t len,
                              uint64_t offset);
/* Wait for it: 0 when all bytes are in the buffer, else as sys_read(). */
must_use int sys_fetch_end(struct sys_fetch *f, struct err *e);

/* ---- threads ---- */

struct sys_thread;
typedef void sys_thread_fn(void *arg);
must_use int sys_thread_start(struct sys *s, const char *name, sys_thread_fn *fn, void *arg,
                              struct sys_thread **ret_thread);
/* How much of contended processors the calling thread takes: an equal share (how threads begin), a
 * sliver, or only what others leave (bulk work that may wait). Changes speed only. */
enum sys_share { SYS_SHARE_EQUAL, SYS_SHARE_SLIVER, SYS_SHARE_REST };
void sys_thread_share(enum sys_share share);
/* For bulk work, called after each millisecond of it or more often: on the rest, it sleeps for a
 * moment now and then, so that threads which wait for another processor can be moved to this one
 * (the kernel does so when a processor falls idle, and seldom else). Nothing on other shares. */
void sys_thread_make_way(void);
/* May a thread that lives on the rest take an equal share again? (Linux wants the nice limit or
 * CAP_SYS_NICE for it; from a sliver nobody comes back without.) Tried out on a thread of its own;
 * blocks shortly. */
bool sys_thread_may_return(struct sys *s);
/* The calling thread, when it wakes, waits for a processor instead of interrupting who runs
 * there. */
void sys_thread_wake_gently(void);
void sys_thread_join(struct sys_thread *t); /* takes NULL; frees */
/* CPU time that the calling thread has used, ns. */
uint64_t sys_thread_cpu_ns(void);

/*
 * A mutex. Never held across I/O or a call into another module's callback. Spins for a moment
 * before it sleeps. Decision 0003 lists each one and their order.
 */
struct sys_mutex {
    uint32_t state; /* private */
};
#define SYS_MUTEX_INIT ((struct sys_mutex){0})
void sys_mutex_lock(struct sys_mutex *m);
void sys_mutex_unlock(struct sys_mutex *m);

/*
 * An event count: a waiter reads the count, checks its condition, waits while the count is the
 * same.
 *   uint32_t seen = sys_event_read(&ev); if (!condition) sys_event_wait(&ev, seen, timeout_us);
 * A signal costs a system call only when somebody waits.
 */
struct sys_event {
    uint32_t count, waiters; /* private */
};
#define SYS_EVENT_INIT ((struct sys_event){0, 0})
uint32_t sys_event_read(struct sys_event *ev);
void sys_event_signal(struct sys_event *ev); /* wakes all */
void sys_event_wait(struct sys_event *ev, uint32_t seen, uint64_t timeout_us);

/* ---- process ---- */

uint64_t sys_resident_bytes(void);
unsigned sys_cpu_count(void);
