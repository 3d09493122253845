/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule L7: all that is in force, written again at the end of the log, so that what lies below may
 * be trimmed.
 *
 *   … │ SnapshotBegun{next ids} │ tables, versions │ descriptors │ streams │ tokens │ SnapshotEnded
 *       ▲ everything below is superseded, once the end is durable
 *
 * Rows and other streams' records may stand in between. Each thing is looked at again under the
 * lock when its record is appended, so that nothing is stated after the record that ended it; what
 * begins meanwhile has its own record above the begin. A snapshot that a crash cut off changes
 * nothing: its records repeat what is known. Lake commits are not repeated: the store keeps them.
 *
 * Thread: the gate keeps other control operations out; streams open and close beside it.
 */
#include "catalog_priv.h"

#include "base/mem.h"
#include "base/must.h"

enum thing { BEGIN, TABLE, VERSION, DROP, DESCRIPTOR, STREAM };

/* Under the lock: every id given out before it is below what it says, every later one stands
 * above. */
static int append_begin(struct catalog *c, struct appended *a)
{
    Sluice__Control__SnapshotBegun m = SLUICE__CONTROL__SNAPSHOT_BEGUN__INIT;
    m.next_table_id = c->next_table_id;
    m.next_descriptor_id = c->next_descriptor_id;
    m.next_stream_id = c->next_stream_id;
    record r = SLUICE__CONTROL__RECORD__INIT;
    r.what_case = SLUICE__CONTROL__RECORD__WHAT_SNAPSHOT_BEGUN;
    r.snapshot_begun = &m;
    return catalog__append(c, &r, a, NULL);
}

static int append_table(struct catalog *c, uint32_t id, struct appended *a)
{
    struct entry *en = catalog__entry(c, id);
    if (en == NULL)
        return 0;
    struct table_record tr;
    catalog__table_record(en->schemas[0], &tr);
    record r = SLUICE__CONTROL__RECORD__INIT;
    r.what_case = SLUICE__CONTROL__RECORD__WHAT_TABLE_CREATED;
    r.table_created = &tr.m;
    int rc = catalog__append(c, &r, a, NULL);
    catalog__table_record_deinit(&tr);
    return rc;
}

/* The version with index @id >> 32 of the table @id; behind those with new columns, the newest. */
static int append_version(struct catalog *c, uint64_t id, struct appended *a)
{
    struct entry *en = catalog__entry(c, (uint32_t)id);
    uint32_t index = (uint32_t)(id >> 32);
    if (en == NULL)
        return 0;
    const struct catalog_table *t = index < en->schema_count ? en->schemas[index] : en->table;
    struct table_record tr;
    catalog__table_record(t, &tr);
    tr.m.position = t->since_pos;
    record r = SLUICE__CONTROL__RECORD__INIT;
    r.what_case = SLUICE__CONTROL__RECORD__WHAT_TABLE_ALTERED;
    r.table_altered = &tr.m;
    int rc = catalog__append(c, &r, a, NULL);
    catalog__table_record_deinit(&tr);
    return rc;
}

/* Forgotten meanwhile or not: the table itself has been stated above, and must not come back. */
static int append_drop(struct catalog *c, uint32_t id, struct appended *a)
{
    const struct entry *en = map_get(&c->tables_by_id, catalog__key32(&id));
    if (en == NULL || map_get(&c->tables_by_name, slice_str(en->table->name)) == en)
        return 0;
    Sluice__Control__TableDropped m = SLUICE__CONTROL__TABLE_DROPPED__INIT;
    m.table_id = id;
    record r = SLUICE__CONTROL__RECORD__INIT;
    r.what_case = SLUICE__CONTROL__RECORD__WHAT_TABLE_DROPPED;
    r.table_dropped = &m;
    return catalog__append(c, &r, a, NULL);
}

static int append_descriptor(struct catalog *c, uint32_t id, struct appended *a)
{
    struct descriptor *d = map_get(&c->descriptors_by_id, catalog__key32(&id));
    if (d == NULL || d->bytes.len == 0 || catalog__entry(c, d->table_id) == NULL)
        return 0; /* a table's own message: its version states it */
    Sluice__Control__DescriptorAdded m = SLUICE__CONTROL__DESCRIPTOR_ADDED__INIT;
    m.descriptor_id = id;
    m.table_id = d->table_id;
    m.table_version = d->schema_version;
    m.descriptor_proto = (ProtobufCBinaryData){d->bytes.len, (uint8_t *)(uintptr_t)d->bytes.data};
    record r = SLUICE__CONTROL__RECORD__INIT;
    r.what_case = SLUICE__CONTROL__RECORD__WHAT_DESCRIPTOR_ADDED;
    r.descriptor_added = &m;
    return catalog__append(c, &r, a, NULL);
}

static int append_stream(struct catalog *c, uint64_t id, struct appended *a)
{
    struct stream *s = map_get(&c->streams_by_id, map_key_u64(&id));
    if (s == NULL || s->ended)
        return 0;
    Sluice__Control__StreamOpened m = SLUICE__CONTROL__STREAM_OPENED__INIT;
    m.stream_id = s->id;
    m.uuid = s->uuid;
    m.table_id = s->table_id;
    m.descriptor_id = s->descriptor_id;
    m.principal = s->principal;
    record r = SLUICE__CONTROL__RECORD__INIT;
    r.what_case = SLUICE__CONTROL__RECORD__WHAT_STREAM_OPENED;
    r.stream_opened = &m;
    return catalog__append(c, &r, a, NULL);
}

static int append_thing(struct catalog *c, enum thing what, uint64_t id, struct appended *a)
{
    switch (what) {
    case BEGIN: return append_begin(c, a);
    case TABLE: return append_table(c, (uint32_t)id, a);
    case VERSION: return append_version(c, id, a);
    case DROP: return append_drop(c, (uint32_t)id, a);
    case DESCRIPTOR: return append_descriptor(c, (uint32_t)id, a);
    default: return append_stream(c, id, a);
    }
}

/* Under the lock for each try, never while waiting. */
static int write_thing(struct catalog *c, enum thing what, uint64_t id, struct appended *ret,
                       struct err *e)
{
    for (uint32_t ms = 0;; ms += APPEND_RETRY_STEP_MS) {
        sys_mutex_lock(&c->lock);
        int rc = append_thing(c, what, id, ret);
        sys_mutex_unlock(&c->lock);
        if (rc < 0)
            return err_set(e, rc, "a record of the catalog's snapshot does not fit into the log");
        if (rc == 0)
            return 0;
        if (ms >= APPEND_RETRY_MS_MAX)
            return catalog__full(rc, e);
        sys_sleep_ms(c->sys, APPEND_RETRY_STEP_MS);
    }
}

/* ---- what there is ---- */

struct ids {
    uint64_t *ids;
    size_t count;
};

static void add_id(struct ids *x, uint64_t id)
{
    if ((x->count & (x->count - 1)) == 0)
        x->ids = mem_realloc(x->ids, MAX(x->count * 2, 16) * sizeof(*x->ids));
    x->ids[x->count++] = id;
}

static void add_versions(struct ids *x, const struct entry *en)
{
    bool has_more = en->table != en->schemas[en->schema_count - 1];
    for (uint32_t i = 1; i < en->schema_count + has_more; i++)
        add_id(x, (uint64_t)i << 32 | en->table->id);
}

static struct ids ids_of(struct catalog *c, enum thing what)
{
    struct ids x = {0};
    sys_mutex_lock(&c->lock);
    struct entry *en;
    struct descriptor *d;
    struct stream *s;
    switch (what) {
    case TABLE:
        for (size_t i = 0; (en = map_next(&c->tables_by_id, &i)) != NULL;)
            if (!en->forgotten)
                add_id(&x, en->table->id);
        break;
    case VERSION:
        for (size_t i = 0; (en = map_next(&c->tables_by_id, &i)) != NULL;)
            if (!en->forgotten)
                add_versions(&x, en);
        break;
    case DESCRIPTOR:
        for (size_t i = 0; (d = map_next(&c->descriptors_by_id, &i)) != NULL;)
            add_id(&x, d->id);
        break;
    default: TAILQ_FOREACH(s, &c->open, link) add_id(&x, s->id);
    }
    sys_mutex_unlock(&c->lock);
    return x;
}

static int write_things(struct catalog *c, enum thing what, struct err *e)
{
    struct ids x = ids_of(c, what);
    struct appended a;
    int rc = 0;
    for (size_t i = 0; i < x.count && rc == 0; i++) {
        rc = write_thing(c, what, x.ids[i], &a, e);
        if (rc == 0 && what == TABLE)
            rc = write_thing(c, DROP, x.ids[i], &a, e);
    }
    mem_free(x.ids);
    return rc;
}

/* Tokens come and go only through the gate, which is held. */
static int write_tokens(struct catalog *c, struct err *e)
{
    struct catalog_token **tokens;
    size_t count = catalog_tokens(c, &tokens);
    int64_t now_us = sys_now_us(c->sys);
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        struct catalog_token *t = tokens[i];
        if (rc == 0 && (t->expires_at_us == 0 || t->expires_at_us > now_us)) {
            struct token_record tr;
            catalog__token_record(t, &tr);
            record r = SLUICE__CONTROL__RECORD__INIT;
            r.what_case = SLUICE__CONTROL__RECORD__WHAT_TOKEN_CREATED;
            r.token_created = &tr.m;
            struct appended a;
            rc = catalog__append_wait(c, &r, &a, e);
            catalog__token_record_deinit(&tr);
        }
        catalog_token_unref(t);
    }
    mem_free(tokens);
    return rc;
}

static int write_snapshot(struct catalog *c, bronze_pos *ret_pos, struct err *e)
{
    struct appended begun;
    TRY(write_thing(c, BEGIN, 0, &begun, e));
    TRY(write_things(c, TABLE, e));
    TRY(write_things(c, VERSION, e));
    TRY(write_things(c, DESCRIPTOR, e));
    TRY(write_things(c, STREAM, e));
    TRY(write_tokens(c, e));
    sys_mutex_lock(&c->lock);
    c->begun_pos = begun.pos; /* its end, when it is applied, makes it the newest */
    sys_mutex_unlock(&c->lock);
    Sluice__Control__SnapshotEnded m = SLUICE__CONTROL__SNAPSHOT_ENDED__INIT;
    record r = SLUICE__CONTROL__RECORD__INIT;
    r.what_case = SLUICE__CONTROL__RECORD__WHAT_SNAPSHOT_ENDED;
    r.snapshot_ended = &m;
    TRY(catalog__commit(c, &r, e));
    *ret_pos = begun.pos;
    return 0;
}

int catalog_snapshot(struct catalog *c, bronze_pos *ret_pos, struct err *e)
{
    bronze_overdraw(c->log, true); /* a full log is trimmed only after this */
    int rc = catalog__enter(c, e); /* it may have to wait for a record that needs the room too */
    if (rc == 0) {
        rc = write_snapshot(c, ret_pos, e);
        catalog__leave(c);
    }
    bronze_overdraw(c->log, false);
    return rc;
}
