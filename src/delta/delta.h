/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * delta: a Delta table's log. Create a table, commit files by put-if-absent, checkpoints, and
 * reading the log back as far as a writer needs (newest version, transactions, live files).
 * Protocol: reader 1 / writer 7 (reader 3 when a column at any depth is TIMESTAMP_NTZ or VARIANT,
 * or was widened); see docs/formats/delta.md.
 *
 * Thread: an object belongs to one thread; calls block on the object store.
 */

#include "base/attr.h"
#include "base/err.h"
#include "base/slice.h"
#include "row/row.h"

#include <stdbool.h>
#include <stdint.h>

struct sys;
struct objstore;
struct delta_table;
struct parquet_writer;

struct delta_create {
    const char *location; /* folder in the object store */
    const char *name;     /* catalog.schema.table */
    const char *delta_id; /* UUID */
    struct row_schema *schema;
    int64_t now_us;
};
/* Version 0: protocol, metaData, commitInfo. ERR_EXISTS: the location is not empty (rule D6); but a
 * version 0 with the same delta_id is our own from before and is 0. */
must_use int delta_create(struct objstore *o, const struct delta_create *r, struct err *e);

/*
 * Opens an existing table: finds its newest version and checks that nobody else has changed
 * protocol or metaData since version 0. ERR_NOT_FOUND: no log there. ERR_UNSUPPORTED: writer
 * features we do not know, or another writer has changed protocol or metaData. ERR_DAMAGED: a
 * commit is missing or does not read.
 */
must_use int delta_open(struct sys *s, struct objstore *o, const char *location,
                        struct delta_table **ret_table, struct err *e);
struct delta_table *delta_close(struct delta_table *t); /* takes NULL; returns NULL */
int64_t delta_version(const struct delta_table *t);
const char *delta_id(const struct delta_table *t); /* metaData.id */
/* The newest txn version of @app_id, or -1. Reads commits backwards until it is found. */
must_use int delta_txn(struct delta_table *t, const char *app_id, int64_t *ret_version,
                       struct err *e);
/* When the commit that delta_txn() has found was made: its lastUpdated, ms since 1970; -1 = it does
 * not say. */
int64_t delta_txn_ms(const struct delta_table *t, const char *app_id);

/* ---- names.c: names that tie a table to its log ---- */

#define DELTA_NAME_MAX 128
struct uuid;
/* The appId of our txn actions (rule D1). */
void delta_app_id(const struct uuid *log, uint64_t timeline, uint32_t table_id,
                  char ret_app_id[DELTA_NAME_MAX]);
/* A data file's name; @unique makes it one of its own. */
void delta_data_name(uint64_t first_pos, const struct uuid *unique, char ret_name[DELTA_NAME_MAX]);
/* The first position that a data file's name states; 0 = it is not a name of ours. */
uint64_t delta_data_name_pos(const char *name);

/* One data file that is in the object store already (rule D4). */
struct delta_file {
    char path[128]; /* relative to the table's folder */
    uint64_t size, row_count;
    uint64_t first_pos, last_pos;
    uint8_t hash[16];   /* XXH3-128 */
    struct slice stats; /* JSON text of add.stats */
};
/* XXH3-128 in its canonical byte order: what delta_file.hash holds. */
void delta_hash(struct slice data, uint8_t ret_hash[16]);
/* add.stats from a finished file: numRecords, min/max/nullCount of the first 32 columns and fields
 * of STRUCTs, strings cut at 32 characters (max rounded up), timestamps to ms (min down, max up).
 * Of an ARRAY, MAP or VARIANT the nullCount only. */
void delta_file_stats(const struct parquet_writer *w, const struct row_schema *s, struct buf *out);

/* Size and XXH3-128 of an object in the lake; size 0 = none. */
struct delta_seal {
    uint64_t size;
    uint8_t hash[16];
};

/* One attempt's cut, frozen until its fate is known (rule D3). */
struct delta_commit {
    const char *app_id;
    int64_t txn_version; /* the position scanned to (rule D5) */
    const struct delta_file *files;
    size_t file_count; /* 0: only the txn moves */
    /* The table's schema from this version on; NULL = as it was. Columns (and fields of STRUCTs)
     * may be added at the end, types changed where row_widening_ok() says so. Files of older
     * versions stay as they are; those of this one are of the new schema. */
    struct row_schema *schema; /* borrowed */
    int64_t now_us;
    int64_t arrived_us; /* nothing up to txn_version arrived later: nor is the commit dated (D2) */
    /* set on success */
    int64_t version;
    uint8_t hash[16]; /* of the commit file's bytes */
    uint64_t size;
    bool was_there;  /* an earlier attempt of the same cut had won */
    bool checkpoint; /* this commit wrote one: */
    struct delta_seal checkpoint_file, hint_file;
};
/*
 * Is the newest version that we know still there? ERR_UNAVAILABLE: no; an empty folder in place of
 * the lake (a mount that is gone) would take commits that nobody finds again.
 */
must_use int delta_check_there(struct delta_table *t, struct err *e);

/*
 * Commit at the next free version. A lost race reads the winner and tries again; when our txn is
 * there already the attempt had succeeded. Writes a checkpoint every 100 versions afterwards (its
 * failure is returned in *ret_checkpoint, not as the commit's). Returns 0. ERR_UNAVAILABLE,
 * ERR_TIMEOUT, ERR_IO, ERR_NO_SPACE: fate unknown or not done; call again with the SAME cut.
 * ERR_PRECONDITION: somebody changed schema or protocol, or commits under our app id; the table
 * stops. ERR_INVALID: the table's schema cannot become @schema; nothing was written.
 */
must_use int delta_commit(struct delta_table *t, struct delta_commit *c, int *ret_checkpoint,
                          struct err *e);

/* ---- looking at what is there, for checks ---- */

/* A file action of a commit. Text is borrowed for the call. */
struct delta_entry {
    const char *path; /* as the commit spells it */
    bool removed;     /* a remove; else an add */
    uint64_t size;
    bool has_tags; /* the tags of ours; what follows is 0 without them */
    uint64_t first_pos, last_pos, row_count;
    uint8_t hash[16];
};
typedef void delta_entry_fn(void *ctx, const struct delta_entry *f);
struct delta_version {
    int64_t version;    /* asked for */
    const char *app_id; /* whose txn is asked for; NULL = nobody's */
    /* set on return 0 */
    bool ours;          /* written by a Sluice */
    bool changes_table; /* holds protocol or metaData, and not as a schema change of ours */
    int64_t txn;        /* -1 = none of app_id */
    char table_id[64];  /* metaData.id; "" = none */
    char engine[64];    /* who wrote it, as it says */
    struct delta_seal commit;
};
/* One commit file and its file actions, in order. ERR_NOT_FOUND, ERR_DAMAGED. */
must_use int delta_version_read(struct objstore *o, const char *location, struct delta_version *v,
                                delta_entry_fn *fn, void *ctx, struct err *e);
/* Our own note beside the checkpoints, in _delta_log. */
#define DELTA_STATE_NAME "_sluice_state"
/* Is it whole, and of this log? ERR_NOT_FOUND, ERR_DAMAGED. */
must_use int delta_state_check(struct objstore *o, const char *location, struct err *e);
/* Checkpoint of @version, and _last_checkpoint if it names that version; size 0 = not there. */
must_use int delta_checkpoint_seals(struct objstore *o, const char *location, int64_t version,
                                    struct delta_seal *ret_file, struct delta_seal *ret_hint,
                                    struct err *e);
