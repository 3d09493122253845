/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Planted bugs (bug.h): which are switched on stands in struct sys, set before threads start. Empty
 * where they are not compiled in. Any thread.
 */
#include "sys/bug.h"
#include "sys_priv.h"

#include "base/must.h"

#ifdef SLUICE_PLANTED_BUGS

static const struct {
    const char *name, *promise, *rule;
} bugs[] = {
#define BUG_ROW(id, name, promise, rule) {name, promise, rule},
    SYS_BUGS(BUG_ROW)
#undef BUG_ROW
};

_Static_assert(SYS_BUG_COUNT <= 64, "they are bits of one word");

bool sys_bug(const struct sys *s, enum sys_bug b)
{
    return s != NULL && (s->bugs >> b & 1) != 0;
}

void sys_set_bug(struct sys *s, enum sys_bug b, bool on)
{
    must((unsigned)b < SYS_BUG_COUNT);
    uint64_t bit = UINT64_C(1) << b;
    s->bugs = on ? s->bugs | bit : s->bugs & ~bit;
}

const char *sys_bug_name(enum sys_bug b)
{
    must((unsigned)b < SYS_BUG_COUNT);
    return bugs[b].name;
}

const char *sys_bug_promise(enum sys_bug b)
{
    must((unsigned)b < SYS_BUG_COUNT);
    return bugs[b].promise;
}

const char *sys_bug_rule(enum sys_bug b)
{
    must((unsigned)b < SYS_BUG_COUNT);
    return bugs[b].rule;
}

#endif
