/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of rescue share. */

#include "rescue/rescue.h"

#include "base/buf.h"
#include "catalog/catalog.h"
#include "row/row.h"
#include "sys/sys.h"

struct store;
struct store_batch;
struct objstore;

/* A rebuild under way. */
struct rebuild {
    struct sys *sys;
    struct rescue_store *r;
    const char *path; /* of the new store */
    struct bronze *log;
    struct catalog *catalog;
    struct objstore *lake;
    struct store *store; /* the new one */
    struct store_batch *batch;
    struct buf file, key[2]; /* scratch */
    struct row_value *values;
    uint32_t value_cap;
    struct arena arena; /* what the values hold */
};
void rescue__rebuild_deinit(struct rebuild *b); /* the scratch */

/* lake.c: what the lake has of a table, into the batch: records of its commits, rows that the log
 * has no more. *ret_txn: how far it is committed, 0 = not at all. */
must_use int rescue__table(struct rebuild *b, const struct catalog_table *t, uint64_t *ret_txn,
                           struct err *e);
/* spill.c: rows above @txn that neither the lake nor the log has. */
must_use int rescue__spilled(struct rebuild *b, const struct catalog_table *t, uint64_t txn,
                             struct err *e);
void rescue__make_values(struct rebuild *b, uint32_t count); /* room in b->values */
/* The batch goes into the store when it holds @bytes_min or more. */
must_use int rescue__write_batch(struct rebuild *b, size_t bytes_min, struct err *e);

/* A folder of files (no folders in it) and itself; missing is fine. */
must_use int rescue__remove_folder(struct sys *s, const char *path, struct err *e);
