/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of serve, its door and its numbers.
 *
 * The door: whoever reads the store from here goes in and out of it; the apply thread shuts it and
 * waits until nobody is inside before the store is opened again (S5). A lookup that finds it shut
 * waits like one whose position is not applied yet.
 */
#include "serve_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <stdio.h>

bool serve__enter(struct serve *s)
{
    atomic_fetch_add(&s->inside, 1);
    if (likely(!atomic_load(&s->shut)))
        return true;
    serve__leave(s);
    return false;
}

void serve__leave(struct serve *s)
{
    uint32_t before = atomic_fetch_sub(&s->inside, 1);
    must(before > 0);
}

void serve__set_fault(struct serve *s, const char *text)
{
    sys_mutex_lock(&s->fault_lock);
    (void)snprintf(s->fault, sizeof(s->fault), "%s", text);
    sys_mutex_unlock(&s->fault_lock);
}

size_t serve_fault(struct serve *s, char *ret_text, size_t cap)
{
    sys_mutex_lock(&s->fault_lock);
    (void)snprintf(ret_text, cap, "%s", s->fault); /* cut on purpose */
    sys_mutex_unlock(&s->fault_lock);
    return strlen(ret_text);
}

/* ---- life ---- */

int serve_new(const struct serve_options *o, struct serve **ret_serve, struct err *e)
{
    struct serve *s = mem_zalloc(sizeof(*s));
    s->o = *o;
    s->flush_event = s->cold_event = SYS_EVENT_INIT;
    s->cold_lock = s->fault_lock = SYS_MUTEX_INIT;
    TAILQ_INIT(&s->cold);
    TAILQ_INIT(&s->answered);
    if (o->row_cache_bytes > 0)
        s->cache = serve__cache_new(o->row_cache_bytes);
    int rc = serve__apply_open(s, e);
    if (rc < 0) {
        serve_free(s);
        return rc;
    }
    s->lane_count = rpc_queue_count(o->server);
    s->lanes = mem_calloc(s->lane_count, sizeof(*s->lanes));
    for (unsigned i = 0; i < s->lane_count; i++)
        serve__lane_init(&s->lanes[i], s, rpc_queue_at(o->server, i));
    for (size_t i = 0; i < serve__method_count; i++)
        rpc_server_add(o->server, &serve__methods[i], s);
    *ret_serve = s;
    return 0;
}

int serve_start(struct serve *s, struct err *e)
{
    struct sys *sys = s->o.sys;
    int rc = sys_thread_start(sys, "apply", serve__apply_main, s, &s->apply_thread);
    if (rc == 0)
        rc = sys_thread_start(sys, "flush", serve__flush_main, s, &s->flush_thread);
    if (rc == 0)
        rc = sys_thread_start(sys, "cold-reads", serve__cold_main, s, &s->cold_thread);
    return rc < 0 ? err_set(e, rc, "the threads that serve lookups could not be started") : 0;
}

void serve_stop(struct serve *s)
{
    atomic_store(&s->stopping, true);
    sys_event_signal(&s->flush_event);
    sys_event_signal(&s->cold_event);
    sys_thread_join(s->cold_thread);
    sys_thread_join(s->flush_thread);
    sys_thread_join(s->apply_thread);
    s->apply_thread = s->flush_thread = s->cold_thread = NULL;
    serve__cold_drop(s);
}

struct serve *serve_free(struct serve *s)
{
    if (s == NULL)
        return NULL;
    must(s->apply_thread == NULL);
    for (unsigned i = 0; i < s->lane_count; i++)
        serve__lane_deinit(&s->lanes[i]);
    mem_free(s->lanes);
    serve__apply_close(s);
    s->cache = serve__cache_free(s->cache);
    mem_free(s);
    return NULL;
}

/* ---- numbers ---- */

bronze_pos serve_applied_pos(const struct serve *s)
{
    return atomic_load(&s->applied);
}

const struct trace_hist *serve_lookup_hist(const struct serve *s)
{
    return &s->lookup_hist;
}

void serve_read_counters(const struct serve *s, struct serve_counters *ret_counters)
{
    *ret_counters = (struct serve_counters){
        .lookups = trace_read(&s->lookups),
        .found = trace_read(&s->found),
        .waited = trace_read(&s->waited),
        .cold = trace_read(&s->colds),
        .cached = s->cache != NULL ? serve__cache_hits(s->cache) : 0,
        .refused = trace_read(&s->refused),
        .rows_applied = trace_read(&s->rows_applied),
        .rows_unkeyed = trace_read(&s->rows_unkeyed),
        .flushes = trace_read(&s->flushes),
        .reopens = trace_read(&s->reopens),
    };
}

void serve_report(struct serve *s, struct admin_report *r,
                  void (*latency)(struct admin_report *r, const char *name,
                                  const struct trace_hist *hist_us),
                  void (*counter)(struct admin_report *r, const char *name, uint64_t value))
{
    struct serve_counters c;
    serve_read_counters(s, &c);
    latency(r, "lookup", &s->lookup_hist);
    counter(r, "lookups", c.lookups);
    counter(r, "lookups_found", c.found);
    counter(r, "lookups_waited", c.waited);
    counter(r, "lookups_cold", c.cold);
    counter(r, "lookups_cached", c.cached);
    counter(r, "lookups_refused", c.refused);
    counter(r, "rows_applied", c.rows_applied);
    counter(r, "rows_unkeyed", c.rows_unkeyed);
    counter(r, "store_flushes", c.flushes);
    counter(r, "store_reopens", c.reopens);
}
