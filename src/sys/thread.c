/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads and what the process knows about itself. Signals are the main thread's business: every
 * thread started here has all of them blocked. Any thread.
 */
#include "sys/sys.h"
#include "sys_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NAME_BYTES_MAX 16 /* the kernel's, with its terminator */

struct sys_thread {
    pthread_t id;
    sys_thread_fn *fn;
    void *arg;
    char name[NAME_BYTES_MAX];
};

static void *thread_main(void *arg)
{
    struct sys_thread *t = arg;

    (void)pthread_setname_np(pthread_self(), t->name); /* only for people */
    t->fn(t->arg);
    return NULL;
}

int sys_thread_start(struct sys *s, const char *name, sys_thread_fn *fn, void *arg,
                     struct sys_thread **ret_thread)
{
    struct sys_thread *t = mem_zalloc(sizeof(*t));
    sigset_t all, before;

    (void)s; /* threads are real in both backends */
    t->fn = fn;
    t->arg = arg;
    (void)snprintf(t->name, sizeof(t->name), "%s", name);
    (void)sigfillset(&all);
    int masked = pthread_sigmask(SIG_SETMASK, &all, &before);
    must(masked == 0);
    int failed = pthread_create(&t->id, NULL, thread_main, t);
    masked = pthread_sigmask(SIG_SETMASK, &before, NULL);
    must(masked == 0);
    if (failed != 0) {
        mem_free(t);
        return err_from_errno(failed);
    }
    *ret_thread = t;
    return 0;
}

void sys_thread_join(struct sys_thread *t)
{
    if (t == NULL)
        return;
    int failed = pthread_join(t->id, NULL);
    must(failed == 0);
    mem_free(t);
}

/*
 * How this thread shares a contended processor. Since Linux 6.12 a thread that wakes interrupts one
 * that has asked for a longer slice, and leaves one with a shorter slice alone until its slice is
 * over; nice values alone do not: a thread at nice 19 was seen to keep its processor for
 * milliseconds while senders waited. Older kernels ignore the slice. Failing changes speed only.
 */
static void share_processor(uint32_t policy, int nice, uint64_t slice_ns)
{
    /* sched_setattr(2); the kernel's own header cannot be included beside sched.h */
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime_ns, deadline_ns, period_ns;
    } attr = {.size = sizeof(attr), .policy = policy, .nice = nice, .runtime_ns = slice_ns};
    (void)syscall(SYS_sched_setattr, 0, &attr, 0); /* 0: this thread */
}

/* Half a millisecond of work, then a sleep that is long enough for the kernel to look around. */
#define WAY_EVERY_NS  500000u
#define WAY_SLEEP_NS  50000
#define LONG_SLICE_NS 100000000 /* the longest there is: everybody may interrupt */
#define SLIVER_NICE   19

/*
 * The rest: a processor that runs nothing but SCHED_IDLE counts as idle when the kernel looks for a
 * place for a thread that wakes, so senders do not queue behind one another while bulk work keeps
 * the other processor. The nice value is left alone: it decides who may come back.
 */
static _Thread_local bool on_rest;
static _Thread_local uint64_t way_made_ns; /* when it slept last */

void sys_thread_make_way(void)
{
    if (!on_rest || sys__real_mono_ns() - way_made_ns < WAY_EVERY_NS)
        return;
    struct timespec ts = {.tv_nsec = WAY_SLEEP_NS};
    (void)nanosleep(&ts, NULL); /* shorter is as good */
    way_made_ns = sys__real_mono_ns();
}

void sys_thread_share(enum sys_share share)
{
    on_rest = share == SYS_SHARE_REST;
    switch (share) {
    case SYS_SHARE_EQUAL: share_processor(SCHED_BATCH, 0, 0); return;
    case SYS_SHARE_SLIVER: share_processor(SCHED_BATCH, SLIVER_NICE, LONG_SLICE_NS); return;
    case SYS_SHARE_REST: share_processor(SCHED_IDLE, 0, LONG_SLICE_NS); return;
    }
}

static void try_return(void *arg)
{
    bool *may = arg;
    sys_thread_share(SYS_SHARE_REST);
    sys_thread_share(SYS_SHARE_EQUAL);
    *may = sched_getscheduler(0) != SCHED_IDLE;
}

bool sys_thread_may_return(struct sys *s)
{
    struct sys_thread *t;
    bool may = false;
    if (sys_thread_start(s, "share", try_return, &may, &t) < 0)
        return false;
    sys_thread_join(t);
    return may;
}

void sys_thread_wake_gently(void)
{
    share_processor(SCHED_BATCH, 0, 0);
}

uint64_t sys_thread_cpu_ns(void)
{
    struct timespec ts;
    int r = clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);

    must(r == 0);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t sys_resident_bytes(void)
{
    unsigned long long total = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (f == NULL)
        return 0;
    if (fscanf(f, "%llu %llu", &total, &resident) != 2)
        resident = 0;
    (void)fclose(f);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

unsigned sys_cpu_count(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
        return (unsigned)CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (unsigned)n : 1;
}
