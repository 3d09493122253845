/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real files: one descriptor each, positioned reads and writes, retried until all bytes are
 * through. A short transfer in the middle of direct access is the end of the file, because going
 * on there would not be aligned. Any thread.
 */
#include "sys_priv.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE 0640

static int fd_of(struct sys_file *f)
{
    return ((struct sys_real_file *)f)->fd;
}

static int open_flags(unsigned flags)
{
    int o = O_CLOEXEC | ((flags & SYS_WRITE) != 0 ? O_RDWR : O_RDONLY);

    o |= (flags & SYS_CREATE) != 0 ? O_CREAT : 0;
    o |= (flags & SYS_EXCLUSIVE) != 0 ? O_EXCL : 0;
    o |= (flags & SYS_DIRECT) != 0 ? O_DIRECT : 0;
    o |= (flags & SYS_DSYNC) != 0 ? O_DSYNC : 0;
    o |= (flags & SYS_TRUNCATE) != 0 ? O_TRUNC : 0;
    o |= (flags & SYS_APPEND) != 0 ? O_APPEND : 0;
    return o;
}

int sys__file_open(struct sys *s, const char *path, unsigned flags, struct sys_file **ret_file,
                   struct err *e)
{
    int fd = open(path, open_flags(flags), FILE_MODE);
    struct stat st;

    if (fd < 0)
        return sys__fail(e, errno, path, "open it");
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        (void)close(fd);
        return sys__fail(e, EISDIR, path, "open it");
    }
    struct sys_real_file *f = mem_zalloc(sizeof(*f));
    f->base.sys = s;
    f->base.path = mem_strdup(path);
    f->base.flags = flags;
    f->fd = fd;
    *ret_file = &f->base;
    return 0;
}

void sys__file_close(struct sys_file *f)
{
    (void)close(fd_of(f)); /* what had to be durable was synced; close can add nothing */
    mem_free(f->path);
    mem_free(f);
}

int sys__file_read_some(struct sys_file *f, void *buf, size_t len, uint64_t offset, size_t *ret_len,
                        struct err *e)
{
    size_t got = 0;

    while (got < len) {
        ssize_t n = pread(fd_of(f), (char *)buf + got, len - got, (off_t)(offset + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sys__fail(e, errno, f->path, "read it");
        got += (size_t)n;
        if (n == 0 || ((f->flags & SYS_DIRECT) != 0 && (n & (SYS_BLOCK - 1)) != 0))
            break;
    }
    *ret_len = got;
    return 0;
}

int sys__file_write(struct sys_file *f, const void *buf, size_t len, uint64_t offset, struct err *e)
{
    size_t put = 0;

    while (put < len) {
        ssize_t n = pwrite(fd_of(f), (const char *)buf + put, len - put, (off_t)(offset + put));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sys__fail(e, errno, f->path, "write it");
        if (n == 0)
            return sys__fail(e, EIO, f->path, "write it");
        put += (size_t)n;
    }
    return 0;
}

int sys__file_sync(struct sys_file *f, struct err *e)
{
    if (fdatasync(fd_of(f)) < 0)
        return sys__fail(e, errno, f->path, "sync it");
    return 0;
}

int sys__file_size(struct sys_file *f, uint64_t *ret_size, struct err *e)
{
    struct stat st;

    if (fstat(fd_of(f), &st) < 0)
        return sys__fail(e, errno, f->path, "read its size");
    *ret_size = (uint64_t)st.st_size;
    return 0;
}

int sys__file_allocate(struct sys_file *f, uint64_t size, struct err *e)
{
    int r;

    do {
        r = fallocate(fd_of(f), 0, 0, (off_t)size);
    } while (r < 0 && errno == EINTR);
    if (r < 0)
        return sys__fail(e, errno, f->path, "reserve space for it");
    return 0;
}

int sys__file_truncate(struct sys_file *f, uint64_t size, struct err *e)
{
    if (ftruncate(fd_of(f), (off_t)size) < 0)
        return sys__fail(e, errno, f->path, "set its length");
    return 0;
}

int sys__file_try_lock(struct sys_file *f, struct err *e)
{
    if (flock(fd_of(f), LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK || errno == EINTR)
        return ERR_BUSY;
    return sys__fail(e, errno, f->path, "lock it");
}
