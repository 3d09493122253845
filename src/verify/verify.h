/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * verify: is everything that was acknowledged there, once, and unchanged? Reads the log, the store
 * and the lake, and ledgers of producers (docs/formats/ledger.md), compares each with the others,
 * and checks every checksum. Writes nothing.
 *
 * Offline it holds the data folder's lock; while a server has the folder, it reads only what that
 * server has finished. Thread: the caller's; blocks.
 */

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct sys;

enum verify_kind {
    VERIFY_FAULT = 1, /* something is wrong */
    VERIFY_NOTE,      /* worth knowing: files of others, orphans, what could not be compared */
};

/* Text is borrowed for the call; "" and 0 where it does not apply. */
struct verify_finding {
    enum verify_kind kind;
    const char *what;  /* one word: damaged, missing, doubled, different, order, foreign, … */
    const char *table; /* its name */
    const char *file;  /* data/…, lake/… or a ledger */
    uint64_t offset;   /* in the file; with @has_offset */
    bool has_offset;
    uint64_t position; /* of the log */
    const char *text;  /* the sentence */
};
typedef void verify_finding_fn(void *ctx, const struct verify_finding *f);
/* @stage: what is being done; @done of @total bytes or rows of it; total 0 = not known. */
typedef void verify_progress_fn(void *ctx, const char *stage, uint64_t done, uint64_t total);

struct verify_options {
    const char *data;           /* the data folder */
    const char *lake;           /* the lake's folder; NULL: it is not looked at */
    const char *const *ledgers; /* files */
    uint32_t ledger_count;
    bool no_rows;      /* files and checksums only: rows are not compared with each other */
    bool stopped_well; /* the last stop was in good order: everything must have been carried on */
    uint64_t memory_bytes; /* for the rows of ledgers; 0 = 256 MiB */
    uint32_t details_max;  /* findings of one kind in one place; 0 = 20. All are counted */
    verify_finding_fn *on_finding;
    verify_progress_fn *on_progress; /* may be NULL */
    void *ctx;
};

struct verify_report {
    bool live; /* a server was at work */
    uint64_t faults, notes;
    uint64_t first_pos, end_pos; /* positions [first_pos, end_pos) stand in the log */
    uint64_t segments, blocks, log_bytes;
    uint64_t spill_files, spill_bytes;
    uint64_t store_files, store_keys, store_bytes;
    uint64_t tables, commits, data_files, checkpoints, lake_bytes;
    uint64_t foreign_files, orphan_files, unrecorded_commits;
    uint64_t rows_log, rows_delta, rows_compared, rows_waiting; /* waiting: not in Delta yet */
    uint64_t rows_keyed;                                        /* compared with the store */
    uint64_t ledger_quarantined; /* acknowledged, and in a quarantine table */
    uint64_t ledger_sent, ledger_acked, ledger_missing, ledger_doubled, ledger_different;
};

/* 0: looked at everything, report->faults says how it is. Negative: it could not be looked at to
 * the end; ERR_NOT_FOUND: no data folder, lake or ledger there; ERR_INVALID: a ledger that does not
 * read. */
must_use int verify_run(struct sys *s, const struct verify_options *o, struct verify_report *ret,
                        struct err *e);
