/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Quarantine tables: where rows go that do not fit their table, when its owner says so. An ordinary
 * table in the log, the store and the lake; only its name is special: "a.b.c" has
 * "a.b.c__quarantine". It is made before the table that needs it, so a crash between the two leaves
 * one that the next try takes over. It outlives its table: its rows are evidence.
 *
 * Thread: with the gate, but for the names.
 */
#include "catalog_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <stdlib.h>

#define SUFFIX "__quarantine"

/* In the order of enum catalog_quarantine_column. */
static const char ddl[] = "arrived TIMESTAMP NOT NULL, stream_id STRING NOT NULL, "
                          "stream_offset BIGINT NOT NULL, record_index INT NOT NULL, "
                          "reason STRING NOT NULL, rule STRING, column_path STRING, "
                          "principal STRING NOT NULL, raw BINARY, json STRING, "
                          "format STRING NOT NULL, table_id BIGINT NOT NULL, "
                          "descriptor_id BIGINT NOT NULL, replayed TIMESTAMP";
static const char *const keys[] = {"arrived", "stream_id", "stream_offset", "record_index"};

bool catalog_is_quarantine(const char *name)
{
    size_t len = strlen(name);
    return len > strlen(SUFFIX) && strcmp(name + len - strlen(SUFFIX), SUFFIX) == 0;
}

char *catalog_quarantine_name(const char *table)
{
    return mem_printf("%s" SUFFIX, table);
}

struct row_schema *catalog_quarantine_schema(void)
{
    struct row_schema *schema = NULL;
    int r = row_schema_parse(slice_str(ddl), keys, ARRAY_LEN(keys), &schema, NULL);
    must(r == 0 && schema->column_count == CATALOG_QUARANTINE_COLUMNS);
    return schema;
}

static bool same_columns(const struct row_schema *a, const struct row_schema *b)
{
    struct buf x = BUF_NULL, y = BUF_NULL;
    row_schema_to_ddl(a, &x);
    row_schema_to_ddl(b, &y);
    bool same = slice_eq(buf_slice(&x), buf_slice(&y)) && a->key_count == b->key_count;
    buf_deinit(&x);
    buf_deinit(&y);
    return same;
}

/* A table of that name that was made for this: taken over when its columns are the right ones. */
static int is_usable(const struct catalog_table *t, struct err *e)
{
    struct row_schema *schema = catalog_quarantine_schema();
    bool fits = same_columns(t->schema, schema);
    row_schema_unref(schema);
    return fits ? 0
                : err_set(e, ERR_PRECONDITION,
                          "table %s is there with other columns than a quarantine table has; drop "
                          "it first",
                          t->name);
}

int catalog__quarantine_ensure(struct catalog *c, const char *table,
                               const struct catalog_properties *p, struct err *e)
{
    if (!catalog_quarantines(p))
        return 0;
    _cleanup_(mem_freep) char *name = catalog_quarantine_name(table);
    _cleanup_(catalog_table_unrefp) struct catalog_table *t = NULL;
    if (catalog_table_by_name(c, name, &t, NULL) == 0)
        return is_usable(t, e);
    struct catalog_create r = {
        .name = name, .ddl = ddl, .keys = keys, .key_count = ARRAY_LEN(keys)};
    if (catalog__create(c, &r, e) < 0)
        return err_wrap(e, "the quarantine table of %s", table);
    return 0;
}

int catalog__quarantine_name_check(const char *name, struct err *e)
{
    if (!catalog_is_quarantine(name))
        return 0;
    return err_set(e, ERR_INVALID,
                   "table %.255s: such a name is kept for the quarantine table that the server "
                   "makes itself",
                   name);
}

int catalog__quarantine_drop_check(struct catalog *c, const char *name, struct err *e)
{
    if (!catalog_is_quarantine(name))
        return 0;
    _cleanup_(mem_freep) char *table = mem_strndup(name, strlen(name) - strlen(SUFFIX));
    _cleanup_(catalog_table_unrefp) struct catalog_table *t = NULL;
    if (catalog_table_by_name(c, table, &t, NULL) < 0 || !catalog_quarantines(&t->properties))
        return 0;
    return err_set(
        e, ERR_PRECONDITION,
        "table %s sends its bad rows to %s; drop it first, or set its properties so that "
        "nothing is quarantined",
        table, name);
}
