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

struct row_schema *row_schema_unref(struct row_schema *s)
{
    if (s == NULL)
        return NULL;
    uint32_t before = __atomic_fetch_sub(&s->refs, 1, __ATOMIC_ACQ_REL);
    must(before > 0);
    if (before > 1)
        return NULL;
    for (uint32_t i = 0; i < s->column_count; i++) {
        mem_free(s->columns[i].name);
        mem_free(s->columns[i].comment);
    }
    mem_free(s->columns);
    mem_free(s->key_columns);
    mem_free(s);
    return NULL;
}

int row_schema_find(const struct row_schema *s, struct slice name)
{
    for (uint32_t i = 0; i < s->column_count; i++)
        if (row__same_word(slice_str(s->columns[i].name), name))
            return (int)i;
    return -1;
}

static void add_quoted_comment(struct buf *out, const char *comment)
{
    buf_add_str(out, " COMMENT '");
    for (const char *c = comment; *c != '\0'; c++) {
        if (*c == '\'' || *c == '\\')
            buf_add_byte(out, '\\');
        buf_add_byte(out, (uint8_t)*c);
    }
    buf_add_byte(out, '\'');
}

void row_schema_to_ddl(const struct row_schema *s, struct buf *out)
{
    for (uint32_t i = 0; i < s->column_count; i++) {
        const struct row_column *c = &s->columns[i];
        buf_printf(out, "%s`%s` ", i == 0 ? "" : ", ", c->name);
        row_type_name(c, false, out);
        if (c->not_null)
            buf_add_str(out, " NOT NULL");
        if (c->comment != NULL)
            add_quoted_comment(out, c->comment);
    }
}

void row_schema_to_delta_json(const struct row_schema *s, struct buf *out)
{
    struct buf word = BUF_NULL;
    struct json j = json_on(out);
    json_open(&j, '{');
    json_key(&j, "type");
    json_str(&j, "struct");
    json_key(&j, "fields");
    json_open(&j, '[');
    for (uint32_t i = 0; i < s->column_count; i++) {
        const struct row_column *c = &s->columns[i];
        buf_reset(&word);
        row_type_name(c, true, &word);
        json_open(&j, '{');
        json_key(&j, "name");
        json_str(&j, c->name);
        json_key(&j, "type");
        json_slice(&j, buf_slice(&word));
        json_key(&j, "nullable");
        json_bool(&j, !c->not_null);
        json_key(&j, "metadata");
        json_open(&j, '{');
        if (c->comment != NULL) {
            json_key(&j, "comment");
            json_str(&j, c->comment);
        }
        json_close(&j, '}');
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_close(&j, '}');
    buf_deinit(&word);
}

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
