/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words for types: what DDL may say, what people read, what Delta's schema JSON calls them.
 * Constant tables only. Any thread.
 */
#include "row_priv.h"

#include "base/must.h"

#define NOT_SUPPORTED ((enum row_type)0)

static const struct row__type_word words[] = {
    {"boolean", ROW_BOOLEAN},
    {"bool", ROW_BOOLEAN},
    {"tinyint", ROW_BYTE},
    {"byte", ROW_BYTE},
    {"smallint", ROW_SHORT},
    {"short", ROW_SHORT},
    {"int", ROW_INT},
    {"integer", ROW_INT},
    {"bigint", ROW_LONG},
    {"long", ROW_LONG},
    {"float", ROW_FLOAT},
    {"real", ROW_FLOAT},
    {"double", ROW_DOUBLE},
    {"decimal", ROW_DECIMAL},
    {"dec", ROW_DECIMAL},
    {"numeric", ROW_DECIMAL},
    {"string", ROW_STRING},
    {"text", ROW_STRING},
    {"varchar", ROW_STRING},
    {"char", ROW_STRING},
    {"character", ROW_STRING},
    {"binary", ROW_BINARY},
    {"varbinary", ROW_BINARY},
    {"bytes", ROW_BINARY},
    {"date", ROW_DATE},
    {"timestamp", ROW_TIMESTAMP},
    {"timestamp_ltz", ROW_TIMESTAMP},
    {"timestamp_ntz", ROW_TIMESTAMP_NTZ},
    {"struct", ROW_STRUCT},
    {"array", ROW_ARRAY},
    {"map", ROW_MAP},
    {"variant", ROW_VARIANT},
    {"interval", NOT_SUPPORTED},
    {"geography", NOT_SUPPORTED},
    {"geometry", NOT_SUPPORTED},
    {"object", NOT_SUPPORTED},
    {"void", NOT_SUPPORTED},
};

static const struct {
    const char *people, *delta;
} names[] = {
    [ROW_BOOLEAN] = {"boolean", "boolean"},
    [ROW_BYTE] = {"tinyint", "byte"},
    [ROW_SHORT] = {"smallint", "short"},
    [ROW_INT] = {"int", "integer"},
    [ROW_LONG] = {"bigint", "long"},
    [ROW_FLOAT] = {"float", "float"},
    [ROW_DOUBLE] = {"double", "double"},
    [ROW_DECIMAL] = {"decimal", "decimal"},
    [ROW_STRING] = {"string", "string"},
    [ROW_BINARY] = {"binary", "binary"},
    [ROW_DATE] = {"date", "date"},
    [ROW_TIMESTAMP] = {"timestamp", "timestamp"},
    [ROW_TIMESTAMP_NTZ] = {"timestamp_ntz", "timestamp_ntz"},
    [ROW_STRUCT] = {"struct", "struct"},
    [ROW_ARRAY] = {"array", "array"},
    [ROW_MAP] = {"map", "map"},
    [ROW_VARIANT] = {"variant", "variant"},
};

bool row__same_word(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (row__lower(a.data[i]) != row__lower(b.data[i]))
            return false;
    return true;
}

const struct row__type_word *row__type_find(struct slice word)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (row__same_word(word, slice_str(words[i].word)))
            return &words[i];
    return NULL;
}

const char *row__word_of(enum row_type type)
{
    must(type >= ROW_BOOLEAN && type <= ROW_VARIANT);
    return names[type].people;
}

static void put_comment(const char *comment, struct buf *out)
{
    buf_add_str(out, " COMMENT '");
    for (const char *c = comment; *c != '\0'; c++) {
        if (*c == '\'' || *c == '\\')
            buf_add_byte(out, '\\');
        buf_add_byte(out, (uint8_t)*c);
    }
    buf_add_byte(out, '\'');
}

void row__remarks_put(const struct row_column *c, enum row__style style, struct buf *out)
{
    if (c->not_null)
        buf_add_str(out, style == ROW__DDL ? " NOT NULL" : " not null");
    if (c->comment != NULL && style == ROW__DDL)
        put_comment(c->comment, out);
}

/* What stands between < and >. */
static void put_fields(const struct row_column *c, enum row__style style, struct buf *out)
{
    for (uint32_t i = 0; i < c->field_count; i++) {
        const struct row_column *f = &c->fields[i];
        if (i > 0)
            buf_add_str(out, ", ");
        if (c->type == ROW_STRUCT)
            buf_printf(out, style == ROW__DDL ? "`%s`: " : "%s: ", f->name);
        row__type_put(f, style, out);
        if (c->type != ROW_MAP || i != ROW_KEY) /* a key is never null anyway */
            row__remarks_put(f, style, out);
    }
}

void row__type_put(const struct row_column *c, enum row__style style, struct buf *out)
{
    const char *word = row__word_of(c->type);
    buf_add_str(out, style == ROW__DELTA ? names[c->type].delta : word);
    if (c->type == ROW_DECIMAL)
        buf_printf(out, "(%u,%u)", c->precision, c->scale);
    if (c->field_count == 0)
        return;
    buf_add_byte(out, '<');
    put_fields(c, style, out);
    buf_add_byte(out, '>');
}

void row_type_name(const struct row_column *c, bool delta_words, struct buf *out)
{
    row__type_put(c, delta_words ? ROW__DELTA : ROW__PEOPLE, out);
}
