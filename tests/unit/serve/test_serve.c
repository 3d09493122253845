/* SPDX-License-Identifier: Apache-2.0 */
/* serve's door and its numbers. */
#include "rig.h"

Test(serve_door, shut_lets_nobody_in)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);

    cr_assert(serve__enter(x.serve));
    atomic_store(&x.serve->shut, true);
    cr_assert_not(serve__enter(x.serve));
    cr_assert_eq(atomic_load(&x.serve->inside), 1);
    serve__leave(x.serve);
    atomic_store(&x.serve->shut, false);

    cr_assert(serve__enter(x.serve));
    serve__leave(x.serve);
    rig_down(&x);
}

struct admin_report {
    size_t latencies, counters;
    uint64_t lookups;
};

static void on_latency(struct admin_report *r, const char *name, const struct trace_hist *h)
{
    cr_assert_str_eq(name, "lookup");
    cr_assert_not_null(h);
    r->latencies++;
}

static void on_counter(struct admin_report *r, const char *name, uint64_t value)
{
    if (strcmp(name, "lookups") == 0)
        r->lookups = value;
    r->counters++;
}

Test(serve_report, tells_every_number_once)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    rig_put(&x, x.table, "{\"k\":\"one\",\"n\":1}");
    rig_apply(&x);
    rig_end(rig_get(&x, "{\"k\":\"one\"}"));
    struct admin_report r = {0};

    serve_report(x.serve, &r, on_latency, on_counter);

    cr_assert(r.latencies == 1 && r.counters == 10 && r.lookups == 1);
    cr_assert_eq(atomic_load(&((struct trace_hist *)(uintptr_t)serve_lookup_hist(x.serve))->count),
                 1);
    rig_down(&x);
}

Test(serve_fault, text_is_kept_until_healed)
{
    struct rig x;
    rig_up(&x, RIG_MODEL);
    char text[8];

    serve__set_fault(x.serve, "no space left");
    cr_assert_eq(serve_fault(x.serve, text, sizeof(text)), 7);
    cr_assert_str_eq(text, "no spac");
    serve__set_fault(x.serve, "");

    cr_assert_eq(serve_fault(x.serve, text, sizeof(text)), 0);
    rig_down(&x);
}
