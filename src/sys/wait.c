/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mutex and event count on futexes.
 *
 * Mutex states: 0 free, 1 held, 2 held and somebody may sleep. A locker that has to sleep always
 * sets 2, so an unlock that finds 1 needs no system call.
 * Event: the waiter announces itself before the kernel compares the count; the signaller raises the
 * count before it looks for waiters. So one of the two sees the other. Any thread.
 */
#include "sys/sys.h"
#include "sys_priv.h"

#include "base/must.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SPINS 60

static void cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Sleeps while *@word is @expected. @deadline: monotonic, NULL = for ever. */
static int futex_wait(uint32_t *word, uint32_t expected, const struct timespec *deadline)
{
    long r = syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected, deadline, NULL,
                     FUTEX_BITSET_MATCH_ANY);
    return r < 0 ? errno : 0;
}

static void futex_wake(uint32_t *word, int count)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

static bool try_lock(struct sys_mutex *m)
{
    uint32_t expected = 0;

    return __atomic_compare_exchange_n(&m->state, &expected, 1, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

void sys_mutex_lock(struct sys_mutex *m)
{
    for (unsigned i = 0; i < SPINS; i++) {
        if (__atomic_load_n(&m->state, __ATOMIC_RELAXED) == 0 && try_lock(m))
            return;
        cpu_relax();
    }
    while (__atomic_exchange_n(&m->state, 2, __ATOMIC_ACQUIRE) != 0)
        (void)futex_wait(&m->state, 2, NULL); /* whatever ended it, the state decides */
}

void sys_mutex_unlock(struct sys_mutex *m)
{
    uint32_t before = __atomic_exchange_n(&m->state, 0, __ATOMIC_RELEASE);

    must(before != 0);
    if (before == 2)
        futex_wake(&m->state, 1);
}

uint32_t sys_event_read(struct sys_event *ev)
{
    return __atomic_load_n(&ev->count, __ATOMIC_SEQ_CST);
}

void sys_event_signal(struct sys_event *ev)
{
    (void)__atomic_add_fetch(&ev->count, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&ev->waiters, __ATOMIC_SEQ_CST) != 0)
        futex_wake(&ev->count, INT_MAX);
}

void sys_event_wait(struct sys_event *ev, uint32_t seen, uint64_t timeout_us)
{
    bool forever = timeout_us > UINT64_MAX / 4000;
    uint64_t end = forever ? 0 : sys__real_mono_ns() + timeout_us * 1000;
    struct timespec deadline = {(time_t)(end / 1000000000u), (long)(end % 1000000000u)};

    if (sys_event_read(ev) != seen || timeout_us == 0)
        return;
    (void)__atomic_add_fetch(&ev->waiters, 1, __ATOMIC_SEQ_CST);
    while (sys_event_read(ev) == seen) {
        if (futex_wait(&ev->count, seen, forever ? NULL : &deadline) == ETIMEDOUT)
            break;
    }
    (void)__atomic_sub_fetch(&ev->waiters, 1, __ATOMIC_SEQ_CST);
}
