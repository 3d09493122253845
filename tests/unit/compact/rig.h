/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A compactor without its thread, over a real log in a folder of its own and a lake with faults on
 * order. */

#include "test.h"

#include "base/mem.h"
#include "compact_priv.h"
#include "objstore/objstore.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the sizes here are counted in; half a MiB, as each log that is opened writes three segments
 * of zeros. A segment has 16, the log's memory 32, a block at most 4. */
#define RIG_UNIT (512u * 1024)

struct rig {
    char path[64];
    struct sys *sys;
    struct bronze *log;
    struct catalog *catalog;
    struct store *store;
    struct objstore *lake; /* a fake over <path>/lake */
    struct compact_options options;
    struct compact *c;
    uint64_t log_bytes_max; /* 160 units; another with rig_restart() */
    uint64_t draw;          /* for the text of rows */
    struct err e;
};

void rig_up(struct rig *x); /* cuts only by size or when drained; never trims by itself */
void rig_down(struct rig *x);
void rig_open(struct rig *x);    /* a compactor for this log and lake */
void rig_kill(struct rig *x);    /* the compactor is gone, as by kill -9: nothing is drained */
void rig_restart(struct rig *x); /* … and the log and the catalog are opened again too */
void rig_backup(struct rig *x);  /* of the data folder, in good order; then as rig_restart() */
void rig_restore(struct rig *x); /* the backup is put back, the store lost; the lake is as it was */

/* Columns of every table here: id BIGINT NOT NULL, text STRING. */
struct catalog_table *rig_table(struct rig *x, const char *name);
/* The table's next version; either change may be NULL. */
struct catalog_table *rig_alter(struct rig *x, const char *name, const char *add,
                                const char *widen);
/* @count rows in one request, with @text_len bytes of text each; durable on return. Gives the last
 * position. */
bronze_pos rig_rows(struct rig *x, struct catalog_table *t, unsigned count, size_t text_len);
/* Turns until there is nothing to read, and the looks in between. */
void rig_turn(struct rig *x);
/* The store has the rows up to @pos, as the apply thread would say. */
void rig_applied(struct rig *x, bronze_pos pos);
/* @units of rows in the log, read and applied as they come; the log is trimmed where it may. Gives
 * the last position. */
bronze_pos rig_load(struct rig *x, struct catalog_table *t, unsigned units);
/* Turns with pauses until the table has no rows waiting. */
void rig_settle(struct rig *x, struct catalog_table *t);
struct compact_table_status rig_status(struct rig *x, struct catalog_table *t);

/* What Delta says about a table, by the tags of its adds; fails when two overlap. */
struct rig_delta {
    int64_t version; /* -1: no log */
    uint64_t rows, files;
    bronze_pos first, last; /* over all files */
    int64_t txn;            /* the newest */
};
struct rig_delta rig_delta(struct rig *x, const char *location);
/* The versions of a Delta table in short: "C" made, "R" rows, "M" columns (metaData with txn).
 * Fails when an M does not stand between the rows below and above its txn. */
#define RIG_STORY_MAX 64
void rig_story(struct rig *x, const char *location, char ret[RIG_STORY_MAX]);
bool rig_has_fault(struct rig *x, struct catalog_table *t, const char *part);
