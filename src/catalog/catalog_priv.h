/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of catalog share. Records: docs/formats/control.md. */

#include "catalog/catalog.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/map.h"
#include "sys/sys.h"

#include "sluice/control.pb-c.h"

#include <sys/queue.h>

typedef Sluice__Control__Record record; /* the generator's name, for short */

/* How long an append is tried again while the log is full; how long its durability is awaited. */
#define APPEND_RETRY_MS_MAX  2000
#define APPEND_RETRY_STEP_MS 5
#define DURABLE_WAIT_MS_MAX  30000
/* How long a drop waits for the table's streams to end before it is logged: one hears of it within
 * a second, has its time to leave, and then waits for its last ack. */
#define DROP_DRAIN_MS_MAX 6000
static_assert(DROP_DRAIN_MS_MAX >= CATALOG_LEAVE_MS + 3000, "no row follows a drop");
/* Streams that have ended and can still be asked for by UUID. */
#define STREAMS_ENDED_KEPT_MAX 20000
/* Bytes of all interned descriptors together (rule S6). */
#define DESCRIPTORS_BYTES_MAX (256u * 1024 * 1024)

struct descriptor {
    uint32_t id, table_id, schema_version;
    struct slice bytes; /* owned; none: the table's own message */
    struct codec_plan *plan;
    struct descriptor *next_of_hash; /* same table, same hash */
};

/* A table and what belongs to it. Stays for the life of the catalog (plans are borrowed out). */
struct entry {
    struct catalog_table *table; /* the newest version */
    /* For each set of columns the version that brought it, oldest first. */
    struct catalog_table **schemas;
    uint32_t schema_count;
    uint32_t descriptor_count;
    bool is_over; /* its drop, for the lake; perhaps a moment before its record takes effect here */
    bool forgotten;
};

struct stream {
    uint64_t id;
    char uuid[UUID_TEXT_LEN + 1];
    uint32_t table_id, descriptor_id;
    char *principal;
    bool ended;
    TAILQ_ENTRY(stream) link;
};
TAILQ_HEAD(stream_list, stream);

struct catalog {
    struct sys *sys;
    struct bronze *log; /* NULL until attached */

    struct sys_mutex lock;     /* all below, but for the gate's event */
    struct map tables_by_id;   /* u32 → struct entry: all of this life */
    struct map tables_by_name; /* → struct entry: in force */
    uint32_t tables_alive;     /* in force or dropped, not forgotten */
    struct map tokens_by_name, tokens_by_hash;
    struct map descriptors_by_id;   /* u32 → struct descriptor */
    struct map descriptors_by_hash; /* table id, two CRCs → chain */
    uint64_t descriptors_bytes;
    struct map streams_by_id, streams_by_uuid;
    struct stream_list open, ended; /* oldest first */
    uint32_t open_count, ended_count;
    uint32_t next_table_id, next_descriptor_id;
    uint64_t next_stream_id;
    bronze_pos begun_pos;     /* of a snapshot whose end has not been seen */
    bronze_pos snapshot_pos;  /* of the newest complete one */
    struct map lake_versions; /* table id (u32) → int64_t: newest version recorded in the log */

    char *replacing; /* the table's name; NULL = none */

    /* The gate: one control operation at a time. */
    bool busy;
    struct sys_event gate;
    /* A record that was appended and whose durability nobody could wait for; with the gate only. */
    struct buf pending;
    bronze_pos pending_pos;
    uint64_t pending_ticket;
};

static inline struct slice catalog__key32(const uint32_t *id)
{
    return slice_of(id, sizeof(*id));
}

/* ---- record.c: control records and the log ---- */

/* The record in a control frame; give it back with catalog__record_free(). NULL: malformed. */
record *catalog__record_of(const struct bronze_frame *f);
void catalog__record_free(record *r);
CLEANUP_FUNC(record *, catalog__record_free)
void catalog__record_pack(const record *r, struct buf *out);

/* Append once. 0 with *ret; BRONZE_FULL, BRONZE_NO_SPACE (no @e); ERR_INVALID: larger than a block.
 * Any thread. */
struct appended {
    bronze_pos pos;
    uint64_t ticket;
};
must_use int catalog__append(struct catalog *c, const record *r, struct appended *ret,
                             struct err *e);
/* The same, tried again while the log is full. ERR_EXHAUSTED, ERR_NO_SPACE. Blocks; gate held. */
must_use int catalog__append_wait(struct catalog *c, const record *r, struct appended *ret,
                                  struct err *e);
/* A failed append as an error. */
must_use int catalog__full(int outcome, struct err *e);
/* Append, wait, apply. ERR_UNAVAILABLE: logged, but not yet durable; it takes effect later. */
must_use int catalog__commit(struct catalog *c, const record *r, struct err *e);

/* Only one control operation at a time: between enter and leave. */
must_use int catalog__enter(struct catalog *c, struct err *e);
void catalog__leave(struct catalog *c);

/* ---- apply.c ---- */

/* The effect of a durable record at @pos. Under the lock. ERR_DAMAGED: it makes no sense. */
must_use int catalog__apply(struct catalog *c, bronze_pos pos, const record *r);

/* ---- lake.c ---- */

void catalog__lake_committed(struct catalog *c, const Sluice__Control__LakeCommitted *m);
void catalog__lake_free(struct catalog *c);

/* ---- table.c ---- */

must_use int catalog__table_created(struct catalog *c, bronze_pos pos,
                                    const Sluice__Control__TableCreated *m, struct err *e);
void catalog__table_dropped(struct catalog *c, uint32_t id);
/* The version that a record states, without positions and what is live. @shared: its columns,
 * which the version before has too; NULL: new ones. Returns NULL when it does not parse. */
struct catalog_table *catalog__version_of(const Sluice__Control__TableCreated *m,
                                          struct row_schema *shared, struct err *e);
struct entry *catalog__entry(struct catalog *c, uint32_t id); /* under the lock; forgotten: NULL */
void catalog__tables_free(struct catalog *c);
/* Make a table; the gate is held. */
must_use int catalog__create(struct catalog *c, const struct catalog_create *r, struct err *e);
/* The table as it would be: everything but id and position. */
must_use int catalog__table_draft(struct catalog *c, const struct catalog_create *r,
                                  struct catalog_table **ret_table, struct err *e);
/* Drop it; the gate is held. @next: the columns that replace it, or NULL. */
must_use int catalog__drop(struct catalog *c, struct catalog_table *t, struct row_schema *next,
                           struct err *e);
/* The record of a version; text is borrowed from @t and @ret's own buffers. */
struct table_record {
    Sluice__Control__TableCreated m;
    struct buf ddl;
    char **keys; /* borrowed names */
    Sluice__Control__Property *properties;
    Sluice__Control__Property **property_ptrs;
};
void catalog__table_record(const struct catalog_table *t, struct table_record *ret);
void catalog__table_record_deinit(struct table_record *r);

/* ---- version.c ---- */

/* ERR_DAMAGED when it does not follow the version before. */
must_use int catalog__table_altered(struct catalog *c, bronze_pos pos,
                                    const Sluice__Control__TableCreated *m);
/* The version @schema_version, or the newest before it, of those that brought columns. Borrowed. */
const struct catalog_table *catalog__schema_of(const struct entry *en, uint32_t schema_version);
void catalog__schema_add(struct entry *en, struct catalog_table *t);
/* What comes behind @t, but for plan and positions. Not under the lock. */
must_use int catalog__version_draft(struct catalog *c, const struct catalog_table *t,
                                    const struct catalog_alter *r, struct catalog_table **ret_next,
                                    struct err *e);

/* ---- quarantine.c ---- */

/* The quarantine table of @table is there if @p needs one. The gate is held. */
must_use int catalog__quarantine_ensure(struct catalog *c, const char *table,
                                        const struct catalog_properties *p, struct err *e);
/* May a client make a table of this name? Not with a quarantine table's. */
must_use int catalog__quarantine_name_check(const char *name, struct err *e);
/* May the table be dropped? Not a quarantine table that is in use. */
must_use int catalog__quarantine_drop_check(struct catalog *c, const char *name, struct err *e);

/* ---- token.c ---- */

void catalog__token_created(struct catalog *c, const Sluice__Control__TokenCreated *m);
void catalog__token_revoked(struct catalog *c, const char *name);
void catalog__tokens_free(struct catalog *c);
struct token_record {
    Sluice__Control__TokenCreated m;
    Sluice__Control__Grant *grants;
    Sluice__Control__Grant **grant_ptrs;
};
void catalog__token_record(const struct catalog_token *t, struct token_record *ret);
void catalog__token_record_deinit(struct token_record *r);

/* ---- stream.c ---- */

must_use int catalog__descriptor_added(struct catalog *c,
                                       const Sluice__Control__DescriptorAdded *m);
/* The own message of a version's columns, under the id that its record states. */
void catalog__own_added(struct catalog *c, const struct catalog_table *t);
void catalog__stream_opened(struct catalog *c, const Sluice__Control__StreamOpened *m);
void catalog__stream_closed(struct catalog *c, uint64_t id);
void catalog__streams_end_all(struct catalog *c); /* a life has ended, and its streams with it */
void catalog__streams_free(struct catalog *c);
