/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What many seeds add up to. */

#include "sim.h"

/* A run of at least so many seeds must have met every point and every kind of fault. */
#define COVER_SEEDS 2000
/* What each seed must have at least. */
#define EVENTS_MIN  1000
#define CRASHES_MIN 3
#define TABLES_MIN  2
#define STREAMS_MIN 4

struct report {
    uint64_t seeds, bad_seeds, violations, crashes, first_bad;
    double seconds;
    struct sim_result sum; /* numbers added up */
    uint64_t events_least;
    unsigned crashes_least, tables_least, streams_least;
    char first_violation[600];
};

struct report *report_new(void);
struct report *report_free(struct report *r);
void report_add(struct report *r, const struct sim_result *one);
/* Returns false when a seed had too little, or something was never met though the run was large
 * enough. */
bool report_print(const struct report *r, bool points);
bool report_write_json(const struct report *r, const char *path);
