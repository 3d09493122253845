/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table's schema once it is made: counting, finding a column, writing it out as DDL and as
 * Delta's schema JSON; and the rule for table names.
 *
 * I1  Column names are [A-Za-z_][A-Za-z0-9_]*, unique with letter case ignored.
 * I2  Key columns are NOT NULL.
 * Thread: any. A schema never changes after row_schema_parse(); its count is atomic.
 */
#include "row_priv.h"

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/must.h"

struct row_schema *row_schema_ref(struct row_schema *s)
{
    uint32_t before = __atomic_fetch_add(&s->refs, 1, __ATOMIC_RELAXED);
    must(before > 0 && before < UINT32_MAX);
    return s;
}

static void free_columns(struct row_column *columns, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        mem_free(columns[i].name);
        mem_free(columns[i].comment);
        free_columns(columns[i].fields, columns[i].field_count);
    }
    mem_free(columns);
}

struct row_schema *row_schema_unref(struct row_schema *s)
{
    if (s == NULL)
        return NULL;
    uint32_t before = __atomic_fetch_sub(&s->refs, 1, __ATOMIC_ACQ_REL);
    must(before > 0);
    if (before > 1)
        return NULL;
    free_columns(s->columns, s->column_count);
    mem_free(s->key_columns);
    mem_free(s);
    return NULL;
}

int row__column_find(const struct row_column *fields, uint32_t count, struct slice name)
{
    for (uint32_t i = 0; i < count; i++)
        if (row__same_word(slice_str(fields[i].name), name))
            return (int)i;
    return -1;
}

uint32_t row_leaf_count(const struct row_column *c)
{
    uint32_t n = c->type == ROW_VARIANT ? 2 : row_type_is_flat(c->type) ? 1 : 0;
    for (uint32_t i = 0; i < c->field_count; i++)
        n += row_leaf_count(&c->fields[i]);
    return n;
}

int row_schema_find(const struct row_schema *s, struct slice name)
{
    return row__column_find(s->columns, s->column_count, name);
}

void row_schema_to_ddl(const struct row_schema *s, struct buf *out)
{
    for (uint32_t i = 0; i < s->column_count; i++) {
        const struct row_column *c = &s->columns[i];
        buf_printf(out, "%s`%s` ", i == 0 ? "" : ", ", c->name);
        row__type_put(c, ROW__DDL, out);
        row__remarks_put(c, ROW__DDL, out);
    }
}

/* ---- Delta's JSON ---- */

static void put_struct(struct json *j, const struct row_column *fields, uint32_t count);

/* A type: a word, or an object for what holds others. */
static void put_type(struct json *j, const struct row_column *c)
{
    struct buf word = BUF_NULL;
    switch (c->type) {
    case ROW_STRUCT: put_struct(j, c->fields, c->field_count); return;
    case ROW_ARRAY:
        json_open(j, '{');
        json_key(j, "type");
        json_str(j, "array");
        json_key(j, "elementType");
        put_type(j, &c->fields[ROW_ELEMENT]);
        json_key(j, "containsNull");
        json_bool(j, !c->fields[ROW_ELEMENT].not_null);
        json_close(j, '}');
        return;
    case ROW_MAP:
        json_open(j, '{');
        json_key(j, "type");
        json_str(j, "map");
        json_key(j, "keyType");
        put_type(j, &c->fields[ROW_KEY]);
        json_key(j, "valueType");
        put_type(j, &c->fields[ROW_VALUE]);
        json_key(j, "valueContainsNull");
        json_bool(j, !c->fields[ROW_VALUE].not_null);
        json_close(j, '}');
        return;
    default: break;
    }
    row__type_put(c, ROW__DELTA, &word);
    json_slice(j, buf_slice(&word));
    buf_deinit(&word);
}

static void put_field(struct json *j, const struct row_column *c)
{
    json_open(j, '{');
    json_key(j, "name");
    json_str(j, c->name);
    json_key(j, "type");
    put_type(j, c);
    json_key(j, "nullable");
    json_bool(j, !c->not_null);
    json_key(j, "metadata");
    json_open(j, '{');
    if (c->comment != NULL) {
        json_key(j, "comment");
        json_str(j, c->comment);
    }
    json_close(j, '}');
    json_close(j, '}');
}

static void put_struct(struct json *j, const struct row_column *fields, uint32_t count)
{
    json_open(j, '{');
    json_key(j, "type");
    json_str(j, "struct");
    json_key(j, "fields");
    json_open(j, '[');
    for (uint32_t i = 0; i < count; i++)
        put_field(j, &fields[i]);
    json_close(j, ']');
    json_close(j, '}');
}

void row_schema_to_delta_json(const struct row_schema *s, struct buf *out)
{
    struct json j = json_on(out);
    put_struct(&j, s->columns, s->column_count);
}

/* ---- names of tables ---- */

static bool is_table_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

int row_table_name_check(const char *name, struct err *e)
{
    if (strlen(name) > TABLE_NAME_BYTES_MAX)
        return err_set(e, ERR_INVALID, "table name is longer than %d characters",
                       TABLE_NAME_BYTES_MAX);
    unsigned parts = 1;
    size_t part_len = 0;
    for (const char *c = name; *c != '\0'; c++) {
        if (*c != '.') {
            if (!is_table_name_char(*c))
                return err_set(
                    e, ERR_INVALID,
                    "table name: character %zu is not a letter, digit, underscore or hyphen",
                    (size_t)(c - name) + 1);
            part_len++;
            continue;
        }
        if (part_len == 0)
            return err_set(e, ERR_INVALID, "table name \"%s\" has an empty part", name);
        parts++;
        part_len = 0;
    }
    if (parts != 3)
        return err_set(e, ERR_INVALID,
                       "table name \"%s\" has %u part%s; it must be catalog.schema.table", name,
                       parts, parts == 1 ? "" : "s");
    if (part_len == 0)
        return err_set(e, ERR_INVALID, "table name \"%s\" has an empty part", name);
    return 0;
}
