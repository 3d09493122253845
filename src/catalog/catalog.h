/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * catalog: tables, row descriptors, tokens and their grants, streams. All of it is control records
 * of the log (docs/formats/control.md), in order, versioned by position; this module checks them,
 * appends them, and holds what is in force in memory. A record takes effect when it is durable.
 *
 * Threads: look-ups from any (one mutex, short). Control operations (create, drop, tokens) block
 * until they are durable: they belong to the admin worker, one at a time (rule L7: one owner).
 */

#include "base/attr.h"
#include "base/err.h"
#include "base/slice.h"
#include "bronze/bronze.h"
#include "codec/codec.h"
#include "row/row.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct rule_set;
struct sys;
struct store_batch;
struct catalog;

/* How a table behaves: keys and values, docs/formats/control.md. Immutable. */
struct catalog_property {
    char *key, *value;
};
struct catalog_properties {
    struct catalog_property *list; /* those that were set, sorted by key */
    size_t count;
    bool quarantine;  /* on_error = quarantine: bad rows go to the quarantine table */
    bool iso8601;     /* timestamps = iso8601: JSON rows may hold timestamps as text */
    bool add_columns; /* evolve = add_columns: new nullable fields of a stream become columns */
    bool quarantine_rules;        /* some rule's action is quarantine */
    struct rule_set *rules;       /* rule.NAME; NULL: none */
    _Atomic uint64_t *rule_fails; /* rows that failed rule i, since the start of the process */
};
/*
 * Check keys and values, compile the rules against @schema (shared), copy all into @ret
 * (catalog_properties_deinit). ERR_INVALID names the key and what it may be. Without a schema rules
 * are read and not compiled: @ret->rules stays NULL.
 */
must_use int catalog_properties_parse(const struct catalog_property *list, size_t count,
                                      struct row_schema *schema, struct catalog_properties *ret,
                                      struct err *e);
void catalog_properties_deinit(struct catalog_properties *p);
/* Can a row of such a table go to a quarantine table? */
bool catalog_quarantines(const struct catalog_properties *p);

/* What all versions of a table share. */
struct catalog_live {
    _Atomic bool dropped;      /* or replaced: streams end, no new ones */
    _Atomic bool slowed;       /* its rows wait at the door: the space for spilled rows is used */
    _Atomic uint64_t last_pos; /* last position appended for this table (fence of lookups) */
    _Atomic uint64_t rows_appended;
    /* Rows that failed a check: since the start of the process. */
    _Atomic uint64_t rows_rejected, rows_quarantined, rows_dropped, rows_warned, rows_replayed;
    _Atomic uint32_t streams_open;
    _Atomic uint32_t version; /* the newest in force */
    struct row_schema *next;  /* private: what it is replaced by, see catalog_replaced_by() */
    _Atomic uint32_t refs;    /* private */
};

/* A table in force, in one of its versions (decision 0006). Shared by counting; immutable. */
struct catalog_table {
    uint32_t id;
    uint32_t version;        /* from 1, one more with each alteration */
    uint32_t schema_version; /* the version that its columns came with */
    char *name;              /* catalog.schema.table */
    char *location;          /* folder of its Delta table, relative to the lake's root */
    char *delta_id;          /* UUID, metaData.id */
    struct row_schema *schema;
    struct catalog_properties properties;
    struct codec_plan *own; /* plan of the table's own message (JSON rows) */
    uint32_t own_id;        /* its descriptor id; 0 for the table's first columns */
    int64_t created_at_us;
    bronze_pos created_pos; /* of the table's control record */
    bronze_pos since_pos;   /* of this version's: rows above it belong to it (rule L8) */
    struct catalog_live *live;
    _Atomic uint32_t refs; /* private */
};
struct catalog_table *catalog_table_ref(struct catalog_table *t);
struct catalog_table *catalog_table_unref(struct catalog_table *t); /* takes NULL; returns NULL */
CLEANUP_FUNC(struct catalog_table *, catalog_table_unref)

/* ---- life ---- */

struct catalog *catalog_new(struct sys *s);
struct catalog *catalog_free(struct catalog *c);
/* For bronze_open(): ctx is the catalog. Applies one control record read from the log. */
int catalog_on_control(void *ctx, const struct bronze_frame *f);
void catalog_attach(struct catalog *c, struct bronze *log); /* after recovery, before use */

/* Persist a control frame's effect into the store's catalog keys (apply thread). */
void catalog_persist(struct catalog *c, const struct bronze_frame *f, struct store_batch *batch);
/* The id of the table whose drop this control frame states; 0 = it states something else. */
uint32_t catalog_dropped_table(const struct bronze_frame *f);
/* The id of the table that gets new columns by this control frame; 0 = none (also where a snapshot
 * states them again). */
uint32_t catalog_altered_table(const struct bronze_frame *f);

/*
 * Write all that is in force again at the end of the log (L7). On return 0 it is durable and
 * *ret_pos is its first position: everything below is superseded. Blocks.
 */
must_use int catalog_snapshot(struct catalog *c, bronze_pos *ret_pos, struct err *e);
/*
 * A control operation that failed with ERR_UNAVAILABLE stands in the log and takes effect when its
 * record is durable: with the next operation, or here. True: one may wait still, ask again in a
 * moment. Does not wait for the log. Belongs to the admin worker.
 */
bool catalog_settle(struct catalog *c);
/* Position of the newest complete snapshot (0 = none): control records below it are superseded. */
bronze_pos catalog_snapshot_pos(struct catalog *c);

/* ---- tables ---- */

/* ERR_NOT_FOUND says so with the name, ERR_UNAVAILABLE that it is being replaced. Returns a
 * reference. */
must_use int catalog_table_by_name(struct catalog *c, const char *name,
                                   struct catalog_table **ret_table, struct err *e);
/* Reference or NULL; dropped ones too, until catalog_forget_table(). The newest version. */
struct catalog_table *catalog_table_by_id(struct catalog *c, uint32_t id);
/* The same, with the columns that rows at @pos belong to (the first known, for one below). Only
 * the columns of it are told apart by position, not the properties. */
struct catalog_table *catalog_table_at(struct catalog *c, uint32_t id, bronze_pos pos);
/* Where rows of the table get other columns for the first time above @pos; 0 = nowhere. */
bronze_pos catalog_altered_after(struct catalog *c, uint32_t id, bronze_pos pos);
/* References to all in force, sorted by name; *ret_tables is given (unref each, then mem_free). */
size_t catalog_tables(struct catalog *c, struct catalog_table ***ret_tables);
/* The same for those that are dropped and not forgotten, in no order. After a start some of these
 * drops are over
 * already: what knows it forgets them again. */
size_t catalog_dropped_tables(struct catalog *c, struct catalog_table ***ret_tables);

struct catalog_create {
    const char *name, *ddl;
    const char *const *keys;
    size_t key_count;
    const struct catalog_property *properties;
    size_t property_count;
};
/* Blocks until durable. ERR_EXISTS, ERR_INVALID, ERR_UNSUPPORTED, ERR_EXHAUSTED (TABLES_MAX). */
must_use int catalog_create_table(struct catalog *c, const struct catalog_create *r,
                                  struct catalog_table **ret_table, struct err *e);
struct catalog_alter {
    const char *name;
    struct row_change change;
    const struct catalog_property *sets;
    size_t set_count;
    const char *const *unsets; /* keys; one that is not set is no failure */
    size_t unset_count;
};
/* The next version of the table; 0 too when nothing changes. Running streams go on under theirs.
 * Blocks until durable. ERR_NOT_FOUND, ERR_INVALID, ERR_UNSUPPORTED (the change),
 * ERR_EXHAUSTED (SCHEMAS_PER_TABLE_MAX). */
must_use int catalog_alter_table(struct catalog *c, const struct catalog_alter *r,
                                 struct catalog_table **ret_table, struct err *e);
/* A stream has so long from when it learns that its table is dropped or replaced until it ends. */
#define CATALOG_LEAVE_MS 2000
/* Rule L8: marks it dropped (streams close), then logs the drop. Blocks: longer than streams take
 * to end. */
must_use int catalog_drop_table(struct catalog *c, const char *name, struct err *e);
/*
 * The first half of replacing a table by the one that @r states, which is checked first: drops it,
 * as catalog_drop_table(). From now on the name is being replaced: whoever asks for it hears
 * ERR_UNAVAILABLE. The caller waits until the folder is aside, calls catalog_create_table() with
 * the same @r, and in any case catalog_replace_end(). A crash in between leaves a dropped table.
 * ERR_NOT_FOUND; what catalog_create_table() says of @r: then nothing has changed, but that a
 * quarantine table may be there that @r asks for. After another failure the log was asked and has
 * not answered in time: the drop may stand in it and take effect yet.
 */
must_use int catalog_replace_begin(struct catalog *c, const struct catalog_create *r,
                                   struct err *e);
void catalog_replace_end(struct catalog *c);
/* A reference to the columns that a replaced table's name has or will have; NULL: it is not
 * replaced. Dropped tables of this life only. */
struct row_schema *catalog_replaced_by(struct catalog *c, const struct catalog_table *t);
/* The drop of this table is over (its folder is aside, its rows are gone): it vanishes from memory
 * and from the next snapshot, when the record of its drop has taken effect, which may be a moment
 * after others have read it. Any thread. */
void catalog_forget_table(struct catalog *c, uint32_t id);
/*
 * Quarantine tables (docs/formats/control.md): made with the table whose properties ask for it, as
 * "NAME__quarantine". Nobody but the server writes into one.
 */
bool catalog_is_quarantine(const char *name);
char *catalog_quarantine_name(const char *table);   /* given */
struct row_schema *catalog_quarantine_schema(void); /* given: the columns of each of them */
enum catalog_quarantine_column {
    CATALOG_Q_ARRIVED,
    CATALOG_Q_STREAM_ID,
    CATALOG_Q_STREAM_OFFSET,
    CATALOG_Q_RECORD_INDEX,
    CATALOG_Q_REASON,
    CATALOG_Q_RULE,
    CATALOG_Q_COLUMN_PATH,
    CATALOG_Q_PRINCIPAL,
    CATALOG_Q_RAW,
    CATALOG_Q_JSON,
    CATALOG_Q_FORMAT,
    CATALOG_Q_TABLE_ID,
    CATALOG_Q_DESCRIPTOR_ID,
    CATALOG_Q_REPLAYED,
    CATALOG_QUARANTINE_COLUMNS
};
/* Where a table of this name lies in the lake: "catalog/schema/table". Given. */
char *catalog_location(const char *name);
/* A grant's table: "a.b.c", "a.b.*", "a.*" or "*". ERR_INVALID says what is wrong with it. */
must_use int catalog_grant_check(const char *table, struct err *e);

/* ---- tokens ---- */

#define CATALOG_HASH_BYTES 32

struct catalog_grant {
    char *table; /* "a.b.c", "a.b.*", "a.*", "*" */
    bool read, write;
};
struct catalog_token {
    char *name;
    uint8_t hash[CATALOG_HASH_BYTES]; /* SHA-256 of the token's text */
    struct catalog_grant *grants;
    size_t grant_count;
    bool admin;
    int64_t created_at_us, expires_at_us; /* 0 = never */
    _Atomic bool revoked;
    _Atomic uint32_t streams_open;
    _Atomic uint32_t refs; /* private */
};
struct catalog_token *catalog_token_ref(struct catalog_token *t);
struct catalog_token *catalog_token_unref(struct catalog_token *t);
CLEANUP_FUNC(struct catalog_token *, catalog_token_unref)

enum catalog_verb { CATALOG_READ, CATALOG_WRITE, CATALOG_ADMIN };

/* Who has this hash? ERR_UNAUTHENTICATED: nobody, revoked, or expired at @now_us. A reference. */
must_use int catalog_token_by_hash(struct catalog *c, const uint8_t hash[CATALOG_HASH_BYTES],
                                   int64_t now_us, struct catalog_token **ret_token, struct err *e);
/* May it? 0 or ERR_DENIED saying which grant is missing. @table NULL with CATALOG_ADMIN. An admin
 * token may everything: it could give itself any grant. */
must_use int catalog_may(const struct catalog_token *t, enum catalog_verb verb, const char *table,
                         struct err *e);
/* May this token know that the table is there? Some grant on it, or admin. */
bool catalog_may_see(const struct catalog_token *t, const char *table);
/* Fields of @t are copied; blocks until durable. */
must_use int catalog_create_token(struct catalog *c, const struct catalog_token *t, struct err *e);
must_use int catalog_revoke_token(struct catalog *c, const char *name, struct err *e);
/* As catalog_tables(). */
size_t catalog_tokens(struct catalog *c, struct catalog_token ***ret_tokens);

/* ---- streams and descriptors: not blocking ---- */

struct catalog_stream {
    uint64_t id;
    char uuid[UUID_TEXT_LEN + 1];
    struct catalog_table *table; /* reference: the version that it is opened under */
    uint32_t descriptor_id;
    struct codec_plan *plan; /* reference */
    uint64_t ticket;         /* its registration is durable with this ticket */
};
/*
 * Register a stream, under the newest version of @t: intern its descriptor (empty = JSON), log both
 * records. Where the table takes up new columns (evolve = add_columns) those of the descriptor make
 * the next version first. BRONZE_FULL: ask again later. ERR_INVALID: the descriptor does not fit
 * the table. ERR_EXHAUSTED: too many descriptors or streams. ERR_NOT_FOUND, ERR_UNAVAILABLE: the
 * table has been dropped, replaced; neither names it.
 */
must_use int catalog_open_stream(struct catalog *c, struct catalog_table *t,
                                 struct slice descriptor, const char *principal,
                                 struct catalog_stream *ret_stream, struct err *e);
/* Drops its references. */
void catalog_close_stream(struct catalog *c, struct catalog_stream *s);
/* The plan that reads rows of this table and descriptor; borrowed for the life of the catalog. Its
 * schema is that of the version the descriptor came under: see row_values_raise(). NULL: unknown,
 * or the table is forgotten. */
struct codec_plan *catalog_plan(struct catalog *c, uint32_t table_id, uint32_t descriptor_id);
/* The bytes of a descriptor that streams of the table came with, appended. False: unknown. */
bool catalog_descriptor(struct catalog *c, uint32_t table_id, uint32_t descriptor_id,
                        struct buf *out);
/* The id of a stream's UUID and back: streams that are open, and the last 20,000 that ended. */
must_use int catalog_stream_by_uuid(struct catalog *c, const char *uuid, uint64_t *ret_id,
                                    struct err *e);
bool catalog_stream_uuid(struct catalog *c, uint64_t id, char ret_uuid[UUID_TEXT_LEN + 1]);

/* ---- the lake's record ---- */

struct catalog_lake_commit {
    uint32_t table_id;
    int64_t delta_version;
    bronze_pos position, first_pos, last_pos;
    uint8_t commit_hash[16], data_hash[16];
    uint64_t commit_size, data_size, row_count;
    const char *data_file; /* "" = none */
    /* What was written behind the commit; size 0 = nothing. */
    uint8_t checkpoint_hash[16], hint_hash[16];
    uint64_t checkpoint_size, hint_size;
};
/* Log what went into the lake (rule D7). Does not wait for durability. BRONZE_FULL possible. */
must_use int catalog_log_commit(struct catalog *c, const struct catalog_lake_commit *k);
/* Put such a record into the store as if the log had it (a rebuild: the log has it no more). */
void catalog_persist_lake(const struct catalog_lake_commit *k, struct store_batch *batch);
/* The newest Delta version of the table that the recovered log has a record of; -1 = none. */
int64_t catalog_lake_version(struct catalog *c, uint32_t table_id);
/* The record in a control frame, or in a value of the store behind its position. False: it states
 * something else. data_file is borrowed from @name. */
#define CATALOG_FILE_NAME_MAX 128
bool catalog_lake_commit_of(struct slice record, char name[CATALOG_FILE_NAME_MAX],
                            struct catalog_lake_commit *ret);
