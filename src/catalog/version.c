/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The versions of a table (decision 0006). An entry has the newest one, and for each set of columns
 * the one that brought it, for ever: descriptors, and rows in the log and in the store, refer to
 * them.
 *
 * Invariants
 *   V1  versions of a table ascend by one, and so do their positions; columns only come behind the
 *       others or become wider (row_schema_change_check)
 *   V2  versions with the same columns share one schema, so that whoever has a schema can tell by
 *       the pointer whether a plan is for it
 *
 * Thread: look-ups any; altering with the gate.
 */
#include "catalog_priv.h"

#include "base/mem.h"
#include "base/must.h"

void catalog__schema_add(struct entry *en, struct catalog_table *t)
{
    en->schemas = mem_realloc(en->schemas, (en->schema_count + 1) * sizeof(struct catalog_table *));
    en->schemas[en->schema_count++] = catalog_table_ref(t);
}

const struct catalog_table *catalog__schema_of(const struct entry *en, uint32_t schema_version)
{
    uint32_t i = en->schema_count - 1;
    while (i > 0 && en->schemas[i]->schema_version > schema_version)
        i--;
    return en->schemas[i];
}

struct catalog_table *catalog_table_at(struct catalog *c, uint32_t id, bronze_pos pos)
{
    struct catalog_table *t = NULL;
    sys_mutex_lock(&c->lock);
    const struct entry *en = catalog__entry(c, id);
    if (en != NULL) {
        uint32_t i = en->schema_count - 1;
        while (i > 0 && en->schemas[i]->since_pos > pos)
            i--;
        t = catalog_table_ref(en->schemas[i]);
    }
    sys_mutex_unlock(&c->lock);
    return t;
}

bronze_pos catalog_altered_after(struct catalog *c, uint32_t id, bronze_pos pos)
{
    bronze_pos found = 0;
    sys_mutex_lock(&c->lock);
    const struct entry *en = catalog__entry(c, id);
    for (uint32_t i = 1; en != NULL && found == 0 && i < en->schema_count; i++)
        if (en->schemas[i]->since_pos > pos)
            found = en->schemas[i]->since_pos;
    sys_mutex_unlock(&c->lock);
    return found;
}

/* ---- the record's effect ---- */

/* Does it follow the newest one (V1)? */
static bool is_next(const struct catalog_table *newest, const struct catalog_table *t)
{
    if (t->schema == newest->schema)
        return t->own_id == newest->own_id;
    return t->own_id > newest->own_id && t->schema_version == t->version &&
           row_schema_change_check(newest->schema, t->schema, NULL) == 0;
}

static struct catalog_live *live_ref(struct catalog_live *l)
{
    atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
    return l;
}

int catalog__table_altered(struct catalog *c, bronze_pos pos,
                           const Sluice__Control__TableCreated *m)
{
    struct entry *en = catalog__entry(c, m->table_id);
    if (en == NULL || m->version <= en->table->version)
        return 0; /* its beginning has been trimmed away, or a snapshot states it again */
    struct catalog_table *newest = en->table;
    bool same = m->schema_version == newest->schema_version;
    _cleanup_(catalog_table_unrefp) struct catalog_table *t =
        catalog__version_of(m, same ? newest->schema : NULL, NULL);
    if (t == NULL || !is_next(newest, t))
        return ERR_DAMAGED;
    t->since_pos = m->position != 0 ? m->position : pos;
    t->created_pos = newest->created_pos;
    t->live = live_ref(newest->live);
    if (!same) {
        catalog__schema_add(en, t);
        catalog__own_added(c, t);
    }
    en->table = catalog_table_ref(t);
    atomic_store(&t->live->version, t->version);
    catalog_table_unref(newest);
    return 0;
}

/* ---- alter ---- */

static bool is_named(const struct catalog_alter *r, const char *key)
{
    for (size_t i = 0; i < r->set_count; i++)
        if (strcmp(r->sets[i].key, key) == 0)
            return true;
    for (size_t i = 0; i < r->unset_count; i++)
        if (strcmp(r->unsets[i], key) == 0)
            return true;
    return false;
}

/* The properties of before, but for those that are named; then those that are set. */
static int next_properties(const struct catalog_properties *before, const struct catalog_alter *r,
                           struct catalog_table *next, struct err *e)
{
    struct catalog_property *list = mem_calloc(before->count + r->set_count + 1, sizeof(*list));
    size_t count = 0;
    for (size_t i = 0; i < before->count; i++)
        if (!is_named(r, before->list[i].key))
            list[count++] = before->list[i];
    for (size_t i = 0; i < r->set_count; i++)
        list[count++] = r->sets[i];
    int rc = catalog_properties_parse(list, count, next->schema, &next->properties, e);
    mem_free(list);
    return rc;
}

static int next_columns(struct catalog *c, const struct catalog_alter *r,
                        struct catalog_table *next, struct err *e)
{
    struct row_schema *schema;
    TRY(row_schema_alter(next->schema, &r->change, &schema, e));
    row_schema_unref(next->schema);
    next->schema = schema;
    next->schema_version = next->version;
    sys_mutex_lock(&c->lock);
    const struct entry *en = catalog__entry(c, next->id);
    bool full = en == NULL || en->schema_count >= SCHEMAS_PER_TABLE_MAX;
    next->own_id = c->next_descriptor_id++;
    sys_mutex_unlock(&c->lock);
    if (full)
        return err_set(e, ERR_EXHAUSTED, "it has had %d sets of columns already",
                       SCHEMAS_PER_TABLE_MAX);
    return 0;
}

int catalog__version_draft(struct catalog *c, const struct catalog_table *t,
                           const struct catalog_alter *r, struct catalog_table **ret_next,
                           struct err *e)
{
    _cleanup_(catalog_table_unrefp) struct catalog_table *next = mem_zalloc(sizeof(*next));
    atomic_store(&next->refs, 1);
    next->id = t->id;
    next->version = t->version + 1;
    next->schema_version = t->schema_version;
    next->name = mem_strdup(t->name);
    next->location = mem_strdup(t->location);
    next->delta_id = mem_strdup(t->delta_id);
    next->schema = row_schema_ref(t->schema);
    next->own_id = t->own_id;
    next->created_at_us = t->created_at_us;
    if (r->change.add_count + r->change.widen_count > 0)
        TRY(next_columns(c, r, next, e));
    TRY(next_properties(&t->properties, r, next, e)); /* rules may name new columns */
    *ret_next = TAKE(next);
    return 0;
}

static int alter(struct catalog *c, const struct catalog_alter *r, struct err *e)
{
    _cleanup_(catalog_table_unrefp) struct catalog_table *t = NULL, *next = NULL;
    TRY(catalog_table_by_name(c, r->name, &t, e));
    if (r->change.add_count + r->change.widen_count + r->set_count + r->unset_count == 0)
        return 0;
    if (catalog_is_quarantine(t->name))
        return err_set(e, ERR_INVALID,
                       "table %s: the server writes a quarantine table, and it stays "
                       "as it is",
                       t->name);
    if (catalog__version_draft(c, t, r, &next, e) < 0)
        return err_wrap(e, "table %s", t->name);
    TRY(catalog__quarantine_ensure(c, t->name, &next->properties, e));
    struct table_record tr;
    catalog__table_record(next, &tr);
    record rec = SLUICE__CONTROL__RECORD__INIT;
    rec.what_case = SLUICE__CONTROL__RECORD__WHAT_TABLE_ALTERED;
    rec.table_altered = &tr.m;
    int rc = catalog__commit(c, &rec, e);
    catalog__table_record_deinit(&tr);
    return rc;
}

int catalog_alter_table(struct catalog *c, const struct catalog_alter *r,
                        struct catalog_table **ret_table, struct err *e)
{
    TRY(catalog__enter(c, e));
    int rc = alter(c, r, e);
    catalog__leave(c);
    return rc < 0 ? rc : catalog_table_by_name(c, r->name, ret_table, e);
}
