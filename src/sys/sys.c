/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The face: checks arguments the same way for both backends and calls through the backend's table.
 * What can be said in terms of smaller calls (mkdirs, whole files, waiting for a lock) stands here
 * once. Any thread.
 */
#include "sys/sys.h"
#include "sys_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOCK_POLL_NS 2000000u

struct sys *sys_free(struct sys *s)
{
    if (s != NULL)
        s->ops->free(s);
    return NULL;
}

const char *sys_write_method(const struct sys *s)
{
    return s->ops->write_method(s);
}

const char *sys_write_fallback(const struct sys *s)
{
    return s->write_fallback;
}

int sys__fail(struct err *e, int errnum, const char *path, const char *doing)
{
    const char *why = strerrordesc_np(errnum);
    return err_set(e, err_from_errno(errnum), "%s: cannot %s: %s", path, doing,
                   why ? why : "unknown error");
}

int64_t sys_now_us(struct sys *s)
{
    return s->ops->now_us(s);
}

uint64_t sys_mono_ns(struct sys *s)
{
    return s->ops->mono_ns(s);
}

void sys_random(struct sys *s, void *buf, size_t len)
{
    s->ops->random(s, buf, len);
}

void sys_sleep_ms(struct sys *s, uint32_t ms)
{
    s->ops->sleep_ns(s, (uint64_t)ms * 1000000u);
}

/* ---- files ---- */

int sys_open(struct sys *s, const char *path, unsigned flags, struct sys_file **ret_file,
             struct err *e)
{
    unsigned needs_write = SYS_DSYNC | SYS_TRUNCATE | SYS_APPEND;

    must(path != NULL);
    if ((flags & needs_write) != 0 && (flags & SYS_WRITE) == 0)
        return err_set(e, ERR_INVALID, "%s: opened for reading with flags for writing", path);
    if ((flags & SYS_EXCLUSIVE) != 0 && (flags & SYS_CREATE) == 0)
        return err_set(e, ERR_INVALID, "%s: opened exclusively without creating it", path);
    return s->ops->open(s, path, flags, ret_file, e);
}

struct sys_file *sys_close(struct sys_file *f)
{
    if (f != NULL)
        f->sys->ops->close(f);
    return NULL;
}

static int check_alignment(const struct sys_file *f, const void *buf, size_t len, uint64_t offset,
                           struct err *e)
{
    if ((f->flags & SYS_DIRECT) == 0 || (((uintptr_t)buf | len | offset) & (SYS_BLOCK - 1)) == 0)
        return 0;
    return err_set(e, ERR_INVALID, "%s: direct access to %zu bytes at %llu is not aligned", f->path,
                   len, (unsigned long long)offset);
}

static int check_writable(const struct sys_file *f, struct err *e)
{
    if ((f->flags & SYS_WRITE) != 0)
        return 0;
    return err_set(e, ERR_INVALID, "%s: opened for reading only", f->path);
}

int sys_read_some(struct sys_file *f, void *buf, size_t len, uint64_t offset, size_t *ret_len,
                  struct err *e)
{
    TRY(check_alignment(f, buf, len, offset, e));
    return f->sys->ops->read_some(f, buf, len, offset, ret_len, e);
}

int sys_read(struct sys_file *f, void *buf, size_t len, uint64_t offset, struct err *e)
{
    size_t got = 0;

    TRY(sys_read_some(f, buf, len, offset, &got, e));
    if (got < len)
        return err_set(e, ERR_DAMAGED, "%s: ends after %zu of %zu bytes at %llu", f->path, got, len,
                       (unsigned long long)offset);
    return 0;
}

int sys_write(struct sys_file *f, const void *buf, size_t len, uint64_t offset, struct err *e)
{
    TRY(check_writable(f, e));
    TRY(check_alignment(f, buf, len, offset, e));
    return f->sys->ops->write(f, buf, len, offset, e);
}

int sys_sync(struct sys_file *f, struct err *e)
{
    return f->sys->ops->sync(f, e);
}

int sys_size(struct sys_file *f, uint64_t *ret_size, struct err *e)
{
    return f->sys->ops->size(f, ret_size, e);
}

int sys_allocate(struct sys_file *f, uint64_t size, struct err *e)
{
    TRY(check_writable(f, e));
    return f->sys->ops->allocate(f, size, e);
}

int sys_truncate(struct sys_file *f, uint64_t size, struct err *e)
{
    TRY(check_writable(f, e));
    return f->sys->ops->truncate(f, size, e);
}

int sys_lock(struct sys_file *f, uint32_t wait_ms, struct err *e)
{
    struct sys *s = f->sys;
    uint64_t deadline = s->ops->mono_ns(s) + (uint64_t)wait_ms * 1000000u;

    for (;;) {
        int r = s->ops->try_lock(f, e);
        if (r != ERR_BUSY)
            return r;
        uint64_t now = s->ops->mono_ns(s);
        if (now >= deadline)
            return err_set(e, ERR_BUSY, "%s: locked by another process", f->path);
        s->ops->sleep_ns(s, MIN(deadline - now, (uint64_t)LOCK_POLL_NS));
    }
}

/* ---- folders and names ---- */

char *sys__parent(const char *path)
{
    size_t len = strlen(path);

    while (len > 1 && path[len - 1] == '/')
        len--;
    while (len > 0 && path[len - 1] != '/')
        len--;
    while (len > 1 && path[len - 1] == '/')
        len--;
    return len == 0 ? mem_strdup(".") : mem_strndup(path, len);
}

int sys_mkdir(struct sys *s, const char *path, struct err *e)
{
    return s->ops->mkdir(s, path, e);
}

static int mkdir_one(struct sys *s, const char *path, struct err *e)
{
    struct err own;
    int r = s->ops->mkdir(s, path, &own);

    if (r == ERR_EXISTS)
        return s->ops->sync_dir(s, path, e); /* refuses what is not a folder */
    if (r < 0)
        return err_set(e, r, "%s", own.text);
    _cleanup_(mem_freep) char *parent = sys__parent(path);
    return s->ops->sync_dir(s, parent, e);
}

int sys_mkdirs(struct sys *s, const char *path, struct err *e)
{
    _cleanup_(mem_freep) char *copy = mem_strdup(path);
    bool there = false;

    for (size_t i = 1; copy[i] != '\0' && copy[0] != '\0'; i++) {
        if (copy[i] != '/' || copy[i - 1] == '/')
            continue;
        copy[i] = '\0';
        TRY(s->ops->exists(s, copy, &there, e));
        if (!there)
            TRY(mkdir_one(s, copy, e));
        copy[i] = '/';
    }
    return mkdir_one(s, copy, e);
}

int sys_sync_dir(struct sys *s, const char *path, struct err *e)
{
    return s->ops->sync_dir(s, path, e);
}

int sys_unlink(struct sys *s, const char *path, struct err *e)
{
    return s->ops->unlink(s, path, e);
}

int sys_rename(struct sys *s, const char *from, const char *to, struct err *e)
{
    return s->ops->rename(s, from, to, true, e);
}

int sys_rename_new(struct sys *s, const char *from, const char *to, struct err *e)
{
    return s->ops->rename(s, from, to, false, e);
}

int sys_exists(struct sys *s, const char *path, bool *ret_exists, struct err *e)
{
    return s->ops->exists(s, path, ret_exists, e);
}

int sys_stat(struct sys *s, const char *path, struct sys_stat *ret_stat, struct err *e)
{
    return s->ops->stat(s, path, ret_stat, e);
}

int sys_free_bytes(struct sys *s, const char *path, uint64_t *ret_bytes, struct err *e)
{
    return s->ops->free_bytes(s, path, ret_bytes, e);
}

void sys__names_add(struct sys_names *n, const char *name)
{
    if ((n->count & (n->count - 1)) == 0) /* grows at 0, 1, 2, 4, 8 … */
        n->names = mem_realloc(n->names, (n->count == 0 ? 1 : n->count * 2) * sizeof(char *));
    n->names[n->count++] = mem_strdup(name);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int sys_list(struct sys *s, const char *path, struct sys_names *ret_names, struct err *e)
{
    struct sys_names names = {NULL, 0};
    int r = s->ops->list(s, path, &names, e);

    if (r < 0) {
        sys_names_deinit(&names);
        return r;
    }
    if (names.count > 1)
        qsort(names.names, names.count, sizeof(char *), compare_names);
    *ret_names = names;
    return 0;
}

void sys_names_deinit(struct sys_names *n)
{
    for (size_t i = 0; i < n->count; i++)
        mem_free(n->names[i]);
    mem_free(n->names);
    *n = (struct sys_names){NULL, 0};
}

/* ---- whole files ---- */

int sys_read_file(struct sys *s, const char *path, size_t len_max, char **ret_data, size_t *ret_len,
                  struct err *e)
{
    _cleanup_(sys_closep) struct sys_file *f = NULL;
    uint64_t size;

    TRY(sys_open(s, path, SYS_READ, &f, e));
    TRY(sys_size(f, &size, e));
    if (size > len_max)
        return err_set(e, ERR_EXHAUSTED, "%s: has %llu bytes, more than the limit of %zu", path,
                       (unsigned long long)size, len_max);
    _cleanup_(mem_freep) char *data = mem_alloc((size_t)size + 1);
    TRY(sys_read(f, data, (size_t)size, 0, e));
    data[size] = '\0';
    *ret_data = TAKE(data);
    *ret_len = (size_t)size;
    return 0;
}

int sys_write_file(struct sys *s, const char *path, struct slice data, struct err *e)
{
    _cleanup_(mem_freep) char *temporary = mem_printf("%s.tmp", path);
    _cleanup_(mem_freep) char *parent = sys__parent(path);
    struct sys_file *f = NULL;

    TRY(sys_open(s, temporary, SYS_WRITE | SYS_CREATE | SYS_TRUNCATE, &f, e));
    int r = sys_write(f, data.data, data.len, 0, e);
    if (r == 0)
        r = sys_sync(f, e);
    sys_close(f);
    if (r == 0)
        r = sys_rename(s, temporary, path, e);
    if (r < 0) {
        (void)sys_unlink(s, temporary, NULL); /* the first failure is the one to report */
        return r;
    }
    return sys_sync_dir(s, parent, e);
}

/* ---- the ring ---- */

int sys_ring_new(struct sys *s, unsigned depth, struct sys_ring **ret_ring, struct err *e)
{
    must(depth > 0);
    TRY(s->ops->ring_new(s, depth, ret_ring, e));
    (*ret_ring)->depth = depth;
    (*ret_ring)->in_flight = 0;
    return 0;
}

struct sys_ring *sys_ring_free(struct sys_ring *r)
{
    if (r != NULL)
        r->ops->free(r);
    return NULL;
}

int sys_ring_write(struct sys_ring *r, struct sys_file *file, struct slice data, uint64_t offset,
                   uint64_t tag)
{
    must((file->flags & SYS_WRITE) != 0);
    must((file->flags & SYS_DIRECT) != 0);
    must((file->flags & SYS_DSYNC) != 0);
    must((((uintptr_t)data.data | data.len | offset) & (SYS_BLOCK - 1)) == 0);
    must(data.len > 0);
    must(r->in_flight < r->depth);
    TRY(r->ops->write(r, file, data, offset, tag));
    r->in_flight++;
    return 0;
}

unsigned sys_ring_wait(struct sys_ring *r, struct sys_done *done, unsigned max, uint64_t timeout_us)
{
    must(max > 0);
    unsigned n = r->ops->wait(r, done, max, timeout_us);
    must(n <= r->in_flight);
    r->in_flight -= n;
    return n;
}

void sys_ring_wake(struct sys_ring *r)
{
    r->ops->wake(r);
}
