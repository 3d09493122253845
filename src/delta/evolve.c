/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table's schema changes: the newest protocol and metaData of its log, and what they become.
 *
 * The metaData is the old one with another schemaString. What a widened column was before stands in
 * delta.typeChanges of the metadata of the nearest field around it (PROTOCOL.md, "Type Widening"),
 * and is carried on from change to change: the log itself keeps that history. The protocol only
 * ever gains features.
 */
#include "delta/delta.h"

#include "base/limits.h"
#include "base/must.h"

#include "delta_priv.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define TYPE_CHANGES "delta.typeChanges"
#define ENABLED      "delta.enableTypeWidening"

struct evolve {
    struct delta_table *table;
    json_t *protocol, *meta; /* the newest; references */
    bool widened;            /* some column was, now or before */
};

static void evolve_deinit(struct evolve *x)
{
    json_decref(x->protocol);
    json_decref(x->meta);
}

/* ---- what the table is ---- */

static void take(json_t **slot, const json_t *body)
{
    if (*slot == NULL && json_is_object(body))
        *slot = json_incref((json_t *)(uintptr_t)body);
}

/* What the newest checkpoint found, for what no later commit has said. */
static int take_state(struct evolve *x, struct slice lines, struct err *e)
{
    const char *p = (const char *)lines.data, *stop = p + lines.len, *eol;
    for (; p < stop; p = eol + 1) {
        eol = memchr(p, '\n', (size_t)(stop - p));
        if (eol == NULL)
            break;
        if (strncmp(p, "{\"protocol\"", 11) != 0 && strncmp(p, "{\"metaData\"", 11) != 0)
            continue;
        json_t *action = json_loadb(p, (size_t)(eol - p), 0, NULL);
        if (action == NULL)
            return err_set(e, ERR_DAMAGED, "%s: the state does not read, though its hash fits",
                           x->table->location);
        take(&x->protocol, json_object_get(action, "protocol"));
        take(&x->meta, json_object_get(action, "metaData"));
        json_decref(action);
    }
    return 0;
}

static int find_newest(struct evolve *x, struct err *e)
{
    const struct delta_table *t = x->table;
    _cleanup_(buf_deinit) struct buf lines = BUF_NULL;
    int64_t below = -1;
    bool has_state = delta__state_read(t->lake, t->location, t->version, &below, &lines);
    for (int64_t v = t->version; v > below && !(x->protocol && x->meta); v--) {
        _cleanup_(delta__commit_deinit) struct delta__commit k = {0};
        TRY(delta__commit_read(t->lake, t->location, v, &k, e));
        take(&x->protocol, delta__commit_find(&k, "protocol"));
        take(&x->meta, delta__commit_find(&k, "metaData"));
    }
    if (has_state)
        TRY(take_state(x, buf_slice(&lines), e));
    if (x->protocol == NULL || x->meta == NULL)
        return err_set(e, ERR_DAMAGED, "%s: no commit has the table's protocol and metaData",
                       t->location);
    return 0;
}

/* ---- what it becomes ---- */

/* A way through types: "element.value". */
struct path {
    char text[ROW_DEPTH_MAX * 8];
};

static struct path path_below(const struct path *p, const char *part)
{
    struct path below = *p;
    size_t len = strlen(below.text);
    int n = snprintf(below.text + len, sizeof(below.text) - len, "%s%s", len > 0 ? "." : "", part);
    must(n > 0 && (size_t)n < sizeof(below.text) - len);
    return below;
}

/* May the flat type called @from become @to? */
static bool words_widen(const char *from, const char *to)
{
    _cleanup_(buf_deinit) struct buf ddl = BUF_NULL;
    _cleanup_(row_schema_unrefp) struct row_schema *s = NULL;
    buf_printf(&ddl, "a %s, b %s", from, to);
    return row_schema_parse(buf_slice(&ddl), NULL, 0, &s, NULL) == 0 &&
           row_widening_ok(&s->columns[0], &s->columns[1]);
}

static int merge_fields(struct evolve *x, json_t *fresh, const json_t *old, struct err *e);

/* @changes gains what has changed within one field's type, as far as the next fields. */
static int merge_type(struct evolve *x, json_t *fresh, const json_t *old, const struct path *p,
                      json_t *changes, struct err *e)
{
    const char *to = json_string_value(fresh), *from = json_string_value(old);
    const char *kind = json_string_value(json_object_get(fresh, "type"));
    const char *was = json_string_value(json_object_get(old, "type"));
    if (to && from && strcmp(to, from) == 0)
        return 0;
    if (to && from && words_widen(from, to)) {
        json_t *change = json_pack("{ssss}", "fromType", from, "toType", to);
        must(change);
        if (p->text[0] != '\0')
            must(json_object_set_new(change, "fieldPath", json_string(p->text)) == 0);
        must(json_array_append_new(changes, change) == 0);
        return 0;
    }
    if (!kind || !was || strcmp(kind, was) != 0)
        return err_set(e, ERR_INVALID, "type %s cannot become %s",
                       from  ? from
                       : was ? was
                             : "?",
                       to     ? to
                       : kind ? kind
                              : "?");
    if (strcmp(kind, "struct") == 0)
        return merge_fields(x, fresh, old, e);
    static const char *const parts[][2] = {
        {"elementType", "element"}, {"keyType", "key"}, {"valueType", "value"}};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        struct path below = path_below(p, parts[i][1]);
        json_t *inner = json_object_get(fresh, parts[i][0]);
        if (inner)
            TRY(merge_type(x, inner, json_object_get(old, parts[i][0]), &below, changes, e));
    }
    return 0;
}

static json_t *field_named(const json_t *type, const char *name)
{
    size_t i;
    json_t *field;
    json_array_foreach(json_object_get(type, "fields"), i, field)
    {
        const char *s = json_string_value(json_object_get(field, "name"));
        if (s && strcmp(s, name) == 0)
            return field;
    }
    return NULL;
}

/* One field that was there before. */
static int merge_field(struct evolve *x, json_t *fresh, const json_t *old, struct err *e)
{
    json_t *before = json_object_get(json_object_get(old, "metadata"), TYPE_CHANGES);
    json_t *changes = before ? json_deep_copy(before) : json_array();
    const struct path here = {""};
    must(changes);
    int r = merge_type(x, json_object_get(fresh, "type"), json_object_get(old, "type"), &here,
                       changes, e);
    if (r == 0 && json_array_size(changes) > 0) {
        x->widened = true;
        must(json_object_set(json_object_get(fresh, "metadata"), TYPE_CHANGES, changes) == 0);
    }
    json_decref(changes);
    return r;
}

/* Two struct types. */
static int merge_fields(struct evolve *x, json_t *fresh, const json_t *old, struct err *e)
{
    size_t i;
    json_t *was;
    json_array_foreach(json_object_get(old, "fields"), i, was)
    {
        const char *name = json_string_value(json_object_get(was, "name"));
        json_t *field = name ? field_named(fresh, name) : NULL;
        if (!field)
            return err_set(e, ERR_INVALID,
                           "%s: column %s is in the Delta table's schema and not "
                           "in the new one",
                           x->table->location, name ? name : "?");
        int r = merge_field(x, field, was, e);
        if (r < 0)
            return err_wrap(e, "column %s", name);
    }
    return 0;
}

static json_t *parse(struct slice text)
{
    return json_loadb((const char *)text.data, text.len, 0, NULL);
}

/* The new metaData, without the changes that only the log knows. */
static int new_meta(struct evolve *x, const struct row_schema *schema, json_t *meta, struct err *e)
{
    _cleanup_(buf_deinit) struct buf text = BUF_NULL;
    const json_t *s = json_object_get(meta, "schemaString");
    row_schema_to_delta_json(schema, &text);
    json_t *old = parse(slice_of(json_string_value(s), json_string_length(s)));
    json_t *fresh = parse(buf_slice(&text));
    must(fresh);
    int r = old ? merge_fields(x, fresh, old, e)
                : err_set(e, ERR_DAMAGED, "%s: the table's schemaString does not read",
                          x->table->location);
    if (r == 0) {
        size_t len = json_dumpb(fresh, NULL, 0, JSON_COMPACT);
        buf_reset(&text);
        must(json_dumpb(fresh, (char *)buf_reserve(&text, len), len, JSON_COMPACT) == len);
        json_t *string = json_stringn((const char *)text.data, len);
        must(json_object_set_new(meta, "schemaString", string) == 0);
    }
    json_t *configuration = json_object_get(meta, "configuration");
    if (r == 0 && x->widened && configuration)
        must(json_object_set_new(configuration, ENABLED, json_string("true")) == 0);
    json_decref(old);
    json_decref(fresh);
    return r;
}

static bool add_feature(json_t *protocol, const char *list_name, const char *name)
{
    size_t i;
    json_t *list = json_object_get(protocol, list_name), *known;
    if (!list) {
        list = json_array();
        must(list && json_object_set_new(protocol, list_name, list) == 0);
    }
    json_array_foreach(list, i, known)
    {
        if (strcmp(json_string_value(known) ? json_string_value(known) : "", name) == 0)
            return false;
    }
    must(json_array_append_new(list, json_string(name)) == 0);
    return true;
}

/* Readers and writers must know @name from now on. Returns whether they did not before. */
static bool ask_for(json_t *protocol, const char *name)
{
    must(json_object_set_new(protocol, "minReaderVersion", json_integer(3)) == 0);
    bool reader = add_feature(protocol, "readerFeatures", name);
    bool writer = add_feature(protocol, "writerFeatures", name);
    return reader || writer;
}

int delta__evolve(struct delta_table *t, const struct row_schema *schema, struct buf *out,
                  struct err *e)
{
    _cleanup_(evolve_deinit) struct evolve x = {.table = t};
    TRY(find_newest(&x, e));
    json_t *meta = json_deep_copy(x.meta), *protocol = json_deep_copy(x.protocol);
    must(meta && protocol);
    int r = new_meta(&x, schema, meta, e);
    const char *features[DELTA_SCHEMA_FEATURES_MAX + 1];
    delta__schema_features(schema, features);
    bool more = r == 0 && x.widened && ask_for(protocol, DELTA_WIDENING_FEATURE);
    for (size_t i = 0; r == 0 && features[i] != NULL; i++)
        more = ask_for(protocol, features[i]) || more;
    if (r == 0 && more)
        delta__action_line("protocol", protocol, out);
    if (r == 0)
        delta__action_line("metaData", meta, out);
    json_decref(meta);
    json_decref(protocol);
    return r;
}
