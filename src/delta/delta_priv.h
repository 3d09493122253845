/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of delta share. read.c, evolve.c and checkpoint.c read with jansson, the
 * others write with base/json.h; the two define names alike and meet in no file. */

#include "base/buf.h"
#include "base/map.h"
#include "delta/delta.h"

#define DELTA_ENGINE           "sluice/0.1.0"
#define DELTA_ENGINE_PREFIX    "sluice/"
#define DELTA_APP_PREFIX       "sluice/" /* of the appId of our txn actions */
#define DELTA_CHECKPOINT_EVERY 100
/* After a checkpoint has failed, so many commits go by before the next try. */
#define DELTA_CHECKPOINT_RETRY 10
/* One commit file: ours are a few KiB; another writer's OPTIMIZE of 100,000 files stays below. */
#define DELTA_COMMIT_BYTES_MAX (256u << 20)
#define DELTA_HINT_BYTES_MAX   (1u << 20)
/* Lost races in one call before the caller is asked to come again. */
#define DELTA_RACES_MAX        64
#define DELTA_INDEXED_COLUMNS  32
#define DELTA_STATS_CHARACTERS 32
/* Tombstones stay in checkpoints for Delta's default retention of one week. */
#define DELTA_TOMBSTONE_MS (7ll * 24 * 3600 * 1000)

struct json_t;

struct delta_table {
    struct sys *sys;
    struct objstore *lake;
    char *location;
    char *id;
    int64_t version;
    int64_t last_ict_ms;     /* in-commit timestamp of the newest version */
    int64_t checkpoint_next; /* the first version after which one is due */
    int64_t txns_from;       /* txns holds all of versions txns_from .. version */
    struct map txns;         /* app id → struct delta__txn */
};

struct delta__txn {
    int64_t version;
    int64_t updated_ms; /* lastUpdated; -1 = it does not say */
};

/* One commit file, read. */
struct delta__commit {
    struct json_t *actions; /* array of action objects, in order */
    uint64_t size;
    uint8_t hash[16];
};

/* "<location>/_delta_log/<version>.json"; given. */
char *delta__commit_name(const char *location, int64_t version);
/* ERR_NOT_FOUND, ERR_DAMAGED naming file and line. */
must_use int delta__commit_read(struct objstore *o, const char *location, int64_t version,
                                struct delta__commit *ret_commit, struct err *e);
void delta__commit_deinit(struct delta__commit *k);

/* What a commit says; NULL or -1 where it says nothing. Borrowed from the commit. */
const char *delta__commit_table_id(const struct delta__commit *k); /* metaData.id */
/* The body of its first action of that kind. */
const struct json_t *delta__commit_find(const struct delta__commit *k, const char *kind);
bool delta__commit_changes_table(const struct delta__commit *k); /* protocol or metaData */
/* Does it change the table as delta_commit.schema does: with a txn of a Sluice beside it? */
bool delta__commit_is_evolution(const struct delta__commit *k);
bool delta__commit_is_ours(const struct delta__commit *k);
const char *delta__commit_engine(const struct delta__commit *k);
/* Show each add and remove of the commit. */
void delta__commit_entries(const struct delta__commit *k, delta_entry_fn *fn, void *ctx);
int64_t delta__commit_ict_ms(const struct delta__commit *k);
int64_t delta__commit_txn(const struct delta__commit *k, const char *app_id);
bool delta__commit_adds(const struct delta__commit *k, const char *path);
/* ERR_UNSUPPORTED naming the feature; ERR_DAMAGED when there is no protocol. */
must_use int delta__commit_protocol_check(const struct delta__commit *k, struct err *e);
/* Show each txn of the commit. */
typedef void delta__txn_fn(void *ctx, const char *app_id, const struct delta__txn *x);
void delta__commit_txns(const struct delta__commit *k, delta__txn_fn *fn, void *ctx);

/* The version that _last_checkpoint names; -1 when it does not read. A hint, never trusted. */
int64_t delta__hint_read(struct objstore *o, const char *location);

/* Remember the txn unless a newer commit's is known already (@newest: it overrides). */
void delta__txn_note(struct delta_table *t, const char *app_id, const struct delta__txn *x,
                     bool newest);
void delta__txns_note(struct delta_table *t, const struct delta__commit *k, bool newest);

/* Appends {"<kind>":<body>} and an end of line. */
void delta__action_line(const char *kind, const struct json_t *body, struct buf *out);

/* evolve.c: the lines protocol (where it changes) and metaData that give the table @schema. Reads
 * the log. ERR_INVALID: it cannot become that. */
must_use int delta__evolve(struct delta_table *t, const struct row_schema *schema, struct buf *out,
                           struct err *e);

/* The table features that a schema asks for, by name, NULL-terminated. */
#define DELTA_SCHEMA_FEATURES_MAX 2
void delta__schema_features(const struct row_schema *s,
                            const char *ret_names[DELTA_SCHEMA_FEATURES_MAX + 1]);
#define DELTA_WIDENING_FEATURE "typeWidening"

/* The text of a commit file. @txn_id is unique; @evolution what delta__evolve() said, or empty. */
void delta__commit_write(const struct delta_commit *c, int64_t ict_ms, const char *txn_id,
                         struct slice evolution, struct buf *out);
void delta__create_write(const struct delta_create *r, struct buf *out);

/* state.c: what the newest checkpoint says, for the next one. False: there is none to rely on. */
bool delta__state_read(struct objstore *o, const char *location, int64_t newest,
                       int64_t *ret_version, struct buf *ret_lines);
must_use int delta__state_write(struct objstore *o, const char *location, int64_t version,
                                struct slice lines, struct err *e);

/* A checkpoint of the present version, and _last_checkpoint; their seals go into @c. */
must_use int delta__checkpoint_write(struct delta_table *t, struct delta_commit *c, struct err *e);
