/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring without io_uring: a write is done with pwritev2(RWF_DSYNC) when it returns, and its
 * completion stands in a first-in first-out queue until it is reaped. An eventfd ends a wait.
 * Thread: one, except wake.
 */
#include "sys_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct syncring {
    struct sys_ring base;
    int wake_fd;
    unsigned first, count;
    struct sys_done queue[];
};

static int syncring_write(struct sys_ring *base, struct sys_file *file, struct slice data,
                          uint64_t offset, uint64_t tag)
{
    struct syncring *r = (struct syncring *)base;
    struct iovec iov = {(void *)(uintptr_t)data.data, data.len};
    int fd = ((struct sys_real_file *)file)->fd;
    ssize_t n;

    do {
        n = pwritev2(fd, &iov, 1, (off_t)offset, RWF_DSYNC);
    } while (n < 0 && errno == EINTR);

    int result = 0;
    if (n < 0)
        result = err_from_errno(errno);
    else if ((size_t)n != data.len)
        result = ERR_IO;
    must(r->count < base->depth);
    r->queue[(r->first + r->count) % base->depth] = (struct sys_done){tag, result};
    r->count++;
    return 0;
}

/* True when a wake had come. */
static bool wait_wake(struct syncring *r, uint64_t timeout_us)
{
    struct pollfd p = {.fd = r->wake_fd, .events = POLLIN, .revents = 0};
    uint64_t value;

    if (timeout_us > UINT64_MAX / 4000) {
        while (ppoll(&p, 1, NULL, NULL) < 0)
            must(errno == EINTR);
    } else {
        uint64_t end = sys__real_mono_ns() + timeout_us * 1000, now;
        while ((now = sys__real_mono_ns()) < end && p.revents == 0) {
            struct timespec ts = {(time_t)((end - now) / 1000000000u),
                                  (long)((end - now) % 1000000000u)};
            int n = ppoll(&p, 1, &ts, NULL);
            must(n >= 0 || errno == EINTR);
        }
    }
    return read(r->wake_fd, &value, sizeof(value)) == sizeof(value);
}

static unsigned syncring_wait(struct sys_ring *base, struct sys_done *done, unsigned max,
                              uint64_t timeout_us)
{
    struct syncring *r = (struct syncring *)base;
    unsigned n = 0;

    if (r->count == 0 && timeout_us > 0)
        (void)wait_wake(r, timeout_us);
    for (; r->count > 0 && n < max; n++) {
        done[n] = r->queue[r->first];
        r->first = (r->first + 1) % base->depth;
        r->count--;
    }
    return n;
}

static void syncring_wake(struct sys_ring *base)
{
    uint64_t one = 1;
    ssize_t n = write(((struct syncring *)base)->wake_fd, &one, sizeof(one));

    must(n == sizeof(one) || errno == EAGAIN);
}

static void syncring_free(struct sys_ring *base)
{
    struct syncring *r = (struct syncring *)base;

    (void)close(r->wake_fd);
    mem_free(r);
}

static const struct sys_ring_ops syncring_ops = {
    .free = syncring_free,
    .write = syncring_write,
    .wait = syncring_wait,
    .wake = syncring_wake,
};

int sys__syncring_new(unsigned depth, struct sys_ring **ret_ring, struct err *e)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0)
        return sys__fail(e, errno, "log ring", "make its eventfd");
    struct syncring *r = mem_zalloc(sizeof(*r) + depth * sizeof(struct sys_done));
    r->base.ops = &syncring_ops;
    r->wake_fd = fd;
    *ret_ring = &r->base;
    return 0;
}
