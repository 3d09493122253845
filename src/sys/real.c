/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real backend: clock, randomness, and the choice between io_uring and pwritev2 for the ring.
 * The choice is made once, by trying: containers refuse io_uring by default, small memlock limits
 * make it fail, and SLUICE_NO_URING in the environment turns it off (rule L11). Any thread.
 */
#include "sys/sys.h"
#include "sys_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

struct real {
    struct sys base;
    bool has_uring;
};

uint64_t sys__real_mono_ns(void)
{
    struct timespec ts;
    int r = clock_gettime(CLOCK_MONOTONIC, &ts);

    must(r == 0);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t real_mono_ns(struct sys *s)
{
    (void)s;
    return sys__real_mono_ns();
}

static int64_t real_now_us(struct sys *s)
{
    struct timespec ts;
    int r = clock_gettime(CLOCK_REALTIME, &ts);

    (void)s;
    must(r == 0);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void real_random(struct sys *s, void *buf, size_t len)
{
    (void)s;
    for (size_t got = 0; got < len;) {
        ssize_t n = getrandom((char *)buf + got, len - got, 0);
        must(n > 0 || errno == EINTR);
        got += n > 0 ? (size_t)n : 0;
    }
}

static void real_sleep_ns(struct sys *s, uint64_t ns)
{
    struct timespec ts = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};

    (void)s;
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &ts) == EINTR)
        ;
}

static void real_free(struct sys *s)
{
    mem_free(s);
}

static const char *real_write_method(const struct sys *s)
{
    return ((const struct real *)s)->has_uring ? "io_uring" : "pwritev2";
}

static int real_ring_new(struct sys *s, unsigned depth, struct sys_ring **ret_ring, struct err *e)
{
    if (((struct real *)s)->has_uring)
        return sys__uring_new(depth, ret_ring, e);
    return sys__syncring_new(depth, ret_ring, e);
}

static const struct sys_ops real_ops = {
    .free = real_free,
    .now_us = real_now_us,
    .mono_ns = real_mono_ns,
    .random = real_random,
    .sleep_ns = real_sleep_ns,
    .open = sys__file_open,
    .close = sys__file_close,
    .read_some = sys__file_read_some,
    .write = sys__file_write,
    .sync = sys__file_sync,
    .size = sys__file_size,
    .allocate = sys__file_allocate,
    .truncate = sys__file_truncate,
    .try_lock = sys__file_try_lock,
    .mkdir = sys__name_mkdir,
    .sync_dir = sys__name_sync_dir,
    .unlink = sys__name_unlink,
    .rename = sys__name_rename,
    .exists = sys__name_exists,
    .stat = sys__name_stat,
    .free_bytes = sys__name_free_bytes,
    .list = sys__name_list,
    .ring_new = real_ring_new,
    .write_method = real_write_method,
};

int sys_new_uring(struct sys **ret_sys, struct err *e)
{
    struct real *s = mem_zalloc(sizeof(*s));
    int refused;

    (void)e; /* nothing can fail so far: without io_uring the other method serves */
    s->base.ops = &real_ops;
    if (getenv("SLUICE_NO_URING") != NULL)
        s->base.write_fallback = "SLUICE_NO_URING is set";
    else if ((refused = sys__uring_try()) != 0)
        s->base.write_fallback = sys__uring_refusal(refused);
    s->has_uring = s->base.write_fallback == NULL;
    s->base.reads_beside = s->has_uring;
    *ret_sys = &s->base;
    return 0;
}
