/* SPDX-License-Identifier: Apache-2.0 */
/* Adding up, printing, and the JSON form of it. */
#include "report.h"

#include "base/mem.h"
#include "sys/sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct report *report_new(void)
{
    struct report *r = mem_zalloc(sizeof(*r));
    r->events_least = UINT64_MAX;
    r->crashes_least = r->tables_least = r->streams_least = UINT32_MAX;
    return r;
}

struct report *report_free(struct report *r)
{
    mem_free(r);
    return NULL;
}

static void add_counts(uint64_t *to, const uint64_t *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] += from[i];
}

void report_add(struct report *r, const struct sim_result *one)
{
    struct sim_result *s = &r->sum;
    r->seeds++;
    if (one->violations > 0) {
        r->bad_seeds++;
        r->violations += one->violations;
        if (r->first_bad == 0 || one->seed < r->first_bad) {
            r->first_bad = one->seed;
            memcpy(r->first_violation, one->violation, sizeof(r->first_violation));
        }
        return; /* its run was not a whole one */
    }
    r->crashes += one->crashes;
    r->events_least = MIN(r->events_least, one->events);
    r->crashes_least = MIN(r->crashes_least, one->crashes);
    r->tables_least = MIN(r->tables_least, (unsigned)one->tables);
    r->streams_least = MIN(r->streams_least, (unsigned)one->streams);
    s->events += one->events;
    s->turns += one->turns;
    s->acked_rows += one->acked_rows;
    s->logged_rows += one->logged_rows;
    s->lake_rows += one->lake_rows;
    s->trims += one->trims;
    s->lookups += one->lookups;
    s->streams += one->streams;
    s->tables += one->tables;
    s->commits += one->commits;
    s->virtual_ns += one->virtual_ns;
    add_counts(s->faults, one->faults, FAULT_COUNT);
    add_counts(s->disk_faults, one->disk_faults, SYS_SIM_FAULT_COUNT);
    add_counts(s->points, one->points, SYS_POINT_COUNT);
    add_counts(s->crashed, one->crashed, SYS_POINT_COUNT);
}

/* What each seed must have at least, or its run proves little. */
static bool print_thin(const struct report *r)
{
    const struct {
        const char *what;
        uint64_t least, wanted;
    } each[] = {
        {"client events", r->events_least, EVENTS_MIN},
        {"crashes", r->crashes_least, CRASHES_MIN},
        {"tables", r->tables_least, TABLES_MIN},
        {"streams", r->streams_least, STREAMS_MIN},
    };
    bool thin = false;
    for (size_t i = 0; i < ARRAY_LEN(each); i++) {
        if (each[i].least >= each[i].wanted)
            continue;
        printf("a seed had %" PRIu64 " %s, each must have %" PRIu64 "\n", each[i].least,
               each[i].what, each[i].wanted);
        thin = true;
    }
    return thin;
}

static unsigned print_faults(const struct report *r)
{
    unsigned missed = 0;
    printf("faults:\n");
    for (unsigned i = 0; i < FAULT_COUNT; i++) {
        printf("  %-34s %10" PRIu64 "\n", sim_fault_name(i), r->sum.faults[i]);
        missed += r->sum.faults[i] == 0;
    }
    for (unsigned i = 0; i < SYS_SIM_FAULT_COUNT; i++) {
        printf("  disk: %-28s %10" PRIu64 "\n", sys_sim_fault_name((enum sys_sim_fault)i),
               r->sum.disk_faults[i]);
        missed += r->sum.disk_faults[i] == 0;
    }
    return missed;
}

static unsigned print_points(const struct report *r)
{
    unsigned missed = 0, not_crashed = 0;
    for (unsigned i = 0; i < SYS_POINT_COUNT; i++) {
        missed += r->sum.points[i] == 0;
        not_crashed += r->sum.crashed[i] == 0;
    }
    printf("named points: %u, passed %u, died at %u\n", SYS_POINT_COUNT, SYS_POINT_COUNT - missed,
           SYS_POINT_COUNT - not_crashed);
    for (unsigned i = 0; i < SYS_POINT_COUNT; i++)
        if (r->sum.points[i] == 0 || r->sum.crashed[i] == 0)
            printf("  %s %s\n", r->sum.points[i] == 0 ? "missed:       " : "never died at:",
                   sys_point_name((enum sys_point)i));
    return missed + not_crashed;
}

bool report_print(const struct report *r, bool points)
{
    const struct sim_result *s = &r->sum;
    unsigned missed = 0;
    if (points && r->seeds > 1) {
        missed += print_faults(r);
        missed += print_points(r);
    }
    printf("%" PRIu64 " seeds in %.1f s (%.1f a second), %.0f s of virtual time\n", r->seeds,
           r->seconds, (double)r->seeds / MAX(r->seconds, 0.001), (double)s->virtual_ns / 1e9);
    if (r->seeds > r->bad_seeds)
        printf("at least in each: %" PRIu64 " client events, %u crashes, %u tables, %u streams\n",
               r->events_least, r->crashes_least, r->tables_least, r->streams_least);
    printf("%" PRIu64 " client events, %" PRIu64 " crashes, %" PRIu64 " streams, %" PRIu64
           " tables, %" PRIu64 " lookups\n",
           s->events, r->crashes, s->streams, s->tables, s->lookups);
    printf("%" PRIu64 " rows acknowledged, %" PRIu64 " in the log, %" PRIu64
           " in the lake in %" PRIu64 " commits, %" PRIu64 " trims\n",
           s->acked_rows, s->logged_rows, s->lake_rows, s->commits, s->trims);
    printf("%" PRIu64 " violations", r->violations);
    if (r->violations > 0)
        printf("; the first: ./dev sim --seed %" PRIu64 " --trace", r->first_bad);
    printf("\n");
    bool is_thin = print_thin(r), is_long = r->seeds >= COVER_SEEDS;
    bool covered = !is_thin && (missed == 0 || !is_long);
    if (is_long && missed > 0)
        printf("a run of %u seeds must meet every fault and die at every point: %u were missed\n",
               COVER_SEEDS, missed);
    return covered;
}

static void json_counts(FILE *f, const char *name, const uint64_t *counts, unsigned count,
                        const char *(*name_of)(unsigned i))
{
    (void)fprintf(f, ",\n  \"%s\": {", name);
    for (unsigned i = 0; i < count; i++)
        (void)fprintf(f, "%s\n    \"%s\": %" PRIu64, i == 0 ? "" : ",", name_of(i), counts[i]);
    (void)fprintf(f, "}");
}

static const char *point_name(unsigned i)
{
    return sys_point_name((enum sys_point)i);
}

static const char *disk_fault_name(unsigned i)
{
    return sys_sim_fault_name((enum sys_sim_fault)i);
}

bool report_write_json(const struct report *r, const char *path)
{
    FILE *f = fopen(path, "we");
    if (f == NULL) {
        perror(path);
        return false;
    }
    const struct sim_result *s = &r->sum;
    (void)fprintf(f,
                  "{\n  \"seeds\": %" PRIu64 ", \"seconds\": %.1f, \"violations\": %" PRIu64
                  ", \"first_bad_seed\": %" PRIu64 ",\n  \"events\": %" PRIu64
                  ", \"crashes\": %" PRIu64 ", \"rows_acknowledged\": %" PRIu64
                  ", \"rows_in_lake\": %" PRIu64,
                  r->seeds, r->seconds, r->violations, r->first_bad, s->events, r->crashes,
                  s->acked_rows, s->lake_rows);
    json_counts(f, "faults", s->faults, FAULT_COUNT, sim_fault_name);
    json_counts(f, "disk_faults", s->disk_faults, SYS_SIM_FAULT_COUNT, disk_fault_name);
    json_counts(f, "points_passed", s->points, SYS_POINT_COUNT, point_name);
    json_counts(f, "points_died_at", s->crashed, SYS_POINT_COUNT, point_name);
    (void)fprintf(f, "\n}\n");
    return fclose(f) == 0;
}
