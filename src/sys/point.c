/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named points: their names, the hook, and the crash on order that tests of the real program use.
 * The hook stands in struct sys and is set before threads start; what the crash counts is atomic.
 * Any thread.
 */
#include "sys/point.h"
#include "sys_priv.h"

#include "base/must.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
#define POINT_NAME(id, name) name,
    SYS_POINTS(POINT_NAME)
#undef POINT_NAME
};

const char *sys_point_name(enum sys_point p)
{
    must((unsigned)p < SYS_POINT_COUNT);
    return names[p];
}

unsigned sys_point_count(void)
{
    return SYS_POINT_COUNT;
}

static int find(const char *name, size_t len, enum sys_point *ret_point, struct err *e)
{
    for (unsigned i = 0; i < SYS_POINT_COUNT; i++) {
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0) {
            *ret_point = (enum sys_point)i;
            return 0;
        }
    }
    return err_set(e, ERR_NOT_FOUND,
                   "there is no point \"%.*s\"; the names stand in src/sys/point.h",
                   (int)MIN(len, (size_t)100), name);
}

int sys_point_parse(const char *name, enum sys_point *ret_point, struct err *e)
{
    return find(name, strlen(name), ret_point, e);
}

void sys_point(struct sys *s, enum sys_point p)
{
    if (unlikely(s->point_fn != NULL))
        s->point_fn(s->point_ctx, p);
}

void sys_set_point_hook(struct sys *s, sys_point_fn *fn, void *ctx)
{
    s->point_fn = fn;
    s->point_ctx = ctx;
}

enum sys_point sys_point_of_put(enum sys_point first, enum sys_put_step step)
{
    must(step < SYS_PUT_STEP_COUNT && (unsigned)first + SYS_PUT_STEP_COUNT <= SYS_POINT_COUNT);
    return (enum sys_point)((unsigned)first + (unsigned)step);
}

/* ---- the crash on order ---- */

static void crash_here(void *ctx, enum sys_point p)
{
    struct sys *s = ctx;

    if (p == s->crash_point && atomic_fetch_sub(&s->crash_left, 1) == 1)
        (void)raise(SIGKILL); /* cannot fail for this signal, and does not return */
}

int sys_crash_at(struct sys *s, const char *order, struct err *e)
{
    const char *colon = strchr(order, ':');
    size_t len = colon != NULL ? (size_t)(colon - order) : strlen(order);
    unsigned long long n = 1;

    TRY(find(order, len, &s->crash_point, e));
    if (colon != NULL) {
        char *end;
        errno = 0;
        n = strtoull(colon + 1, &end, 10);
        if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || errno != 0 || n == 0 ||
            n > UINT32_MAX)
            return err_set(e, ERR_INVALID,
                           "\"%.100s\": after the colon stands how often the point "
                           "is passed, from 1",
                           order);
    }
    atomic_store(&s->crash_left, (long long)n);
    sys_set_point_hook(s, crash_here, s);
    return 0;
}
