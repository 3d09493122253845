/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One read beside its caller's work, by an io_uring of its own. Where there is none (a container
 * that refuses it, the simulator) there is no reading ahead, and callers read when they need it.
 *
 * I1  while `file` is set, the kernel may write into `buf`: both stay until sys_fetch_end(), and
 *     freeing waits.
 *
 * A read that fails or is short is done once more by sys_read(), which knows what to say about it.
 * Thread: one.
 */
#include "sys/sys.h"
#include "sys_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <errno.h>
#include <liburing.h>

struct sys_fetch {
    struct io_uring ring;
    struct io_uring_sqe *sqe;
    struct sys_file *file; /* NULL: nothing is under way */
    void *buf;
    size_t len;
    uint64_t offset;
};

struct sys_fetch *sys_fetch_new(struct sys *s)
{
    if (!s->reads_beside)
        return NULL;
    struct sys_fetch *f = mem_zalloc(sizeof(*f));
    if (io_uring_queue_init(1, &f->ring, 0) == 0)
        return f;
    mem_free(f);
    return NULL;
}

bool sys_fetch_begin(struct sys_fetch *f, struct sys_file *file, void *buf, size_t len,
                     uint64_t offset)
{
    must(f->file == NULL);
    must(len <= INT32_MAX);
    if (io_uring_sq_ready(&f->ring) == 0) { /* else one is there that the kernel did not take */
        f->sqe = io_uring_get_sqe(&f->ring);
        must(f->sqe != NULL);
    }
    io_uring_prep_read(f->sqe, ((struct sys_real_file *)file)->fd, buf, (unsigned)len, offset);
    if (io_uring_submit(&f->ring) != 1)
        return false;
    f->file = file;
    f->buf = buf;
    f->len = len;
    f->offset = offset;
    return true;
}

/* What the kernel says of the read: bytes, or -errno. */
static int wait_for(struct sys_fetch *f)
{
    struct io_uring_cqe *cqe;
    int r;
    do {
        r = io_uring_wait_cqe(&f->ring, &cqe);
    } while (r == -EINTR || r == -EAGAIN);
    if (r < 0)
        must_die("io_uring refuses to wait for a read of %s", f->file->path);
    int got = cqe->res;
    io_uring_cqe_seen(&f->ring, cqe);
    return got;
}

int sys_fetch_end(struct sys_fetch *f, struct err *e)
{
    must(f->file != NULL);
    int got = wait_for(f);
    struct sys_file *file = TAKE(f->file);
    if (got >= 0 && (size_t)got == f->len)
        return 0;
    return sys_read(file, f->buf, f->len, f->offset, e);
}

struct sys_fetch *sys_fetch_free(struct sys_fetch *f)
{
    if (f == NULL)
        return NULL;
    if (f->file != NULL)
        (void)wait_for(f); /* I1; nobody wants the bytes any more */
    io_uring_queue_exit(&f->ring);
    mem_free(f);
    return NULL;
}
