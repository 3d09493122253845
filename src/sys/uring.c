/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring over io_uring. Each write takes a slot that remembers tag and length; the slot's index
 * is the kernel's user data. A read of an eventfd is always pending beside the writes, so that
 * sys_ring_wake() ends a wait: write to the eventfd → the read completes → wait returns → the next
 * wait asks for a new read. The read is first asked for by the first wait, because the kernel runs
 * completions in the thread that submitted them.
 *
 * I1  a slot is free or belongs to exactly one write that the kernel knows or the queue holds.
 * I2  the queue has room for depth writes and the read, so getting an entry never fails.
 * I3  the memory that the kernel may still touch outlives every request: freeing waits for all.
 *
 * A ring that the kernel refuses to serve ends the process (promise I8: fail stop).
 * Thread: one, except wake.
 */
#include "sys_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <errno.h>
#include <liburing.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define WAKE_ID UINT64_MAX

struct slot {
    uint64_t tag;
    size_t len;
    unsigned next_free;
};

struct uring {
    struct sys_ring base;
    struct io_uring ring;
    int wake_fd;
    bool wake_armed;
    uint64_t wake_value; /* the kernel writes here */
    unsigned first_free, busy;
    struct slot slots[];
};

static int init_ring(struct io_uring *ring, unsigned depth)
{
    struct io_uring_params params = {0};
    int r = io_uring_queue_init_params(depth + 1, ring, &params);

    if (r < 0)
        return r;
    /* Waiting with a timeout needs it (Linux 5.11); all else we use is older. */
    if ((params.features & IORING_FEAT_EXT_ARG) == 0) {
        io_uring_queue_exit(ring);
        return -ENOSYS;
    }
    return 0;
}

int sys__uring_try(void)
{
    struct io_uring ring;
    int r = init_ring(&ring, 63);

    if (r < 0)
        return -r;
    io_uring_queue_exit(&ring);
    return 0;
}

const char *sys__uring_refusal(int errnum)
{
    switch (errnum) {
    case EPERM:
    case EACCES:
        return "it is forbidden (EPERM): by the sysctl kernel.io_uring_disabled, or by the seccomp "
               "filter of a container or service";
    case ENOMEM:
        return "memory for its rings is refused (ENOMEM): by the memlock limit (ulimit -l, "
               "LimitMEMLOCK=), or by the memory limit of the cgroup";
    case ENOSYS:
        return "there is none (ENOSYS): the kernel is older than Linux 5.11 or built without it, "
               "or a seccomp filter hides it";
    default: {
        const char *why = strerrordesc_np(errnum);
        return why != NULL ? why : "unknown error";
    }
    }
}

static void arm_wake(struct uring *r)
{
    if (r->wake_armed)
        return;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);
    must(sqe != NULL); /* I2 */
    io_uring_prep_read(sqe, r->wake_fd, &r->wake_value, sizeof(r->wake_value), 0);
    io_uring_sqe_set_data64(sqe, WAKE_ID);
    r->wake_armed = true;
}

/* What the kernel did not take now it is offered again by the next wait. */
static void submit(struct uring *r)
{
    int n = io_uring_submit(&r->ring);

    if (n < 0 && n != -EINTR && n != -EAGAIN && n != -EBUSY)
        must_die("io_uring refuses to submit: %s", strerrordesc_np(-n));
}

static int uring_write(struct sys_ring *base, struct sys_file *file, struct slice data,
                       uint64_t offset, uint64_t tag)
{
    struct uring *r = (struct uring *)base;
    unsigned index = r->first_free;

    must(index < base->depth); /* I1 */
    must(data.len <= INT32_MAX);
    r->first_free = r->slots[index].next_free;
    r->slots[index].tag = tag;
    r->slots[index].len = data.len;
    r->busy++;

    struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);
    must(sqe != NULL); /* I2 */
    io_uring_prep_write(sqe, ((struct sys_real_file *)file)->fd, data.data, (unsigned)data.len,
                        offset);
    sqe->rw_flags = RWF_DSYNC; /* the file says so too; twice holds better */
    io_uring_sqe_set_data64(sqe, index);
    submit(r);
    return 0;
}

static struct sys_done finish_slot(struct uring *r, uint64_t index, int res)
{
    must(index < r->base.depth); /* I1 */
    struct slot *slot = &r->slots[index];
    struct sys_done done = {.tag = slot->tag, .result = 0};

    if (res < 0)
        done.result = err_from_errno(-res);
    else if ((size_t)res != slot->len)
        done.result = ERR_IO;
    slot->next_free = r->first_free;
    r->first_free = (unsigned)index;
    r->busy--;
    return done;
}

static unsigned reap(struct uring *r, struct sys_done *done, unsigned max, bool *ret_woken)
{
    struct io_uring_cqe *cqe;
    unsigned n = 0;

    while (n < max && io_uring_peek_cqe(&r->ring, &cqe) == 0) {
        uint64_t id = io_uring_cqe_get_data64(cqe);
        int res = cqe->res;
        io_uring_cqe_seen(&r->ring, cqe);
        if (id == WAKE_ID) {
            r->wake_armed = false;
            *ret_woken = true;
            continue;
        }
        done[n++] = finish_slot(r, id, res);
    }
    return n;
}

/* Until there is a completion or @left_ns are over. */
static void wait_kernel(struct uring *r, uint64_t left_ns, bool forever)
{
    struct __kernel_timespec ts = {(int64_t)(left_ns / 1000000000u),
                                   (long long)(left_ns % 1000000000u)};
    struct io_uring_cqe *cqe;
    int n = io_uring_submit_and_wait_timeout(&r->ring, &cqe, 1, forever ? NULL : &ts, NULL);

    if (n < 0 && n != -ETIME && n != -EINTR && n != -EAGAIN && n != -EBUSY)
        must_die("io_uring refuses to wait: %s", strerrordesc_np(-n));
}

static unsigned uring_wait(struct sys_ring *base, struct sys_done *done, unsigned max,
                           uint64_t timeout_us)
{
    struct uring *r = (struct uring *)base;
    bool forever = timeout_us > UINT64_MAX / 4000;
    uint64_t start = forever || timeout_us == 0 ? 0 : sys__real_mono_ns();

    for (;;) {
        bool woken = false;
        unsigned n = reap(r, done, max, &woken);
        arm_wake(r);
        if (n > 0 || woken || timeout_us == 0) {
            if (io_uring_sq_ready(&r->ring) > 0)
                submit(r);
            return n;
        }
        uint64_t passed = forever ? 0 : sys__real_mono_ns() - start;
        if (!forever && passed >= timeout_us * 1000)
            return 0;
        wait_kernel(r, timeout_us * 1000 - passed, forever);
    }
}

static void uring_wake(struct sys_ring *base)
{
    uint64_t one = 1;
    ssize_t n = write(((struct uring *)base)->wake_fd, &one, sizeof(one));

    must(n == sizeof(one) || errno == EAGAIN);
}

static void uring_free(struct sys_ring *base)
{
    struct uring *r = (struct uring *)base;
    struct sys_done done;
    bool woken;

    while (r->busy > 0 || r->wake_armed) { /* I3 */
        if (r->wake_armed)
            uring_wake(base);
        wait_kernel(r, 0, true);
        (void)reap(r, &done, 1, &woken);
    }
    io_uring_queue_exit(&r->ring);
    (void)close(r->wake_fd);
    mem_free(r);
}

static const struct sys_ring_ops uring_ops = {
    .free = uring_free,
    .write = uring_write,
    .wait = uring_wait,
    .wake = uring_wake,
};

int sys__uring_new(unsigned depth, struct sys_ring **ret_ring, struct err *e)
{
    struct uring *r = mem_zalloc(sizeof(*r) + depth * sizeof(struct slot));

    r->base.ops = &uring_ops;
    for (unsigned i = 0; i < depth; i++)
        r->slots[i].next_free = i + 1;
    r->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (r->wake_fd < 0) {
        mem_free(r);
        return sys__fail(e, errno, "io_uring", "make its eventfd");
    }
    int failed = init_ring(&r->ring, depth);
    if (failed < 0) {
        (void)close(r->wake_fd);
        mem_free(r);
        return sys__fail(e, -failed, "io_uring", "make a ring");
    }
    *ret_ring = &r->base;
    return 0;
}
