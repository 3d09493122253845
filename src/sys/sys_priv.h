/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sys, inside: what a backend provides. The face in sys.c checks arguments once and then calls
 * through this table, so that both backends refuse the same mistakes.
 */

#include "sys/bug.h"
#include "sys/point.h"
#include "sys/sys.h"

#include <stdatomic.h>

struct sys_ops {
    void (*free)(struct sys *s);

    int64_t (*now_us)(struct sys *s);
    uint64_t (*mono_ns)(struct sys *s);
    void (*random)(struct sys *s, void *buf, size_t len);
    void (*sleep_ns)(struct sys *s, uint64_t ns);

    int (*open)(struct sys *s, const char *path, unsigned flags, struct sys_file **ret_file,
                struct err *e);
    void (*close)(struct sys_file *f);
    int (*read_some)(struct sys_file *f, void *buf, size_t len, uint64_t offset, size_t *ret_len,
                     struct err *e);
    int (*write)(struct sys_file *f, const void *buf, size_t len, uint64_t offset, struct err *e);
    int (*sync)(struct sys_file *f, struct err *e);
    int (*size)(struct sys_file *f, uint64_t *ret_size, struct err *e);
    int (*allocate)(struct sys_file *f, uint64_t size, struct err *e);
    int (*truncate)(struct sys_file *f, uint64_t size, struct err *e);
    int (*try_lock)(struct sys_file *f, struct err *e); /* ERR_BUSY: another has it; @e untouched */

    int (*mkdir)(struct sys *s, const char *path, struct err *e);
    int (*sync_dir)(struct sys *s, const char *path, struct err *e);
    int (*unlink)(struct sys *s, const char *path, struct err *e);
    int (*rename)(struct sys *s, const char *from, const char *to, bool may_replace, struct err *e);
    int (*exists)(struct sys *s, const char *path, bool *ret_exists, struct err *e);
    int (*stat)(struct sys *s, const char *path, struct sys_stat *ret_stat, struct err *e);
    int (*free_bytes)(struct sys *s, const char *path, uint64_t *ret_bytes, struct err *e);
    /* Unsorted; adds with sys__names_add(). */
    int (*list)(struct sys *s, const char *path, struct sys_names *names, struct err *e);

    int (*ring_new)(struct sys *s, unsigned depth, struct sys_ring **ret_ring, struct err *e);
    const char *(*write_method)(const struct sys *s);
};

struct sys_ring_ops {
    void (*free)(struct sys_ring *r);
    int (*write)(struct sys_ring *r, struct sys_file *f, struct slice data, uint64_t offset,
                 uint64_t tag);
    unsigned (*wait)(struct sys_ring *r, struct sys_done *done, unsigned max, uint64_t timeout_us);
    void (*wake)(struct sys_ring *r);
};

/* First member of each backend's own structs. */
struct sys {
    const struct sys_ops *ops;
    bool reads_beside;          /* fetch.c */
    const char *write_fallback; /* why the real one has no io_uring; NULL = it has */
    /* Set before threads start (point.h). */
    sys_point_fn *point_fn;
    void *point_ctx;
    enum sys_point crash_point;
    _Atomic long long crash_left; /* kill -9 when it goes from 1 to 0 */
#ifdef SLUICE_PLANTED_BUGS
    uint64_t bugs; /* one bit each (bug.h) */
#endif
};
struct sys_file {
    struct sys *sys;
    char *path; /* owned */
    unsigned flags;
};
struct sys_ring {
    const struct sys_ring_ops *ops;
    unsigned depth, in_flight; /* in_flight is kept by sys.c */
};

void sys__names_add(struct sys_names *n, const char *name);
char *sys__parent(const char *path); /* the folder that holds @path; gives (mem_free) */
int sys__fail(struct err *e, int errnum, const char *path, const char *doing);

/* Real files and names (file.c, name.c), used by the table in uring.c. */
struct sys_real_file {
    struct sys_file base;
    int fd;
};
int sys__file_open(struct sys *s, const char *path, unsigned flags, struct sys_file **ret_file,
                   struct err *e);
void sys__file_close(struct sys_file *f);
int sys__file_read_some(struct sys_file *f, void *buf, size_t len, uint64_t offset, size_t *ret_len,
                        struct err *e);
int sys__file_write(struct sys_file *f, const void *buf, size_t len, uint64_t offset,
                    struct err *e);
int sys__file_sync(struct sys_file *f, struct err *e);
int sys__file_size(struct sys_file *f, uint64_t *ret_size, struct err *e);
int sys__file_allocate(struct sys_file *f, uint64_t size, struct err *e);
int sys__file_truncate(struct sys_file *f, uint64_t size, struct err *e);
int sys__file_try_lock(struct sys_file *f, struct err *e);

int sys__name_mkdir(struct sys *s, const char *path, struct err *e);
int sys__name_sync_dir(struct sys *s, const char *path, struct err *e);
int sys__name_unlink(struct sys *s, const char *path, struct err *e);
int sys__name_rename(struct sys *s, const char *from, const char *to, bool may_replace,
                     struct err *e);
int sys__name_exists(struct sys *s, const char *path, bool *ret_exists, struct err *e);
int sys__name_stat(struct sys *s, const char *path, struct sys_stat *ret_stat, struct err *e);
int sys__name_free_bytes(struct sys *s, const char *path, uint64_t *ret_bytes, struct err *e);
int sys__name_list(struct sys *s, const char *path, struct sys_names *names, struct err *e);

/* The two rings of the real backend. */
int sys__uring_try(void); /* 0, or the errno of the kernel's refusal */
/* What a refusal means, and what to do; never NULL. */
const char *sys__uring_refusal(int errnum);
int sys__uring_new(unsigned depth, struct sys_ring **ret_ring, struct err *e);
int sys__syncring_new(unsigned depth, struct sys_ring **ret_ring, struct err *e);

uint64_t sys__real_mono_ns(void);
