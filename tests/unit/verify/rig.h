/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A data folder and a lake that real modules have filled: log, catalog, compactor, and a store that
 * holds what the apply thread would have put there. Closed before it is verified.
 */

#include "test.h"

#include "base/mem.h"
#include "bronze/bronze.h"
#include "catalog/catalog.h"
#include "compact/compact.h"
#include "objstore/objstore.h"
#include "store/store.h"
#include "sys/sys.h"
#include "verify/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RIG_TABLE "a.b.c"

struct rig {
    char path[64], data[96], lake_path[96];
    struct sys *sys;
    struct err e;
    /* open only between rig_open() and rig_close() */
    struct bronze *log;
    struct catalog *catalog;
    struct store *store;
    struct objstore *lake;
    struct compact *compact;
    struct catalog_table *table; /* columns: id BIGINT NOT NULL, text STRING */
    char stream[40];             /* of rig_rows() */
    bool keyed, skip_a_row;      /* the table has a key; the store lacks one of its rows */
    unsigned segments_to_trim;   /* for the on_progress of a test */
    bronze_pos apply_to;         /* the next rig_close() applies so far; 0 = everything */
    /* what the last verify has told */
    struct verify_report report;
    unsigned faults, notes;
    char first_fault[1024]; /* "what file text" */
    char all[8192];
};

void rig_up(struct rig *x); /* the folder, the table; open */
void rig_up_keyed(struct rig *x);
void rig_open(struct rig *x);
void rig_down(struct rig *x);
/* Rows with ids @first … on a new stream, one offset each; durable. Appends their lines, and the
 * ack of all, to @ledger (may be NULL). */
void rig_rows(struct rig *x, unsigned first, unsigned count, const char *ledger);
void rig_commit(struct rig *x);    /* everything durable is in Delta */
void rig_next_life(struct rig *x); /* closed and opened: the log goes on in a new segment */
void rig_trim(struct rig *x);      /* the log's oldest segment is gone */
void rig_close(struct rig *x);     /* in good order: applied, flushed, sealed */
/* Verify the closed folder. Returns the number of faults. */
uint64_t rig_verify(struct rig *x, struct verify_options o);
bool rig_told(const struct rig *x, const char *part);
