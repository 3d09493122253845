/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table's schema as a JSON schema. Each type is one object of keywords: "type" lists every kind
 * of JSON value that is taken, and the other keywords concern only one kind each (minimum numbers,
 * pattern text, items arrays). Thread: any.
 */
#include "codec/show.h"

#include "base/json.h"
#include "codec_priv.h"

#include <stdio.h>

#define WHOLE_NUMBER "^-?[0-9]+$"

struct out {
    struct json j;
    bool iso_timestamps;
};

/* "type": [words …, "null"]; or only the one word. */
static void put_kinds(struct json *j, const char *first, const char *second, bool nullable)
{
    json_key(j, "type");
    if (second == NULL && !nullable) {
        json_str(j, first);
        return;
    }
    json_open(j, '[');
    json_str(j, first);
    if (second != NULL)
        json_str(j, second);
    if (nullable)
        json_str(j, "null");
    json_close(j, ']');
}

static void put_text(struct json *j, const char *key, const char *text)
{
    json_key(j, key);
    json_str(j, text);
}

static void put_integer(struct out *o, const struct row_column *c, bool nullable)
{
    int64_t min, max;
    bool is_time = c->type == ROW_TIMESTAMP || c->type == ROW_TIMESTAMP_NTZ;
    codec__range(c->type, &min, &max);
    put_kinds(&o->j, "integer", "string", nullable);
    json_key(&o->j, "minimum");
    json_i64(&o->j, min);
    json_key(&o->j, "maximum");
    json_i64(&o->j, max);
    if (c->type == ROW_DATE)
        put_text(&o->j, "format", "date");
    else if (c->type == ROW_TIMESTAMP && o->iso_timestamps)
        put_text(&o->j, "format", "date-time");
    else if (!(is_time && o->iso_timestamps))
        put_text(&o->j, "pattern", WHOLE_NUMBER);
}

static void put_decimal(struct json *j, const struct row_column *c, bool nullable)
{
    char pattern[64];
    int whole = c->precision - c->scale;
    put_kinds(j, "string", NULL, nullable);
    if (whole == 0)
        (void)snprintf(pattern, sizeof(pattern), "^[+-]?0?\\.[0-9]{1,%d}$", c->scale);
    else if (c->scale == 0)
        (void)snprintf(pattern, sizeof(pattern), "^[+-]?[0-9]{1,%d}$", whole);
    else
        (void)snprintf(pattern, sizeof(pattern), "^[+-]?[0-9]{1,%d}(\\.[0-9]{1,%d})?$", whole,
                       c->scale);
    put_text(j, "pattern", pattern);
}

static void put_type(struct out *o, const struct row_column *c, bool nullable);

static void put_fields(struct out *o, const struct row_column *fields, uint32_t count)
{
    struct json *j = &o->j;
    json_key(j, "properties");
    json_open(j, '{');
    for (uint32_t i = 0; i < count; i++) {
        json_key(j, fields[i].name);
        json_open(j, '{');
        if (fields[i].comment != NULL)
            put_text(j, "description", fields[i].comment);
        put_type(o, &fields[i], !fields[i].not_null);
        json_close(j, '}');
    }
    json_close(j, '}');
    json_key(j, "required");
    json_open(j, '[');
    for (uint32_t i = 0; i < count; i++) /* an absent array or map is an empty one */
        if (fields[i].not_null && fields[i].type != ROW_ARRAY && fields[i].type != ROW_MAP)
            json_str(j, fields[i].name);
    json_close(j, ']');
    json_key(j, "additionalProperties");
    json_bool(j, false);
}

/* What an ARRAY or MAP holds is never null. */
static void put_item(struct out *o, const char *key, const struct row_column *c)
{
    json_key(&o->j, key);
    json_open(&o->j, '{');
    put_type(o, c, false);
    json_close(&o->j, '}');
}

static void put_map(struct out *o, const struct row_column *c)
{
    enum row_type key = c->fields[ROW_KEY].type;
    put_kinds(&o->j, "object", NULL, false);
    if (key != ROW_STRING) {
        json_key(&o->j, "propertyNames");
        json_open(&o->j, '{');
        put_text(&o->j, "pattern", key == ROW_BOOLEAN ? "^(true|false)$" : WHOLE_NUMBER);
        json_close(&o->j, '}');
    }
    put_item(o, "additionalProperties", &c->fields[ROW_VALUE]);
}

/* The keywords for column @c, in an object that is open. */
static void put_type(struct out *o, const struct row_column *c, bool nullable)
{
    struct json *j = &o->j;
    switch (c->type) {
    case ROW_BOOLEAN: put_kinds(j, "boolean", NULL, nullable); break;
    case ROW_STRING: put_kinds(j, "string", NULL, nullable); break;
    case ROW_BINARY:
        put_kinds(j, "string", NULL, nullable);
        put_text(j, "contentEncoding", "base64");
        break;
    case ROW_FLOAT:
    case ROW_DOUBLE:
        put_kinds(j, "number", "string", nullable);
        put_text(j, "pattern", "^(NaN|-?Infinity)$");
        break;
    case ROW_DECIMAL: put_decimal(j, c, nullable); break;
    case ROW_STRUCT:
        put_kinds(j, "object", NULL, nullable);
        put_fields(o, c->fields, c->field_count);
        break;
    case ROW_ARRAY:
        put_kinds(j, "array", NULL, false);
        put_item(o, "items", &c->fields[ROW_ELEMENT]);
        break;
    case ROW_MAP: put_map(o, c); break;
    case ROW_VARIANT: break; /* any value: no keyword */
    default: put_integer(o, c, nullable); break;
    }
}

void codec_json_schema(const struct row_schema *s, const char *title, bool iso_timestamps,
                       struct buf *out)
{
    struct out o = {json_on(out), iso_timestamps};
    json_open(&o.j, '{');
    put_text(&o.j, "$schema", "https://json-schema.org/draft/2020-12/schema");
    put_text(&o.j, "title", title);
    put_kinds(&o.j, "object", NULL, false);
    put_fields(&o, s->columns, s->column_count);
    json_close(&o.j, '}');
}
