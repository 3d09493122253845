/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams and the descriptors they bring. A descriptor is interned: the same bytes for the same
 * table get the same id, so that ten thousand producers of one program cost one plan. It belongs to
 * the version of the table that it was checked against, for ever (decision 0006). Both take
 * effect when their record is appended, under the lock: rows that need them stand behind them in
 * the log, and what was not durable when a crash came took its rows with it.
 *
 * A stream that has ended stays known by UUID for a while (rule S6: the last
 * STREAMS_ENDED_KEPT_MAX).
 */
#include "catalog_priv.h"

#include "base/crc.h"
#include "base/mem.h"
#include "base/must.h"

/* ---- descriptors ---- */

struct hash_key {
    uint32_t table_id, len, crc_a, crc_b;
};

static struct hash_key hash_of(uint32_t table_id, struct slice bytes)
{
    return (struct hash_key){table_id, (uint32_t)bytes.len, crc32c(0, bytes.data, bytes.len),
                             crc32c(0x9e3779b9u, bytes.data, bytes.len)};
}

static struct descriptor *find_descriptor(struct catalog *c, uint32_t table_id, struct slice bytes)
{
    struct hash_key key = hash_of(table_id, bytes);
    struct descriptor *d = map_get(&c->descriptors_by_hash, slice_of(&key, sizeof(key)));
    while (d != NULL && !slice_eq(d->bytes, bytes))
        d = d->next_of_hash;
    return d;
}

/* @t: the version that it was checked against. */
static void install_descriptor(struct catalog *c, const struct catalog_table *t, uint32_t id,
                               struct slice bytes, struct codec_plan *plan)
{
    struct entry *en = catalog__entry(c, t->id);
    struct descriptor *d = mem_zalloc(sizeof(*d));
    d->id = id;
    d->table_id = t->id;
    d->schema_version = t->schema_version;
    d->bytes = slice_of(mem_strndup((const char *)bytes.data, bytes.len), bytes.len);
    d->plan = codec_plan_ref(plan);
    struct hash_key key = hash_of(d->table_id, bytes);
    d->next_of_hash = map_put(&c->descriptors_by_hash, slice_of(&key, sizeof(key)), d);
    map_put(&c->descriptors_by_id, catalog__key32(&d->id), d);
    en->descriptor_count++;
    c->descriptors_bytes += bytes.len;
}

/*
 * A stream that opens while a snapshot is written may have its descriptor stand behind the table's
 * first columns and before the later ones that it was checked against, which are known only from
 * there once the log below is trimmed. Such a record is left alone: the same snapshot lists its
 * descriptors after all columns are stated, so it states this one again behind them, and nobody
 * misses it meanwhile, as every control record is read before the first row is.
 */
int catalog__descriptor_added(struct catalog *c, const Sluice__Control__DescriptorAdded *m)
{
    c->next_descriptor_id = MAX(c->next_descriptor_id, m->descriptor_id + 1);
    struct entry *en = catalog__entry(c, m->table_id);
    if (en == NULL || m->table_version > en->table->version ||
        map_get(&c->descriptors_by_id, catalog__key32(&m->descriptor_id)) != NULL)
        return 0;
    struct slice bytes = slice_of(m->descriptor_proto.data, m->descriptor_proto.len);
    const struct catalog_table *t = catalog__schema_of(en, MAX(m->table_version, 1));
    _cleanup_(codec_plan_unrefp) struct codec_plan *plan = NULL;
    if (codec_plan_new(bytes, t->schema, &plan, NULL) < 0)
        return ERR_DAMAGED;
    install_descriptor(c, t, m->descriptor_id, bytes, plan);
    return 0;
}

void catalog__own_added(struct catalog *c, const struct catalog_table *t)
{
    if (t->own_id == 0) /* the first columns': known by its table */
        return;
    c->next_descriptor_id = MAX(c->next_descriptor_id, t->own_id + 1);
    struct descriptor *d = mem_zalloc(sizeof(*d));
    d->id = t->own_id;
    d->table_id = t->id;
    d->schema_version = t->schema_version;
    d->plan = codec_plan_ref(t->own);
    struct descriptor *there = map_put(&c->descriptors_by_id, catalog__key32(&d->id), d);
    must(there == NULL);
}

bool catalog_descriptor(struct catalog *c, uint32_t table_id, uint32_t descriptor_id,
                        struct buf *out)
{
    sys_mutex_lock(&c->lock);
    const struct descriptor *d = map_get(&c->descriptors_by_id, catalog__key32(&descriptor_id));
    bool found = catalog__entry(c, table_id) != NULL && d != NULL && d->table_id == table_id;
    if (found)
        buf_add_slice(out, d->bytes);
    sys_mutex_unlock(&c->lock);
    return found;
}

struct codec_plan *catalog_plan(struct catalog *c, uint32_t table_id, uint32_t descriptor_id)
{
    sys_mutex_lock(&c->lock);
    struct codec_plan *plan = NULL;
    struct entry *en = catalog__entry(c, table_id);
    if (en != NULL && descriptor_id == 0) {
        plan = en->schemas[0]->own;
    } else if (en != NULL) {
        struct descriptor *d = map_get(&c->descriptors_by_id, catalog__key32(&descriptor_id));
        plan = d != NULL && d->table_id == table_id ? d->plan : NULL;
    }
    sys_mutex_unlock(&c->lock);
    return plan;
}

/* ---- streams in memory ---- */

static void free_stream(struct catalog *c, struct stream *s)
{
    map_remove(&c->streams_by_id, map_key_u64(&s->id));
    map_remove(&c->streams_by_uuid, slice_of(s->uuid, UUID_TEXT_LEN));
    mem_free(s->principal);
    mem_free(s);
}

static void end_stream(struct catalog *c, struct stream *s)
{
    must(!s->ended && c->open_count > 0);
    s->ended = true;
    TAILQ_REMOVE(&c->open, s, link);
    TAILQ_INSERT_TAIL(&c->ended, s, link);
    c->open_count--;
    if (++c->ended_count <= STREAMS_ENDED_KEPT_MAX)
        return;
    struct stream *oldest = TAILQ_FIRST(&c->ended);
    TAILQ_REMOVE(&c->ended, oldest, link);
    c->ended_count--;
    free_stream(c, oldest);
}

void catalog__stream_opened(struct catalog *c, const Sluice__Control__StreamOpened *m)
{
    c->next_stream_id = MAX(c->next_stream_id, m->stream_id + 1);
    if (strlen(m->uuid) != UUID_TEXT_LEN ||
        map_get(&c->streams_by_id, map_key_u64(&m->stream_id)) != NULL)
        return;
    struct stream *s = mem_zalloc(sizeof(*s));
    s->id = m->stream_id;
    memcpy(s->uuid, m->uuid, UUID_TEXT_LEN);
    s->table_id = m->table_id;
    s->descriptor_id = m->descriptor_id;
    s->principal = mem_strdup(m->principal);
    map_put(&c->streams_by_id, map_key_u64(&s->id), s);
    map_put(&c->streams_by_uuid, slice_of(s->uuid, UUID_TEXT_LEN), s);
    TAILQ_INSERT_TAIL(&c->open, s, link);
    c->open_count++;
}

void catalog__stream_closed(struct catalog *c, uint64_t id)
{
    struct stream *s = map_get(&c->streams_by_id, map_key_u64(&id));
    if (s != NULL && !s->ended)
        end_stream(c, s);
}

void catalog__streams_end_all(struct catalog *c)
{
    struct stream *s;
    while ((s = TAILQ_FIRST(&c->open)) != NULL)
        end_stream(c, s);
}

void catalog__streams_free(struct catalog *c)
{
    catalog__streams_end_all(c);
    struct stream *s;
    while ((s = TAILQ_FIRST(&c->ended)) != NULL) {
        TAILQ_REMOVE(&c->ended, s, link);
        free_stream(c, s);
    }
    struct descriptor *d;
    for (size_t i = 0; (d = map_next(&c->descriptors_by_id, &i)) != NULL;) {
        codec_plan_unref(d->plan);
        mem_free((void *)(uintptr_t)d->bytes.data);
        mem_free(d);
    }
    map_deinit(&c->descriptors_by_id);
    map_deinit(&c->descriptors_by_hash);
    map_deinit(&c->streams_by_id);
    map_deinit(&c->streams_by_uuid);
}

/* ---- open and close ---- */

/* What a stream that is being opened has so far. */
struct opening {
    struct catalog *c;
    struct catalog_table *table; /* reference; the newest version, as far as is known */
    struct catalog_table *next;  /* the one that the descriptor asks for; may be NULL */
    struct slice descriptor;
    struct codec_plan *plan; /* reference */
    uint32_t descriptor_id;
};

/* Under the lock: why it takes no streams. */
static int gone(const struct catalog_table *t, struct err *e)
{
    return t->live->next != NULL
               ? err_set(e, ERR_UNAVAILABLE, "it is being replaced; open the stream again")
               : err_set(e, ERR_NOT_FOUND, "it has been dropped");
}

/* The descriptor is new: room for it, then its record, then it is there. Under the lock. */
static int intern(struct opening *o, struct err *e)
{
    struct catalog *c = o->c;
    struct entry *en = catalog__entry(c, o->table->id);
    if (en == NULL)
        return gone(o->table, e);
    if (en->descriptor_count >= DESCRIPTORS_PER_TABLE_MAX)
        return err_set(e, ERR_EXHAUSTED,
                       "%d different descriptors were used with this table already; let producers "
                       "share one",
                       DESCRIPTORS_PER_TABLE_MAX);
    if (c->descriptors_bytes + o->descriptor.len > DESCRIPTORS_BYTES_MAX)
        return err_set(e, ERR_EXHAUSTED, "the descriptors of all tables take %u MiB already",
                       DESCRIPTORS_BYTES_MAX >> 20);
    Sluice__Control__DescriptorAdded m = SLUICE__CONTROL__DESCRIPTOR_ADDED__INIT;
    m.descriptor_id = c->next_descriptor_id;
    m.table_id = o->table->id;
    m.table_version = o->table->schema_version;
    m.descriptor_proto =
        (ProtobufCBinaryData){o->descriptor.len, (uint8_t *)(uintptr_t)o->descriptor.data};
    record r = SLUICE__CONTROL__RECORD__INIT;
    r.what_case = SLUICE__CONTROL__RECORD__WHAT_DESCRIPTOR_ADDED;
    r.descriptor_added = &m;
    struct appended a;
    int rc = catalog__append(c, &r, &a, e);
    if (rc != 0)
        return rc;
    c->next_descriptor_id++;
    install_descriptor(c, o->table, m.descriptor_id, o->descriptor, o->plan);
    o->descriptor_id = m.descriptor_id;
    return 0;
}

/* Under the lock. True: o->plan and o->descriptor_id are those of the interned one. */
static bool use_interned(struct opening *o)
{
    struct descriptor *d = find_descriptor(o->c, o->table->id, o->descriptor);
    if (d == NULL)
        return false;
    codec_plan_unref(o->plan);
    o->plan = codec_plan_ref(d->plan);
    o->descriptor_id = d->id;
    return true;
}

/* The version that has a column for each field of the descriptor, and the plan for it. */
static int grow(struct opening *o, struct err *e)
{
    _cleanup_(buf_deinit) struct buf text = BUF_NULL;
    size_t count = 0;
    TRY(codec_new_columns(o->descriptor, o->table->schema, &text, &count, e));
    const char **adds = mem_calloc(count + 1, sizeof(*adds));
    const char *at = (const char *)text.data;
    for (size_t i = 0; i < count; i++, at += strlen(at) + 1)
        adds[i] = at;
    struct catalog_alter r = {.name = o->table->name, .change = {.adds = adds, .add_count = count}};
    int rc = catalog__version_draft(o->c, o->table, &r, &o->next, e);
    mem_free(adds);
    return rc < 0 ? rc : codec_plan_new(o->descriptor, o->next->schema, &o->plan, e);
}

/* Compiling a plan takes its time: outside the lock, once. */
static int find_plan(struct opening *o, struct err *e)
{
    if (o->descriptor.len == 0) {
        o->plan = codec_plan_ref(o->table->own);
        o->descriptor_id = o->table->own_id;
        return 0;
    }
    if (o->descriptor.len > DESCRIPTOR_BYTES_MAX)
        return err_set(e, ERR_INVALID, "the descriptor has %zu bytes, at most %d are taken",
                       o->descriptor.len, DESCRIPTOR_BYTES_MAX);
    sys_mutex_lock(&o->c->lock);
    bool found = use_interned(o);
    sys_mutex_unlock(&o->c->lock);
    if (found)
        return 0;
    int rc = codec_plan_new(o->descriptor, o->table->schema, &o->plan, e);
    return rc == ERR_INVALID && o->table->properties.add_columns ? grow(o, e) : rc;
}

/*
 * Under the lock: the record of the next version. It takes effect now, like the descriptor's, whose
 * rows stand behind both. Not while a control operation is under way: those expect the version that
 * they have seen.
 */
static int log_growth(struct opening *o, struct err *e)
{
    struct catalog *c = o->c;
    const struct entry *en = catalog__entry(c, o->table->id);
    if (en == NULL)
        return gone(o->table, e);
    if (en->table->version != o->table->version || c->busy || c->pending.len > 0)
        return BRONZE_FULL;
    struct table_record tr;
    catalog__table_record(o->next, &tr);
    record r = SLUICE__CONTROL__RECORD__INIT;
    r.what_case = SLUICE__CONTROL__RECORD__WHAT_TABLE_ALTERED;
    r.table_altered = &tr.m;
    struct appended a;
    int rc = catalog__append(c, &r, &a, e);
    if (rc == 0) {
        rc = catalog__table_altered(c, a.pos, &tr.m);
        must(rc == 0);
    }
    catalog__table_record_deinit(&tr);
    if (rc != 0)
        return rc;
    catalog_table_unref(o->table);
    o->table = catalog_table_ref(en->table);
    o->plan = codec_plan_unref(o->plan);
    return codec_plan_new(o->descriptor, o->table->schema, &o->plan, e); /* the columns in force */
}

/* Under the lock: the stream works with the version in force now, which no plan is newer than: the
 * one that was fetched before may be older. */
static int use_current(struct opening *o, struct err *e)
{
    const struct entry *en = catalog__entry(o->c, o->table->id);
    if (en == NULL)
        return gone(o->table, e);
    catalog_table_unref(o->table);
    o->table = catalog_table_ref(en->table);
    if (o->descriptor.len > 0)
        return 0;
    codec_plan_unref(o->plan);
    o->plan = codec_plan_ref(o->table->own);
    o->descriptor_id = o->table->own_id;
    return 0;
}

/* Under the lock: both records, in order. */
static int log_stream(struct opening *o, const char *principal, struct catalog_stream *s,
                      struct err *e)
{
    struct catalog *c = o->c;
    if (atomic_load(&o->table->live->dropped))
        return gone(o->table, e);
    if (c->open_count >= STREAMS_MAX)
        return err_set(e, ERR_EXHAUSTED, "the server holds %d streams already", STREAMS_MAX);
    if (o->descriptor.len > 0 && !use_interned(o)) {
        int rc = o->next != NULL ? log_growth(o, e) : 0;
        if (rc == 0)
            rc = intern(o, e);
        if (rc != 0)
            return rc;
    }
    TRY(use_current(o, e));
    Sluice__Control__StreamOpened m = SLUICE__CONTROL__STREAM_OPENED__INIT;
    m.stream_id = c->next_stream_id;
    m.uuid = s->uuid;
    m.table_id = o->table->id;
    m.descriptor_id = o->descriptor_id;
    m.principal = (char *)(uintptr_t)principal;
    record r = SLUICE__CONTROL__RECORD__INIT;
    r.what_case = SLUICE__CONTROL__RECORD__WHAT_STREAM_OPENED;
    r.stream_opened = &m;
    struct appended a;
    int rc = catalog__append(c, &r, &a, e);
    if (rc != 0)
        return rc;
    catalog__stream_opened(c, &m); /* moves next_stream_id on */
    s->id = m.stream_id;
    s->ticket = a.ticket;
    return 0;
}

/* The newest version of @t. */
static int find_table(struct opening *o, const struct catalog_table *t, struct err *e)
{
    int rc = 0;
    sys_mutex_lock(&o->c->lock);
    const struct entry *en = catalog__entry(o->c, t->id);
    if (en == NULL)
        rc = gone(t, e);
    else
        o->table = catalog_table_ref(en->table);
    sys_mutex_unlock(&o->c->lock);
    return rc;
}

/* With its plan at hand: a name, and the records. */
static int open_stream(struct opening *o, const char *principal, struct catalog_stream *s,
                       struct err *e)
{
    uint8_t random[16];
    sys_random(o->c->sys, random, sizeof(random));
    struct uuid id = uuid_from_random(random);
    uuid_format(&id, s->uuid);
    sys_mutex_lock(&o->c->lock);
    int rc = log_stream(o, principal, s, e);
    sys_mutex_unlock(&o->c->lock);
    return rc;
}

int catalog_open_stream(struct catalog *c, struct catalog_table *t, struct slice descriptor,
                        const char *principal, struct catalog_stream *ret_stream, struct err *e)
{
    struct opening o = {.c = c, .descriptor = descriptor};
    struct catalog_stream s = {0};
    int rc = find_table(&o, t, e);
    if (rc == 0)
        rc = find_plan(&o, e);
    if (rc == 0)
        rc = open_stream(&o, principal, &s, e);
    catalog_table_unref(o.next);
    if (rc != 0) {
        codec_plan_unref(o.plan);
        catalog_table_unref(o.table);
        return rc;
    }
    s.table = o.table;
    s.plan = o.plan;
    s.descriptor_id = o.descriptor_id;
    *ret_stream = s;
    return 0;
}

/* The record is a courtesy: without it the stream ends with this life of the process. */
void catalog_close_stream(struct catalog *c, struct catalog_stream *s)
{
    Sluice__Control__StreamClosed m = SLUICE__CONTROL__STREAM_CLOSED__INIT;
    m.stream_id = s->id;
    record r = SLUICE__CONTROL__RECORD__INIT;
    r.what_case = SLUICE__CONTROL__RECORD__WHAT_STREAM_CLOSED;
    r.stream_closed = &m;
    sys_mutex_lock(&c->lock);
    struct appended a;
    (void)catalog__append(c, &r, &a, NULL);
    catalog__stream_closed(c, s->id);
    sys_mutex_unlock(&c->lock);
    s->plan = codec_plan_unref(s->plan);
    s->table = catalog_table_unref(s->table);
}

int catalog_stream_by_uuid(struct catalog *c, const char *uuid, uint64_t *ret_id, struct err *e)
{
    sys_mutex_lock(&c->lock);
    const struct stream *s = map_get(&c->streams_by_uuid, slice_str(uuid));
    uint64_t id = s == NULL ? 0 : s->id;
    sys_mutex_unlock(&c->lock);
    if (id == 0)
        return err_set(e, ERR_NOT_FOUND,
                       "stream %.36s is not known: it ended long ago, or never was", uuid);
    *ret_id = id;
    return 0;
}

bool catalog_stream_uuid(struct catalog *c, uint64_t id, char ret_uuid[UUID_TEXT_LEN + 1])
{
    sys_mutex_lock(&c->lock);
    const struct stream *s = map_get(&c->streams_by_id, map_key_u64(&id));
    if (s != NULL)
        memcpy(ret_uuid, s->uuid, UUID_TEXT_LEN + 1);
    sys_mutex_unlock(&c->lock);
    return s != NULL;
}
