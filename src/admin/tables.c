/* SPDX-License-Identifier: Apache-2.0 */
/* sluice.v1.Tables: create, replace, describe, list, alter, drop. On the admin worker. */
#include "admin_priv.h"

#include "base/limits.h"
#include "base/mem.h"
#include "codec/codec.h"
#include "row/row.h"
#include "sluice/v1/sluice.pb-c.h"
#include "sys/sys.h"

#include <stdio.h>
#include <string.h>

#define DROP_WAIT_MS    5000
#define REPLACE_WAIT_MS 15000 /* the last rows of the old table are on their way to the lake */
#define DROP_LOOK_MS    20

static int32_t key_ordinal(const struct row_schema *s, uint32_t column)
{
    for (uint32_t i = 0; i < s->key_count; i++)
        if (s->key_columns[i] == column)
            return (int32_t)i + 1;
    return 0;
}

static Sluice__V1__Column *column_message(struct job *j, const struct row_schema *s, uint32_t i)
{
    Sluice__V1__Column *col = job_alloc(j, sizeof(*col));
    struct buf type = BUF_NULL;
    sluice__v1__column__init(col);
    row_type_name(&s->columns[i], false, &type);
    col->name = job_str(j, s->columns[i].name);
    col->type = job_str_of(j, &type);
    col->not_null = s->columns[i].not_null;
    col->key_ordinal = key_ordinal(s, i);
    return col;
}

/* The message's name: the table's last part, with hyphens as _, and T in front of a digit. */
static void message_name(const char *table, char *out, size_t size)
{
    const char *last = strrchr(table, '.');
    last = last != NULL ? last + 1 : table;
    bool is_digit = *last >= '0' && *last <= '9';
    (void)snprintf(out, size, "%s%s", is_digit ? "T" : "", last);
    for (char *p = strchr(out, '-'); p != NULL; p = strchr(p, '-'))
        *p = '_';
}

static void add_properties(struct job *j, const struct catalog_properties *from,
                           Sluice__V1__Table *m)
{
    m->n_properties = from->count;
    m->properties = job_alloc(j, (from->count + 1) * sizeof(*m->properties));
    for (size_t i = 0; i < from->count; i++) {
        m->properties[i] = job_alloc(j, sizeof(**m->properties));
        sluice__v1__table__properties_entry__init(m->properties[i]);
        m->properties[i]->key = job_str(j, from->list[i].key);
        m->properties[i]->value = job_str(j, from->list[i].value);
    }
}

static Sluice__V1__Table *table_message(struct job *j, const struct catalog_table *t)
{
    Sluice__V1__Table *m = job_alloc(j, sizeof(*m));
    sluice__v1__table__init(m);
    m->name = job_str(j, t->name);
    m->table_id = t->id;
    m->version = t->version;
    struct buf text = BUF_NULL;
    buf_printf(&text, "%s/%s", admin__options(j->admin)->lake_root, t->location);
    m->location = job_str_of(j, &text);
    row_schema_to_ddl(t->schema, &text);
    m->ddl = job_str_of(j, &text);
    m->n_columns = t->schema->column_count;
    m->columns = job_alloc(j, m->n_columns * sizeof(*m->columns));
    for (uint32_t i = 0; i < t->schema->column_count; i++)
        m->columns[i] = column_message(j, t->schema, i);
    add_properties(j, &t->properties, m);
    char name[TABLE_NAME_BYTES_MAX + 2];
    message_name(t->name, name, sizeof(name));
    codec_table_descriptor(t->schema, name, &text);
    m->descriptor_proto.len = text.len;
    m->descriptor_proto.data = job_alloc(j, text.len + 1);
    memcpy(m->descriptor_proto.data, text.data, text.len);
    buf_deinit(&text);
    return m;
}

static bool is_being_dropped(struct catalog *c, const char *name)
{
    struct catalog_table **tables;
    size_t count = catalog_dropped_tables(c, &tables);
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        found |= strcmp(tables[i]->name, name) == 0;
        tables[i] = catalog_table_unref(tables[i]);
    }
    mem_free(tables);
    return found;
}

/* A name that was just dropped is free when its folder is aside: a matter of moments. When it takes
 * longer, the create says so itself. */
static void wait_for_drop(const struct admin_options *o, const char *name, int wait_ms)
{
    for (int i = 0; i < wait_ms / DROP_LOOK_MS && is_being_dropped(o->catalog, name); i++)
        sys_sleep_ms(o->sys, DROP_LOOK_MS);
}

/* Rule D6. */
static int check_location(const struct admin_options *o, const char *name, struct err *e)
{
    char *location = catalog_location(name);
    int r = o->hooks.check_location(o->hooks.ctx, location, e);
    mem_free(location);
    return r;
}

/* The same for the quarantine table that comes with it, unless that is there already. */
static int check_quarantine(const struct admin_options *o, const struct catalog_create *r,
                            struct err *e)
{
    struct catalog_properties p;
    if (catalog_properties_parse(r->properties, r->property_count, NULL, &p, e) < 0)
        return err_wrap(e, "table %.255s", r->name);
    bool wanted = catalog_quarantines(&p);
    catalog_properties_deinit(&p);
    if (!wanted)
        return 0;
    struct catalog_table *t = NULL;
    char *name = catalog_quarantine_name(r->name);
    int rc = 0;
    if (catalog_table_by_name(o->catalog, name, &t, NULL) < 0) {
        wait_for_drop(o, name, DROP_WAIT_MS);
        rc = check_location(o, name, e);
    }
    t = catalog_table_unref(t);
    mem_free(name);
    return rc;
}

static struct catalog_create create_of(struct job *j)
{
    const Sluice__V1__CreateTableRequest *q = (const void *)j->request;
    struct catalog_property *properties = job_alloc(j, (q->n_properties + 1) * sizeof(*properties));
    for (size_t i = 0; i < q->n_properties; i++)
        properties[i] = (struct catalog_property){q->properties[i]->key, q->properties[i]->value};
    return (struct catalog_create){
        .name = q->name,
        .ddl = q->ddl,
        .keys = (const char *const *)q->primary_key,
        .key_count = q->n_primary_key,
        .properties = properties,
        .property_count = q->n_properties,
    };
}

/* Where nothing of that name is: the table, and the answer that shows it. */
static int make(struct job *j, const struct catalog_create *r)
{
    const struct admin_options *o = admin__options(j->admin);
    _cleanup_(catalog_table_unrefp) struct catalog_table *t = NULL;
    TRY(check_location(o, r->name, &j->err));
    TRY(catalog_create_table(o->catalog, r, &t, &j->err));
    Sluice__V1__CreateTableResponse *a = job_alloc(j, sizeof(*a));
    sluice__v1__create_table_response__init(a);
    a->table = table_message(j, t);
    j->answer = &a->base;
    return 0;
}

int admin__table_create(struct job *j)
{
    const struct admin_options *o = admin__options(j->admin);
    struct catalog_create r = create_of(j);
    TRY(row_table_name_check(r.name, &j->err));
    struct catalog_table *t = NULL;
    if (catalog_table_by_name(o->catalog, r.name, &t, NULL) == 0) {
        t = catalog_table_unref(t);
        return err_set(&j->err, ERR_EXISTS, "table %s exists already", r.name);
    }
    wait_for_drop(o, r.name, DROP_WAIT_MS);
    TRY(check_quarantine(o, &r, &j->err));
    return make(j, &r);
}

/* A table whose lake stands still would not go aside, and the name would stay without a table. */
static int check_lake(const struct admin_options *o, const char *name, struct err *e)
{
    _cleanup_(catalog_table_unrefp) struct catalog_table *t = NULL;
    struct admin_table at = {0};
    if (catalog_table_by_name(o->catalog, name, &t, NULL) < 0)
        return 0; /* the next step says so */
    o->hooks.table(o->hooks.ctx, t->id, &at);
    return at.fault[0] == '\0'
               ? 0
               : err_set(e, ERR_PRECONDITION,
                         "table %s cannot be replaced while its lake does not take it (%s): mend "
                         "that first, or drop the table",
                         name, at.fault);
}

int admin__table_replace(struct job *j)
{
    const struct admin_options *o = admin__options(j->admin);
    struct catalog_create r = create_of(j);
    TRY(row_table_name_check(r.name, &j->err));
    TRY(check_lake(o, r.name, &j->err));
    TRY(check_quarantine(o, &r, &j->err));
    TRY(catalog_replace_begin(o->catalog, &r, &j->err));
    wait_for_drop(o, r.name, REPLACE_WAIT_MS);
    int rc = make(j, &r);
    catalog_replace_end(o->catalog);
    return rc < 0 ? err_wrap(&j->err,
                             "table %s is dropped, its folder aside or on its way there, but not "
                             "made again (do that with `sluice table create`)",
                             r.name)
                  : 0;
}

/* Whoever may not know of a table hears that it is not there. */
int admin__table_describe(struct job *j)
{
    const Sluice__V1__DescribeTableRequest *q = (const void *)j->request;
    struct catalog_table *t = NULL;
    if (!catalog_may_see(j->token, q->name))
        return err_set(&j->err, ERR_DENIED,
                       "token %s has no grant on table %s: an admin can create one that has",
                       j->token->name, q->name);
    TRY(catalog_table_by_name(admin__options(j->admin)->catalog, q->name, &t, &j->err));
    Sluice__V1__DescribeTableResponse *a = job_alloc(j, sizeof(*a));
    sluice__v1__describe_table_response__init(a);
    a->table = table_message(j, t);
    j->answer = &a->base;
    t = catalog_table_unref(t);
    return 0;
}

int admin__table_list(struct job *j)
{
    struct catalog_table **tables;
    size_t count = catalog_tables(admin__options(j->admin)->catalog, &tables);
    Sluice__V1__ListTablesResponse *a = job_alloc(j, sizeof(*a));
    sluice__v1__list_tables_response__init(a);
    a->tables = job_alloc(j, (count + 1) * sizeof(*a->tables));
    for (size_t i = 0; i < count; i++) {
        if (catalog_may_see(j->token, tables[i]->name))
            a->tables[a->n_tables++] = table_message(j, tables[i]);
        tables[i] = catalog_table_unref(tables[i]);
    }
    mem_free(tables);
    j->answer = &a->base;
    return 0;
}

int admin__table_alter(struct job *j)
{
    const Sluice__V1__AlterTableRequest *q = (const void *)j->request;
    struct catalog_property *sets = job_alloc(j, (q->n_set_properties + 1) * sizeof(*sets));
    for (size_t i = 0; i < q->n_set_properties; i++)
        sets[i] = (struct catalog_property){q->set_properties[i]->key, q->set_properties[i]->value};
    struct catalog_alter r = {
        .name = q->name,
        .change = {(const char *const *)q->add_columns, q->n_add_columns,
                   (const char *const *)q->widen_columns, q->n_widen_columns},
        .sets = sets,
        .set_count = q->n_set_properties,
        .unsets = (const char *const *)q->unset_properties,
        .unset_count = q->n_unset_properties,
    };
    _cleanup_(catalog_table_unrefp) struct catalog_table *t = NULL;
    TRY(catalog_alter_table(admin__options(j->admin)->catalog, &r, &t, &j->err));
    Sluice__V1__AlterTableResponse *a = job_alloc(j, sizeof(*a));
    sluice__v1__alter_table_response__init(a);
    a->table = table_message(j, t);
    j->answer = &a->base;
    return 0;
}

int admin__table_drop(struct job *j)
{
    const Sluice__V1__DropTableRequest *q = (const void *)j->request;
    TRY(catalog_drop_table(admin__options(j->admin)->catalog, q->name, &j->err));
    Sluice__V1__DropTableResponse *a = job_alloc(j, sizeof(*a));
    sluice__v1__drop_table_response__init(a);
    j->answer = &a->base;
    return 0;
}
