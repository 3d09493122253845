/* SPDX-License-Identifier: Apache-2.0 */
/* sluice status: counters, lags and latencies of a running server. */
#include "cli_priv.h"

#include <stdio.h>

typedef Sluice__V1__StatusResponse Status;

static void bad_rows_json(struct json *j, const Sluice__V1__TableStatus *t)
{
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"rows_rejected", t->rows_rejected}, {"rows_quarantined", t->rows_quarantined},
        {"rows_dropped", t->rows_dropped},   {"rows_warned", t->rows_warned},
        {"rows_replayed", t->rows_replayed},
    };
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        json_key(j, numbers[i].name);
        json_u64(j, numbers[i].value);
    }
    json_key(j, "rules");
    json_open(j, '{');
    for (size_t i = 0; i < t->n_rules; i++) {
        json_key(j, t->rules[i]->name);
        json_open(j, '{');
        json_key(j, "action");
        json_str(j, t->rules[i]->action);
        json_key(j, "rows_failed");
        json_u64(j, t->rules[i]->rows_failed);
        json_close(j, '}');
    }
    json_close(j, '}');
}

static void tables_json(struct json *j, const Status *s)
{
    json_key(j, "tables");
    json_open(j, '[');
    for (size_t i = 0; i < s->n_tables; i++) {
        const Sluice__V1__TableStatus *t = s->tables[i];
        json_open(j, '{');
        json_key(j, "name");
        json_str(j, t->name);
        json_key(j, "rows_appended");
        json_u64(j, t->rows_appended);
        json_key(j, "last_position");
        json_u64(j, t->last_position);
        json_key(j, "committed_position");
        json_u64(j, t->committed_position);
        json_key(j, "delta_version");
        json_i64(j, t->delta_version);
        json_key(j, "rows_committed");
        json_u64(j, t->rows_committed);
        json_key(j, "lag_rows");
        json_u64(j, t->lag_rows);
        json_key(j, "spilled_rows");
        json_u64(j, t->spilled_rows);
        json_key(j, "spilled_bytes");
        json_u64(j, t->spilled_bytes);
        json_key(j, "spilled_files");
        json_u64(j, t->spilled_files);
        json_key(j, "slowed");
        json_bool(j, t->slowed);
        json_key(j, "fault");
        json_str(j, t->fault);
        bad_rows_json(j, t);
        json_close(j, '}');
    }
    json_close(j, ']');
}

static void latencies_json(struct json *j, const Status *s)
{
    json_key(j, "latencies");
    json_open(j, '{');
    for (size_t i = 0; i < s->n_latencies; i++) {
        const Sluice__V1__Latency *l = s->latencies[i];
        json_key(j, l->name);
        json_open(j, '{');
        json_key(j, "count");
        json_u64(j, l->count);
        json_key(j, "p50_us");
        json_u64(j, l->p50_us);
        json_key(j, "p95_us");
        json_u64(j, l->p95_us);
        json_key(j, "p99_us");
        json_u64(j, l->p99_us);
        json_key(j, "max_us");
        json_u64(j, l->max_us);
        json_close(j, '}');
    }
    json_close(j, '}');
    json_key(j, "counters");
    json_open(j, '{');
    for (size_t i = 0; i < s->n_counters; i++) {
        json_key(j, s->counters[i]->name);
        json_u64(j, s->counters[i]->value);
    }
    json_close(j, '}');
}

static void print_json(const Status *s)
{
    struct buf out = BUF_NULL;
    struct json j = json_on(&out);
    json_open(&j, '{');
    json_key(&j, "version");
    json_str(&j, s->version);
    json_key(&j, "state");
    json_str(&j, s->state);
    json_key(&j, "started_at_us");
    json_i64(&j, s->started_at_us);
    json_key(&j, "log_uuid");
    json_str(&j, s->log_uuid);
    json_key(&j, "store_fault");
    json_str(&j, s->store_fault);
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"durable_position", s->durable_position},
        {"applied_position", s->applied_position},
        {"scanned_position", s->scanned_position},
        {"trimmed_position", s->trimmed_position},
        {"log_bytes", s->log_bytes},
        {"log_bytes_max", s->log_bytes_max},
    };
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        json_key(&j, numbers[i].name);
        json_u64(&j, numbers[i].value);
    }
    tables_json(&j, s);
    latencies_json(&j, s);
    json_close(&j, '}');
    cli_json_print(&out);
}

/* Only of tables that have some. */
static void print_bad_rows(const Status *s)
{
    struct cli_grid g = {.columns = 6};
    static const char *const heads[] = {"bad rows of", "rejected", "quarantined",
                                        "dropped",     "warned",   "replayed"};
    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        cli_grid_cell(&g, "%s", heads[i]);
    bool some = false;
    for (size_t i = 0; i < s->n_tables; i++) {
        const Sluice__V1__TableStatus *t = s->tables[i];
        const uint64_t counts[] = {t->rows_rejected, t->rows_quarantined, t->rows_dropped,
                                   t->rows_warned, t->rows_replayed};
        uint64_t sum = 0;
        for (size_t k = 0; k < ARRAY_LEN(counts); k++)
            sum += counts[k];
        if (sum == 0)
            continue;
        some = true;
        cli_grid_cell(&g, "%s", t->name);
        for (size_t k = 0; k < ARRAY_LEN(counts); k++)
            cli_grid_cell(&g, "%llu", (unsigned long long)counts[k]);
    }
    if (some)
        cli_grid_print(&g);
    else
        buf_deinit(&g.cells);
}

static void print_tables(const Status *s)
{
    struct cli_grid g = {.columns = 7};
    static const char *const heads[] = {"table",   "rows appended", "rows in Delta", "lag rows",
                                        "spilled", "version",       "fault"};
    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        cli_grid_cell(&g, "%s", heads[i]);
    for (size_t i = 0; i < s->n_tables; i++) {
        const Sluice__V1__TableStatus *t = s->tables[i];
        cli_grid_cell(&g, "%s", t->name);
        cli_grid_cell(&g, "%llu", (unsigned long long)t->rows_appended);
        cli_grid_cell(&g, "%llu", (unsigned long long)t->rows_committed);
        cli_grid_cell(&g, "%llu", (unsigned long long)t->lag_rows);
        cli_grid_cell(&g, "%llu%s", (unsigned long long)t->spilled_rows,
                      t->slowed ? ", streams wait" : "");
        cli_grid_cell(&g, "%lld", (long long)t->delta_version);
        cli_grid_cell(&g, "%s", t->fault[0] != '\0' ? t->fault : "-");
    }
    cli_grid_print(&g);
}

static void print_latencies(const Status *s)
{
    struct cli_grid g = {.columns = 6};
    static const char *const heads[] = {"latency (us)", "count", "p50", "p95", "p99", "max"};
    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        cli_grid_cell(&g, "%s", heads[i]);
    for (size_t i = 0; i < s->n_latencies; i++) {
        const Sluice__V1__Latency *l = s->latencies[i];
        cli_grid_cell(&g, "%s", l->name);
        const uint64_t values[] = {l->count, l->p50_us, l->p95_us, l->p99_us, l->max_us};
        for (size_t k = 0; k < ARRAY_LEN(values); k++)
            cli_grid_cell(&g, "%llu", (unsigned long long)values[k]);
    }
    cli_grid_print(&g);
}

static void print_counters(const Status *s)
{
    struct cli_grid g = {.columns = 2};
    cli_grid_cell(&g, "counter");
    cli_grid_cell(&g, "value");
    for (size_t i = 0; i < s->n_counters; i++) {
        cli_grid_cell(&g, "%s", s->counters[i]->name);
        cli_grid_cell(&g, "%llu", (unsigned long long)s->counters[i]->value);
    }
    cli_grid_print(&g);
}

static void print_people(const Status *s)
{
    char started[32];
    cli_time(s->started_at_us, started);
    printf("sluiced %s, %s, since %s\n", s->version, s->state, started);
    printf("positions  durable %llu  applied %llu  scanned %llu  log from %llu\n",
           (unsigned long long)s->durable_position, (unsigned long long)s->applied_position,
           (unsigned long long)s->scanned_position, (unsigned long long)s->trimmed_position);
    if (s->applied_position < s->durable_position)
        printf("behind     the key tables by %llu positions\n",
               (unsigned long long)(s->durable_position - s->applied_position));
    if (s->store_fault[0] != '\0')
        printf("store      %s\n", s->store_fault);
    printf("log        %.1f of %.1f MiB\n\n", (double)s->log_bytes / 1048576,
           (double)s->log_bytes_max / 1048576);
    print_tables(s);
    print_bad_rows(s);
    printf("\n");
    print_latencies(s);
    printf("\n");
    print_counters(s);
}

int cli_status(struct cli *c)
{
    Sluice__V1__StatusRequest q = SLUICE__V1__STATUS_REQUEST__INIT;
    int status;
    Status *s = cli_call(c, "/sluice.v1.Server/Status", &q.base,
                         &sluice__v1__status_response__descriptor, &status);
    if (s == NULL)
        return status;
    if (c->json)
        print_json(s);
    else
        print_people(s);
    sluice__v1__status_response__free_unpacked(s, NULL);
    return EXIT_OK;
}
