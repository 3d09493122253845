/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replacing: a table is dropped and made again under the same name with other columns, for changes
 * that no alteration allows (decision 0006). Two records of the log, and between them the folder
 * goes aside, which is the compactor's work and may need the gate (a snapshot): so the gate is free
 * meanwhile, and the name is marked instead.
 *
 *   in force ──► dropped, its streams know the next columns ──► folder aside ──► made again
 *                      └───────── the name is being replaced ────────┘
 *
 * A crash before the second record leaves a dropped table, as a drop does; nothing of the mark.
 * Thread: the admin worker, but for catalog_replaced_by().
 */
#include "catalog_priv.h"

#include "base/mem.h"
#include "base/must.h"

static int begin(struct catalog *c, const struct catalog_create *r, struct err *e)
{
    _cleanup_(catalog_table_unrefp) struct catalog_table *before = NULL, *next = NULL;
    int rc = catalog_table_by_name(c, r->name, &before, e);
    if (rc == ERR_NOT_FOUND)
        return err_set(e, rc,
                       "there is no table %.255s to replace; make it with `sluice table create`",
                       r->name);
    TRY(rc);
    TRY(catalog__table_draft(c, r, &next, e));
    TRY(catalog__quarantine_ensure(c, r->name, &next->properties, e));
    return catalog__drop(c, before, next->schema, e);
}

int catalog_replace_begin(struct catalog *c, const struct catalog_create *r, struct err *e)
{
    must(c->replacing == NULL);
    TRY(catalog__quarantine_name_check(r->name, e));
    TRY(catalog__enter(c, e));
    int rc = begin(c, r, e);
    catalog__leave(c);
    if (rc < 0)
        catalog_replace_end(c);
    return rc;
}

void catalog_replace_end(struct catalog *c)
{
    sys_mutex_lock(&c->lock);
    mem_free(c->replacing);
    c->replacing = NULL;
    sys_mutex_unlock(&c->lock);
}

struct row_schema *catalog_replaced_by(struct catalog *c, const struct catalog_table *t)
{
    sys_mutex_lock(&c->lock);
    struct row_schema *next = t->live->next == NULL ? NULL : row_schema_ref(t->live->next);
    sys_mutex_unlock(&c->lock);
    return next;
}
