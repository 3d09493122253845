/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * rescue: what an operator does when something is lost. The store is made again from the log and
 * the lake; a damaged log's readable rows are written to NDJSON. Offline: each takes the data
 * folder's lock, so no server may run.
 *
 * Thread: the caller's; blocks.
 */

#include "base/attr.h"
#include "base/err.h"
#include "bronze/bronze.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct sys;

/* How far it is with @what (a table in the lake, "log"): @done of @all. */
typedef void rescue_progress_fn(void *ctx, const char *what, uint64_t done, uint64_t all);

/* ---- where the lake is ---- */

/* The server writes the lake's folder into the data folder at each start, for offline commands. */
must_use int rescue_note_lake(struct sys *s, const char *data, const char *lake, struct err *e);
/* *ret_lake is given. ERR_NOT_FOUND: it was never noted. */
must_use int rescue_noted_lake(struct sys *s, const char *data, char **ret_lake, struct err *e);

/* ---- the store ---- */

struct rescue_store {
    const char *data, *lake;
    rescue_progress_fn *progress; /* NULL: nobody is shown */
    void *ctx;
    /* set on return 0 */
    uint64_t tables, files; /* data files read from the lake */
    uint64_t rows_lake;     /* rows that only the lake still had */
    uint64_t rows_spilled;  /* rows that only spill files still had */
    uint64_t rows_unkeyed;  /* of both, with a key too long for the store */
    bronze_pos log_from;    /* positions before it are from the lake */
    bronze_pos applied;     /* the new store shows everything up to here */
};
/*
 * Makes <data>/store again: key tables from the lake for what the log no longer holds, everything
 * else by applying the log. It is built beside the old store, which is set aside under the name
 * store.damaged-<time> when the new one is complete, and then removed. Cut short at any point it
 * can be begun again.
 * ERR_BUSY: a server runs. ERR_DAMAGED, ERR_NOT_FOUND: log or lake cannot give everything back; the
 * sentence names the file, and the old store is as it was.
 */
must_use int rescue_store(struct sys *s, struct rescue_store *r, struct err *e);

/*
 * Is there a store in <data>/store? ERR_DAMAGED: there are tables, but nothing that names them. One
 * whose making was cut short holds nothing yet: it is not there, and is made where it stands.
 */
must_use int rescue_store_is_there(struct sys *s, const char *data, bool *ret_there, struct err *e);

/* ---- the log ---- */

struct rescue_log {
    const char *data;
    FILE *out;  /* one JSON object a line: each row that can be read */
    FILE *tell; /* what cannot be read: file, byte, positions */
    rescue_progress_fn *progress;
    void *ctx;
    /* set on return 0, and as far as it came */
    uint64_t rows, rows_raw; /* written; of them as bytes, because no descriptor renders them */
    uint64_t faults;         /* places that cannot be read */
};
/* Writes every row of the log that can be read, and before them those that were spilled from it, in
 * order of their tables; tells what cannot. Changes nothing.
 * 0 also with faults. */
must_use int rescue_log(struct sys *s, struct rescue_log *r, struct err *e);
