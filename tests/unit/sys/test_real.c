/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/sys.h"
#include "sys_priv.h"

#include "base/mem.h"
#include "test.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

Test(sys_real, falls_back_to_pwritev2_when_told)
{
    struct sys *s = NULL;

    setenv("SLUICE_NO_URING", "1", 1);
    cr_assert_eq(sys_new_uring(&s, NULL), 0);
    unsetenv("SLUICE_NO_URING");

    cr_assert_str_eq(sys_write_method(s), "pwritev2");
    cr_assert_str_eq(sys_write_fallback(s), "SLUICE_NO_URING is set");
    sys_free(s);
}

Test(sys_real, says_why_exactly_when_it_falls_back)
{
    struct sys *s = NULL;

    cr_assert_eq(sys_new_uring(&s, NULL), 0);

    cr_assert_eq(sys_write_fallback(s) == NULL, strcmp(sys_write_method(s), "io_uring") == 0);
    sys_free(s);
}

Test(sys_real, tells_a_forbidden_io_uring_from_one_without_memory)
{
    cr_assert_not_null(strstr(sys__uring_refusal(EPERM), "seccomp"));
    cr_assert_null(strstr(sys__uring_refusal(EPERM), "memlock"));
    cr_assert_not_null(strstr(sys__uring_refusal(ENOMEM), "memlock"));
    cr_assert_not_null(strstr(sys__uring_refusal(ENOSYS), "older than"));
    cr_assert_str_eq(sys__uring_refusal(EMFILE), "Too many open files");
}

/* A write that the device refuses is a completion with an error, by either method. */
static void expect_failed_write(void)
{
    char dir[] = "/tmp/sluice-real-XXXXXX", path[64];
    struct sys *s = NULL;
    struct sys_file *f = NULL;
    struct sys_ring *ring = NULL;
    struct sys_done done[2];
    struct err e = {0};
    struct rlimit before, tiny;
    uint8_t *block = mem_aligned(4096, 8192);
    memset(block, 1, 8192);
    cr_assert_not_null(mkdtemp(dir));
    strcpy(path, dir);
    strcat(path, "/f");
    cr_assert_eq(sys_new_uring(&s, &e), 0);
    cr_assert_eq(sys_open(s, path, SYS_WRITE | SYS_CREATE | SYS_DIRECT | SYS_DSYNC, &f, &e), 0);
    cr_assert_eq(sys_ring_new(s, 2, &ring, &e), 0);

    /* The file may have one block: the write over both is short, the one behind them fails. */
    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    tiny = (struct rlimit){4096, before.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &tiny), 0);
    cr_assert_eq(sys_ring_write(ring, f, slice_of(block, 8192), 0, 1), 0);
    cr_assert_eq(sys_ring_write(ring, f, slice_of(block, 4096), 8192, 2), 0);
    for (unsigned n = 0; n < 2;)
        n += sys_ring_wait(ring, done + n, 2 - n, UINT64_MAX);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);

    cr_assert_lt(done[0].result, 0);
    cr_assert_lt(done[1].result, 0);
    sys_ring_free(ring);
    sys_close(f);
    sys_free(s);
    unlink(path);
    rmdir(dir);
    mem_free(block);
}

Test(sys_uring, reports_short_and_failed_writes)
{
    expect_failed_write();
}

Test(sys_syncring, reports_short_and_failed_writes)
{
    setenv("SLUICE_NO_URING", "1", 1);
    expect_failed_write();
    unsetenv("SLUICE_NO_URING");
}

DeathTest(sys_ring, must_not_hold_more_than_its_depth)
{
    struct sys *s = sys_new_sim(1);
    struct sys_file *f = NULL;
    struct sys_ring *ring = NULL;
    struct err e;
    uint8_t *block = mem_aligned(4096, 4096);
    memset(block, 0, 4096);
    int r = sys_open(s, "f", SYS_WRITE | SYS_CREATE | SYS_DIRECT | SYS_DSYNC, &f, &e);
    r = r == 0 ? sys_ring_new(s, 1, &ring, &e) : r;

    r = r == 0 ? sys_ring_write(ring, f, slice_of(block, 4096), 0, 1) : r;
    r = r == 0 ? sys_ring_write(ring, f, slice_of(block, 4096), 4096, 2) : r;
}

struct slept {
    enum sys_share share;
    long times;
};

/* Works for two milliseconds, making way all the time. */
static void work(void *arg)
{
    struct slept *x = arg;
    struct rusage before, after;

    sys_thread_share(x->share);
    (void)getrusage(RUSAGE_THREAD, &before);
    for (uint64_t begun = sys_thread_cpu_ns(); sys_thread_cpu_ns() - begun < 2000000;)
        sys_thread_make_way();
    (void)getrusage(RUSAGE_THREAD, &after);
    x->times = after.ru_nvcsw - before.ru_nvcsw;
}

static long sleeps_of(enum sys_share share)
{
    struct sys *s = NULL;
    struct sys_thread *t = NULL;
    struct slept x = {.share = share};

    cr_assert_eq(sys_new_uring(&s, NULL), 0);
    cr_assert_eq(sys_thread_start(s, "works", work, &x, &t), 0);
    sys_thread_join(t);
    sys_free(s);
    return x.times;
}

Test(sys_thread, on_the_rest_makes_way_now_and_then)
{
    cr_assert_geq(sleeps_of(SYS_SHARE_REST), 2);
    cr_assert_leq(sleeps_of(SYS_SHARE_EQUAL), 1); /* the kernel may have a reason of its own */
}
