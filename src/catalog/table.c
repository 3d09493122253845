/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables. An entry stays for the life of the catalog, because plans are borrowed out of it:
 *
 *   in force ──► dropped (known by id: followers still meet its rows) ──► forgotten (unknown)
 *      ▲  │ altered: the next version (version.c)
 *      └──┘
 *
 * Thread: look-ups any; create and drop with the gate (rule L8: a drop refuses new streams, lets
 * the open ones end, and is logged then). Replacing is a drop and a create: replace.c.
 */
#include "catalog_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <stdlib.h>

struct catalog_table *catalog_table_ref(struct catalog_table *t)
{
    uint32_t before = atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    must(before > 0);
    return t;
}

static struct catalog_live *live_new(void)
{
    struct catalog_live *l = mem_zalloc(sizeof(*l));
    atomic_store(&l->refs, 1);
    atomic_store(&l->version, 1);
    return l;
}

static void live_unref(struct catalog_live *l)
{
    if (l == NULL || atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) > 1)
        return;
    row_schema_unref(l->next);
    mem_free(l);
}

struct catalog_table *catalog_table_unref(struct catalog_table *t)
{
    if (t == NULL)
        return NULL;
    uint32_t before = atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel);
    must(before > 0);
    if (before > 1)
        return NULL;
    codec_plan_unref(t->own);
    row_schema_unref(t->schema);
    catalog_properties_deinit(&t->properties);
    mem_free(t->name);
    mem_free(t->location);
    mem_free(t->delta_id);
    live_unref(t->live);
    mem_free(t);
    return NULL;
}

char *catalog_location(const char *name)
{
    char *location = mem_strdup(name);
    for (char *p = location; *p != '\0'; p++)
        if (*p == '.')
            *p = '/';
    return location;
}

void catalog__tables_free(struct catalog *c)
{
    struct entry *en;
    for (size_t i = 0; (en = map_next(&c->tables_by_id, &i)) != NULL;) {
        for (uint32_t v = 0; v < en->schema_count; v++)
            catalog_table_unref(en->schemas[v]);
        mem_free(en->schemas);
        catalog_table_unref(en->table);
        mem_free(en);
    }
    map_deinit(&c->tables_by_id);
    map_deinit(&c->tables_by_name);
}

/* ---- the record ---- */

static void record_properties(const struct catalog_properties *p, struct table_record *ret)
{
    ret->properties = mem_calloc(p->count + 1, sizeof(*ret->properties));
    ret->property_ptrs = mem_calloc(p->count + 1, sizeof(*ret->property_ptrs));
    for (size_t i = 0; i < p->count; i++) {
        sluice__control__property__init(&ret->properties[i]);
        ret->properties[i].key = p->list[i].key;
        ret->properties[i].value = p->list[i].value;
        ret->property_ptrs[i] = &ret->properties[i];
    }
    ret->m.n_properties = p->count;
    ret->m.properties = ret->property_ptrs;
}

void catalog__table_record(const struct catalog_table *t, struct table_record *ret)
{
    *ret = (struct table_record){.m = SLUICE__CONTROL__TABLE_CREATED__INIT};
    row_schema_to_ddl(t->schema, &ret->ddl);
    ret->keys = mem_calloc(t->schema->key_count + 1, sizeof(*ret->keys));
    for (uint32_t i = 0; i < t->schema->key_count; i++)
        ret->keys[i] = t->schema->columns[t->schema->key_columns[i]].name;
    ret->m.table_id = t->id;
    ret->m.name = t->name;
    ret->m.ddl = (char *)(uintptr_t)buf_cstr(&ret->ddl);
    ret->m.n_primary_key = t->schema->key_count;
    ret->m.primary_key = ret->keys;
    ret->m.location = t->location;
    ret->m.created_at_us = t->created_at_us;
    ret->m.delta_id = t->delta_id;
    record_properties(&t->properties, ret);
    ret->m.version = t->version;
    ret->m.schema_version = t->schema_version;
    ret->m.own_descriptor_id = t->own_id;
}

void catalog__table_record_deinit(struct table_record *r)
{
    buf_deinit(&r->ddl);
    mem_free(r->keys);
    mem_free(r->properties);
    mem_free(r->property_ptrs);
}

static int properties_of(const Sluice__Control__TableCreated *m, struct row_schema *schema,
                         struct catalog_properties *ret, struct err *e)
{
    struct catalog_property *list = mem_calloc(m->n_properties + 1, sizeof(*list));
    for (size_t i = 0; i < m->n_properties; i++)
        list[i] = (struct catalog_property){m->properties[i]->key, m->properties[i]->value};
    int rc = catalog_properties_parse(list, m->n_properties, schema, ret, e);
    mem_free(list);
    return rc;
}

/* Its columns are @shared ones, or stated by the record. Returns NULL when they do not parse. */
static struct row_schema *schema_of(const Sluice__Control__TableCreated *m,
                                    struct row_schema *shared, struct err *e)
{
    struct row_schema *schema;
    if (shared != NULL)
        return row_schema_ref(shared);
    return row_schema_parse(slice_str(m->ddl), (const char *const *)m->primary_key,
                            m->n_primary_key, &schema, e) < 0
               ? NULL
               : schema;
}

struct catalog_table *catalog__version_of(const Sluice__Control__TableCreated *m,
                                          struct row_schema *shared, struct err *e)
{
    struct row_schema *schema = schema_of(m, shared, e);
    if (schema == NULL)
        return NULL;
    struct catalog_properties properties;
    if (properties_of(m, schema, &properties, e) < 0) {
        row_schema_unref(schema);
        return NULL;
    }
    struct catalog_table *t = mem_zalloc(sizeof(*t));
    t->id = m->table_id;
    t->version = MAX(m->version, 1);
    t->schema_version = MAX(m->schema_version, 1);
    t->name = mem_strdup(m->name);
    t->location = mem_strdup(m->location);
    t->delta_id = mem_strdup(m->delta_id);
    t->schema = schema;
    t->properties = properties;
    t->own = codec_plan_new_own(schema);
    if (properties.iso8601)
        codec_plan_take_iso8601(t->own);
    t->own_id = m->own_descriptor_id;
    t->created_at_us = m->created_at_us;
    atomic_store(&t->refs, 1);
    return t;
}

int catalog__table_created(struct catalog *c, bronze_pos pos,
                           const Sluice__Control__TableCreated *m, struct err *e)
{
    if (m->table_id == 0 || m->name[0] == '\0')
        return err_set(e, ERR_DAMAGED, "a table without id or name");
    c->next_table_id = MAX(c->next_table_id, m->table_id + 1);
    if (map_get(&c->tables_by_id, catalog__key32(&m->table_id)) != NULL)
        return 0; /* stated again by a snapshot */
    struct catalog_table *t = catalog__version_of(m, NULL, e);
    if (t == NULL)
        return ERR_DAMAGED;
    t->created_pos = pos;
    t->live = live_new();
    struct entry *en = mem_zalloc(sizeof(*en));
    en->table = t;
    catalog__schema_add(en, t);
    map_put(&c->tables_by_id, catalog__key32(&t->id), en);
    const struct entry *there = map_get(&c->tables_by_name, slice_str(t->name));
    if (there == NULL ||
        there->table->id < t->id) /* else: a snapshot's word on a dropped namesake */
        map_put(&c->tables_by_name, slice_str(t->name), en);
    c->tables_alive++;
    return 0;
}

struct entry *catalog__entry(struct catalog *c, uint32_t id)
{
    struct entry *en = map_get(&c->tables_by_id, catalog__key32(&id));
    return en == NULL || en->forgotten ? NULL : en;
}

/* Over, and no name leads to it any more? */
static void forget(struct catalog *c, struct entry *en)
{
    if (!en->is_over || map_get(&c->tables_by_name, slice_str(en->table->name)) == en)
        return;
    en->forgotten = true;
    c->tables_alive--;
}

void catalog__table_dropped(struct catalog *c, uint32_t id)
{
    struct entry *en = catalog__entry(c, id);
    if (en == NULL)
        return;
    atomic_store(&en->table->live->dropped, true);
    if (map_get(&c->tables_by_name, slice_str(en->table->name)) == en)
        map_remove(&c->tables_by_name, slice_str(en->table->name));
    forget(c, en);
}

void catalog_forget_table(struct catalog *c, uint32_t id)
{
    sys_mutex_lock(&c->lock);
    struct entry *en = catalog__entry(c, id);
    if (en != NULL) {
        en->is_over = true;
        forget(c, en);
    }
    sys_mutex_unlock(&c->lock);
}

/* ---- look-ups ---- */

int catalog_table_by_name(struct catalog *c, const char *name, struct catalog_table **ret_table,
                          struct err *e)
{
    sys_mutex_lock(&c->lock);
    struct entry *en = map_get(&c->tables_by_name, slice_str(name));
    struct catalog_table *t =
        en == NULL || atomic_load(&en->table->live->dropped) ? NULL : catalog_table_ref(en->table);
    bool replacing = t == NULL && c->replacing != NULL && strcmp(c->replacing, name) == 0;
    sys_mutex_unlock(&c->lock);
    if (replacing)
        return err_set(e, ERR_UNAVAILABLE, "table %.255s is being replaced; try again in a moment",
                       name);
    if (t == NULL)
        return err_set(e, ERR_NOT_FOUND, "there is no table %.255s; create it first", name);
    *ret_table = t;
    return 0;
}

struct catalog_table *catalog_table_by_id(struct catalog *c, uint32_t id)
{
    sys_mutex_lock(&c->lock);
    struct entry *en = catalog__entry(c, id);
    struct catalog_table *t = en == NULL ? NULL : catalog_table_ref(en->table);
    sys_mutex_unlock(&c->lock);
    return t;
}

static int by_table_name(const void *a, const void *b)
{
    const struct catalog_table *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

size_t catalog_tables(struct catalog *c, struct catalog_table ***ret_tables)
{
    sys_mutex_lock(&c->lock);
    struct catalog_table **tables =
        mem_calloc(c->tables_by_name.len + 1, sizeof(struct catalog_table *));
    size_t count = 0;
    struct entry *en;
    for (size_t i = 0; (en = map_next(&c->tables_by_name, &i)) != NULL;)
        tables[count++] = catalog_table_ref(en->table);
    sys_mutex_unlock(&c->lock);
    qsort(tables, count, sizeof(struct catalog_table *), by_table_name);
    *ret_tables = tables;
    return count;
}

size_t catalog_dropped_tables(struct catalog *c, struct catalog_table ***ret_tables)
{
    sys_mutex_lock(&c->lock);
    struct catalog_table **tables = mem_calloc(c->tables_alive + 1, sizeof(struct catalog_table *));
    size_t count = 0;
    struct entry *en;
    for (size_t i = 0; (en = map_next(&c->tables_by_id, &i)) != NULL;)
        if (!en->forgotten && map_get(&c->tables_by_name, slice_str(en->table->name)) != en)
            tables[count++] = catalog_table_ref(en->table);
    sys_mutex_unlock(&c->lock);
    *ret_tables = tables;
    return count;
}

/* ---- create ---- */

/* A dropped table of the same name still has its folder. Under the lock. */
static bool is_leaving(struct catalog *c, const char *location)
{
    struct entry *en;
    for (size_t i = 0; (en = map_next(&c->tables_by_id, &i)) != NULL;)
        if (!en->forgotten && strcmp(en->table->location, location) == 0)
            return true;
    return false;
}

static int check_new(struct catalog *c, const char *name, const char *location, struct err *e)
{
    sys_mutex_lock(&c->lock);
    bool there = map_get(&c->tables_by_name, slice_str(name)) != NULL;
    bool leaving = is_leaving(c, location);
    bool full = c->tables_alive >= TABLES_MAX;
    sys_mutex_unlock(&c->lock);
    if (there)
        return err_set(e, ERR_EXISTS, "table %s is there already", name);
    if (leaving)
        return err_set(
            e, ERR_PRECONDITION,
            "table %s was dropped and its folder is not aside yet; try again in a moment", name);
    if (full)
        return err_set(e, ERR_EXHAUSTED, "there are %d tables already; drop some first",
                       TABLES_MAX);
    return 0;
}

int catalog__table_draft(struct catalog *c, const struct catalog_create *r,
                         struct catalog_table **ret_table, struct err *e)
{
    TRY(row_table_name_check(r->name, e));
    struct row_schema *schema;
    if (row_schema_parse(slice_str(r->ddl), r->keys, r->key_count, &schema, e) < 0)
        return err_wrap(e, "table %s", r->name);
    struct catalog_properties properties;
    if (catalog_properties_parse(r->properties, r->property_count, schema, &properties, e) < 0) {
        row_schema_unref(schema);
        return err_wrap(e, "table %s", r->name);
    }
    struct catalog_table *t = mem_zalloc(sizeof(*t));
    atomic_store(&t->refs, 1);
    t->name = mem_strdup(r->name);
    t->location = catalog_location(r->name);
    t->schema = schema;
    t->properties = properties;
    t->version = t->schema_version = 1;
    t->created_at_us = sys_now_us(c->sys);
    uint8_t random[16];
    sys_random(c->sys, random, sizeof(random));
    struct uuid id = uuid_from_random(random);
    t->delta_id = mem_zalloc(UUID_TEXT_LEN + 1);
    uuid_format(&id, t->delta_id);
    *ret_table = t;
    return 0;
}

static int log_created(struct catalog *c, struct catalog_table *t, struct err *e)
{
    TRY(check_new(c, t->name, t->location, e));
    sys_mutex_lock(&c->lock);
    t->id = c->next_table_id++;
    sys_mutex_unlock(&c->lock);
    struct table_record tr;
    catalog__table_record(t, &tr);
    record r = SLUICE__CONTROL__RECORD__INIT;
    r.what_case = SLUICE__CONTROL__RECORD__WHAT_TABLE_CREATED;
    r.table_created = &tr.m;
    int rc = catalog__commit(c, &r, e);
    catalog__table_record_deinit(&tr);
    return rc;
}

int catalog__create(struct catalog *c, const struct catalog_create *r, struct err *e)
{
    _cleanup_(catalog_table_unrefp) struct catalog_table *t = NULL;
    TRY(catalog__table_draft(c, r, &t, e));
    TRY(check_new(c, t->name, t->location, e));
    TRY(catalog__quarantine_ensure(c, t->name, &t->properties, e));
    return log_created(c, t, e);
}

int catalog_create_table(struct catalog *c, const struct catalog_create *r,
                         struct catalog_table **ret_table, struct err *e)
{
    TRY(catalog__quarantine_name_check(r->name, e));
    TRY(catalog__enter(c, e));
    int rc = catalog__create(c, r, e);
    catalog__leave(c);
    return rc < 0 ? rc : catalog_table_by_name(c, r->name, ret_table, e);
}

/* ---- drop ---- */

static void drain(struct catalog *c, struct catalog_table *t)
{
    for (uint32_t ms = 0; atomic_load(&t->live->streams_open) > 0 && ms < DROP_DRAIN_MS_MAX;
         ms += 5)
        sys_sleep_ms(c->sys, 5);
}

/* From now on it takes no new streams, and its own ones end. */
static void begin_drop(struct catalog *c, struct catalog_table *t, struct row_schema *next)
{
    sys_mutex_lock(&c->lock);
    if (next != NULL) {
        t->live->next = row_schema_ref(next);
        c->replacing = mem_strdup(t->name);
    }
    atomic_store(&t->live->dropped, true);
    sys_mutex_unlock(&c->lock);
}

/* It is not logged: the table stays. */
static void undo_drop(struct catalog *c, struct catalog_table *t)
{
    sys_mutex_lock(&c->lock);
    atomic_store(&t->live->dropped, false);
    t->live->next = row_schema_unref(t->live->next);
    sys_mutex_unlock(&c->lock);
}

int catalog__drop(struct catalog *c, struct catalog_table *t, struct row_schema *next,
                  struct err *e)
{
    begin_drop(c, t, next);
    drain(c, t);
    Sluice__Control__TableDropped m = SLUICE__CONTROL__TABLE_DROPPED__INIT;
    m.table_id = t->id;
    record r = SLUICE__CONTROL__RECORD__INIT;
    r.what_case = SLUICE__CONTROL__RECORD__WHAT_TABLE_DROPPED;
    r.table_dropped = &m;
    int rc = catalog__commit(c, &r, e);
    if (rc < 0 && c->pending.len == 0)
        undo_drop(c, t);
    return rc;
}

static int drop(struct catalog *c, const char *name, struct err *e)
{
    TRY(catalog__enter(c, e));
    _cleanup_(catalog_table_unrefp) struct catalog_table *t = NULL;
    int rc = catalog__quarantine_drop_check(c, name, e);
    if (rc == 0)
        rc = catalog_table_by_name(c, name, &t, e);
    if (rc == 0)
        rc = catalog__drop(c, t, NULL, e);
    catalog__leave(c);
    return rc;
}

int catalog_drop_table(struct catalog *c, const char *name, struct err *e)
{
    bronze_overdraw(c->log, true); /* a table that holds the log is got rid of in a full one */
    int rc = drop(c, name, e);
    bronze_overdraw(c->log, false);
    return rc;
}
