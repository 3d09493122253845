/* SPDX-License-Identifier: Apache-2.0 */
/* Mutex, event count and threads: the parts that both backends share. */
#include "sys/sys.h"

#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

struct shared {
    struct sys_mutex lock;
    struct sys_event ev;
    unsigned total; /* guarded by the lock */
    _Atomic unsigned turn;
};

static void add_many(void *arg)
{
    struct shared *x = arg;

    for (int i = 0; i < 2000; i++) {
        sys_mutex_lock(&x->lock);
        unsigned total = x->total;
        sched_yield(); /* let the others come and find it held */
        x->total = total + 1;
        sys_mutex_unlock(&x->lock);
    }
}

Test(sys_mutex, lets_one_in_at_a_time)
{
    struct shared x = {.lock = SYS_MUTEX_INIT};
    struct sys_thread *t[4] = {NULL};
    struct sys *s = sys_new_sim(1);

    for (int i = 0; i < 4; i++)
        cr_assert_eq(sys_thread_start(s, "adder", add_many, &x, &t[i]), 0);
    for (int i = 0; i < 4; i++)
        sys_thread_join(t[i]);

    cr_assert_eq(x.total, 8000);
    sys_free(s);
}

DeathTest(sys_mutex, must_be_held_to_be_unlocked)
{
    struct sys_mutex m = SYS_MUTEX_INIT;

    sys_mutex_unlock(&m);
}

#define TURNS 5000

static void wait_turn(struct shared *x, unsigned turn)
{
    for (;;) {
        uint32_t seen = sys_event_read(&x->ev);
        if (x->turn == turn)
            return;
        sys_event_wait(&x->ev, seen, UINT64_MAX);
    }
}

static void play_odd(void *arg)
{
    struct shared *x = arg;

    for (unsigned i = 1; i < TURNS; i += 2) {
        wait_turn(x, i);
        x->turn = i + 1;
        sys_event_signal(&x->ev);
    }
}

/* A lost signal would leave both asleep. */
Test(sys_event, never_loses_a_signal)
{
    struct shared x = {.ev = SYS_EVENT_INIT};
    struct sys_thread *t = NULL;
    struct sys *s = sys_new_sim(1);

    cr_assert_eq(sys_thread_start(s, "odd", play_odd, &x, &t), 0);
    for (unsigned i = 0; i < TURNS; i += 2) {
        wait_turn(&x, i);
        x.turn = i + 1;
        sys_event_signal(&x.ev);
    }
    wait_turn(&x, TURNS);
    sys_thread_join(t);

    cr_assert_eq(x.turn, TURNS);
    sys_free(s);
}

Test(sys_event, does_not_wait_for_what_has_happened)
{
    struct sys_event ev = SYS_EVENT_INIT;

    uint32_t seen = sys_event_read(&ev);
    sys_event_signal(&ev);
    sys_event_wait(&ev, seen, UINT64_MAX);

    cr_assert_neq(sys_event_read(&ev), seen);
}

Test(sys_event, gives_up_after_its_time)
{
    struct sys_event ev = SYS_EVENT_INIT;
    struct err e;
    struct sys *s = NULL;
    cr_assert_eq(sys_new_uring(&s, &e), 0);

    uint64_t before = sys_mono_ns(s);
    sys_event_wait(&ev, sys_event_read(&ev), 2000);
    uint64_t passed = sys_mono_ns(s) - before;

    cr_assert_geq(passed, 2000000);
    sys_free(s);
}

struct looked {
    char name[32];
    sigset_t blocked;
    uint64_t cpu_ns;
};

static void look_around(void *arg)
{
    struct looked *l = arg;

    (void)pthread_getname_np(pthread_self(), l->name, sizeof(l->name));
    (void)pthread_sigmask(SIG_BLOCK, NULL, &l->blocked);
    l->cpu_ns = sys_thread_cpu_ns();
}

Test(sys_thread, has_its_name_and_no_signals)
{
    struct looked l = {.cpu_ns = 0};
    struct sys_thread *t = NULL;
    struct sys *s = sys_new_sim(1);
    sigset_t mine;

    cr_assert_eq(sys_thread_start(s, "a-name-that-is-too-long", look_around, &l, &t), 0);
    sys_thread_join(t);
    (void)pthread_sigmask(SIG_BLOCK, NULL, &mine);

    cr_assert_str_eq(l.name, "a-name-that-is-");
    cr_assert_eq(sigismember(&l.blocked, SIGTERM), 1);
    cr_assert_eq(sigismember(&l.blocked, SIGINT), 1);
    cr_assert_eq(sigismember(&mine, SIGTERM), 0);
    cr_assert_gt(l.cpu_ns, 0);
    sys_thread_join(NULL);
    sys_free(s);
}

struct shares {
    int rest, after;
};

static void live_on_the_rest(void *arg)
{
    struct shares *h = arg;

    sys_thread_share(SYS_SHARE_REST);
    h->rest = sched_getscheduler(0);
    sys_thread_share(SYS_SHARE_EQUAL);
    h->after = sched_getscheduler(0);
}

Test(sys_thread, comes_back_from_the_rest_exactly_when_it_is_said_to_may)
{
    struct shares h = {-1, -1};
    struct sys_thread *t = NULL;
    struct sys *s = sys_new_sim(1);

    bool may = sys_thread_may_return(s);
    cr_assert_eq(sys_thread_start(s, "rest", live_on_the_rest, &h, &t), 0);
    sys_thread_join(t);

    cr_assert_eq(h.rest, SCHED_IDLE);
    cr_assert_eq(h.after, may ? SCHED_BATCH : SCHED_IDLE);
    sys_free(s);
}

Test(sys_process, knows_itself)
{
    cr_assert_gt(sys_resident_bytes(), 100000);
    cr_assert_geq(sys_cpu_count(), 1);
}
