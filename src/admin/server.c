/* SPDX-License-Identifier: Apache-2.0 */
/* sluice.v1.Server: status and find; grpc.health.v1. On the admin worker (health: on the call's
 * queue). */
#include "admin_priv.h"

#include "base/mem.h"
#include "bronze/index.h"
#include "grpc/health.pb-c.h"
#include "rule/rule.h"
#include "sluice/v1/sluice.pb-c.h"
#include "trace/trace.h"

#include <inttypes.h>
#include <string.h>

#define REPORT_MAX 128

struct admin_report {
    struct job *job;
    Sluice__V1__StatusResponse *answer;
};

void admin_report_counter(struct admin_report *r, const char *name, uint64_t value)
{
    if (r->answer->n_counters == REPORT_MAX)
        return;
    Sluice__V1__Counter *c = job_alloc(r->job, sizeof(*c));
    sluice__v1__counter__init(c);
    c->name = job_str(r->job, name);
    c->value = value;
    r->answer->counters[r->answer->n_counters++] = c;
}

void admin_report_latency(struct admin_report *r, const char *name, const struct trace_hist *h)
{
    if (r->answer->n_latencies == REPORT_MAX)
        return;
    Sluice__V1__Latency *l = job_alloc(r->job, sizeof(*l));
    sluice__v1__latency__init(l);
    l->name = job_str(r->job, name);
    l->count = atomic_load(&((struct trace_hist *)(uintptr_t)h)->count);
    l->p50_us = trace_hist_quantile(h, 0.50);
    l->p95_us = trace_hist_quantile(h, 0.95);
    l->p99_us = trace_hist_quantile(h, 0.99);
    l->max_us = trace_hist_quantile(h, 1.0);
    r->answer->latencies[r->answer->n_latencies++] = l;
}

/* Rows that failed a check, and which rule. */
static void add_bad_rows(struct job *j, const struct catalog_table *t, Sluice__V1__TableStatus *m)
{
    const struct catalog_properties *p = &t->properties;
    m->rows_rejected = atomic_load(&t->live->rows_rejected);
    m->rows_quarantined = atomic_load(&t->live->rows_quarantined);
    m->rows_dropped = atomic_load(&t->live->rows_dropped);
    m->rows_warned = atomic_load(&t->live->rows_warned);
    m->rows_replayed = atomic_load(&t->live->rows_replayed);
    m->n_rules = p->rules != NULL ? rule_set_count(p->rules) : 0;
    m->rules = job_alloc(j, (m->n_rules + 1) * sizeof(*m->rules));
    for (uint32_t i = 0; i < m->n_rules; i++) {
        const struct rule_text *text = rule_set_text(p->rules, i);
        m->rules[i] = job_alloc(j, sizeof(**m->rules));
        sluice__v1__rule_status__init(m->rules[i]);
        m->rules[i]->name = job_alloc(j, text->name.len + 1);
        memcpy(m->rules[i]->name, text->name.data, text->name.len);
        m->rules[i]->action = job_str(j, rule_action_name(text->action));
        m->rules[i]->rows_failed = atomic_load(&p->rule_fails[i]);
    }
}

static Sluice__V1__TableStatus *table_status(struct job *j, struct catalog_table *t)
{
    const struct admin_hooks *hooks = &admin__options(j->admin)->hooks;
    struct admin_table from = {.delta_version = -1};
    hooks->table(hooks->ctx, t->id, &from);
    Sluice__V1__TableStatus *m = job_alloc(j, sizeof(*m));
    sluice__v1__table_status__init(m);
    m->name = job_str(j, t->name);
    m->rows_appended = atomic_load(&t->live->rows_appended);
    add_bad_rows(j, t, m);
    m->last_position = atomic_load(&t->live->last_pos);
    m->committed_position = from.committed_pos;
    m->delta_version = from.delta_version;
    m->rows_committed = from.rows_committed;
    m->lag_rows = from.lag_rows;
    m->spilled_rows = from.spilled_rows;
    m->spilled_bytes = from.spilled_bytes;
    m->spilled_files = from.spilled_files;
    m->slowed = atomic_load(&t->live->slowed);
    m->fault = job_str(j, from.fault);
    return m;
}

static void add_tables(struct job *j, Sluice__V1__StatusResponse *a)
{
    struct catalog_table **tables;
    size_t count = catalog_tables(admin__options(j->admin)->catalog, &tables);
    a->tables = job_alloc(j, (count + 1) * sizeof(*a->tables));
    for (size_t i = 0; i < count; i++) {
        a->tables[a->n_tables++] = table_status(j, tables[i]);
        tables[i] = catalog_table_unref(tables[i]);
    }
    mem_free(tables);
}

int admin__status(struct job *j)
{
    const struct admin_options *o = admin__options(j->admin);
    Sluice__V1__StatusResponse *a = job_alloc(j, sizeof(*a));
    sluice__v1__status_response__init(a);
    a->counters = job_alloc(j, REPORT_MAX * sizeof(*a->counters));
    a->latencies = job_alloc(j, REPORT_MAX * sizeof(*a->latencies));
    struct uuid uuid = bronze_uuid(o->log);
    a->log_uuid = job_alloc(j, UUID_TEXT_LEN + 1);
    uuid_format(&uuid, a->log_uuid);
    struct bronze_usage u;
    bronze_usage(o->log, &u);
    a->version = job_str(j, o->version);
    a->started_at_us = admin__started_us(j->admin);
    a->applied_position = o->hooks.applied_pos(o->hooks.ctx);
    a->scanned_position = o->hooks.scanned_pos(o->hooks.ctx);
    a->durable_position = bronze_durable_pos(o->log);
    a->trimmed_position = bronze_trimmed_pos(o->log);
    a->log_bytes = u.log_bytes;
    a->log_bytes_max = u.log_bytes_max;
    a->state = job_str(j, u.no_space ? "no space left for the log" : o->hooks.state(o->hooks.ctx));
    char fault[ERR_TEXT_MAX] = "";
    o->hooks.store_fault(o->hooks.ctx, fault, sizeof(fault));
    a->store_fault = job_str(j, fault);
    add_tables(j, a);
    struct admin_report r = {j, a};
    admin_report_latency(&r, "log_write", bronze_write_hist(o->log));
    admin_report_counter(&r, "log_writes", u.writes);
    admin_report_counter(&r, "log_segments", u.segments);
    admin_report_counter(&r, "log_full_events", u.full_events);
    o->hooks.report(o->hooks.ctx, &r);
    j->answer = &a->base;
    return 0;
}

static int find_place(struct job *j, const Sluice__V1__FindRequest *q, struct bronze_place *ret)
{
    const struct admin_options *o = admin__options(j->admin);
    switch (q->what_case) {
    case SLUICE__V1__FIND_REQUEST__WHAT_POSITION:
        return bronze_find_pos(o->log, o->store, q->position, ret, &j->err);
    case SLUICE__V1__FIND_REQUEST__WHAT_TIME_US:
        return bronze_find_time(o->log, o->store, q->time_us, ret, &j->err);
    case SLUICE__V1__FIND_REQUEST__WHAT_STREAM_OFFSET: {
        struct catalog_table *t = NULL;
        uint64_t stream_id = 0;
        TRY(catalog_table_by_name(o->catalog, q->stream_offset->table, &t, &j->err));
        uint32_t table_id = t->id;
        t = catalog_table_unref(t);
        TRY(catalog_stream_by_uuid(o->catalog, q->stream_offset->stream_id, &stream_id, &j->err));
        if (q->stream_offset->offset < 0)
            return err_set(&j->err, ERR_INVALID, "offsets begin at 0");
        return bronze_find_offset(o->log, o->store, table_id, stream_id,
                                  (uint64_t)q->stream_offset->offset, ret, &j->err);
    }
    default:
        return err_set(&j->err, ERR_INVALID,
                       "say what to find: position, time_us or stream_offset");
    }
}

int admin__find(struct job *j)
{
    const struct admin_options *o = admin__options(j->admin);
    struct bronze_place p;
    Sluice__V1__FindResponse *a = job_alloc(j, sizeof(*a));
    sluice__v1__find_response__init(a);
    j->answer = &a->base;
    int r = find_place(j, (const void *)j->request, &p);
    if (r == ERR_NOT_FOUND)
        return 0; /* found stays false */
    TRY(r);
    struct catalog_table *t = catalog_table_by_id(o->catalog, p.frame.table_id);
    char uuid[UUID_TEXT_LEN + 1];
    struct buf segment = BUF_NULL;
    buf_printf(&segment, "%020" PRIu64 ".log", p.segment);
    a->found = true;
    a->position = p.pos;
    a->segment = job_str_of(j, &segment);
    a->segment_offset = p.offset;
    a->table = job_str(j, t != NULL ? t->name : "");
    a->stream_id = job_str(j, catalog_stream_uuid(o->catalog, p.frame.stream_id, uuid) ? uuid : "");
    a->stream_offset = (int64_t)p.frame.first_offset +
                       (p.frame.kind == BRONZE_SINGLES ? (int64_t)(p.pos - p.frame.first_pos) : 0);
    a->time_us = p.frame.time_us;
    t = catalog_table_unref(t);
    return 0;
}

int admin__health(struct job *j)
{
    const Grpc__Health__V1__HealthCheckRequest *q = (const void *)j->request;
    const struct admin_hooks *hooks = &admin__options(j->admin)->hooks;
    static const char *const known[] = {"",
                                        "databricks.zerobus.Zerobus",
                                        "sluice.v1.Rows",
                                        "sluice.v1.Quarantine",
                                        "sluice.v1.Tables",
                                        "sluice.v1.Tokens",
                                        "sluice.v1.Server"};
    size_t i = 0;
    while (i < ARRAY_LEN(known) && strcmp(q->service, known[i]) != 0)
        i++;
    if (i == ARRAY_LEN(known))
        return err_set(&j->err, ERR_NOT_FOUND, "no service %s here", q->service);
    Grpc__Health__V1__HealthCheckResponse *a = job_alloc(j, sizeof(*a));
    grpc__health__v1__health_check_response__init(a);
    a->status = strcmp(hooks->state(hooks->ctx), "serving") == 0
                    ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
                    : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
    j->answer = &a->base;
    return 0;
}
