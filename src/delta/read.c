/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading commit files: lines of JSON, one action each. Everything that another writer may have put
 * there is looked at with suspicion: what does not read is ERR_DAMAGED with file and line, what we
 * do not understand is ERR_UNSUPPORTED by name.
 */
#include "delta/delta.h"

#include "base/mem.h"
#include "base/must.h"
#include "objstore/objstore.h"

#include "delta_priv.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

char *delta__commit_name(const char *location, int64_t version)
{
    return mem_printf("%s/_delta_log/%020lld.json", location, (long long)version);
}

static int parse_lines(struct slice text, json_t *actions, const char *name, struct err *e)
{
    const char *p = (const char *)text.data;
    const char *stop = p + text.len;
    for (unsigned line = 1; p < stop; line++) {
        const char *eol = memchr(p, '\n', (size_t)(stop - p));
        size_t len = (size_t)((eol ? eol : stop) - p);
        if (len > 0) {
            json_error_t why;
            json_t *action = json_loadb(p, len, 0, &why);
            if (!json_is_object(action) || json_object_size(action) == 0) {
                json_decref(action);
                return err_set(e, ERR_DAMAGED, "%s line %u is not an action: %s", name, line,
                               action ? "not an object" : why.text);
            }
            must(json_array_append_new(actions, action) == 0);
        }
        p += len + 1;
    }
    return 0;
}

int delta__commit_read(struct objstore *o, const char *location, int64_t version,
                       struct delta__commit *ret_commit, struct err *e)
{
    _cleanup_(mem_freep) char *name = delta__commit_name(location, version);
    _cleanup_(buf_deinit) struct buf text = BUF_NULL;
    TRY(objstore_get(o, name, DELTA_COMMIT_BYTES_MAX, &text, e));
    struct delta__commit k = {.actions = json_array(), .size = text.len};
    must(k.actions);
    delta_hash(buf_slice(&text), k.hash);
    int r = text.len == 0 ? err_set(e, ERR_DAMAGED, "%s is empty", name)
                          : parse_lines(buf_slice(&text), k.actions, name, e);
    if (r < 0) {
        delta__commit_deinit(&k);
        return r;
    }
    *ret_commit = k;
    return 0;
}

void delta__commit_deinit(struct delta__commit *k)
{
    json_decref(k->actions);
    *k = (struct delta__commit){0};
}

const json_t *delta__commit_find(const struct delta__commit *k, const char *kind)
{
    size_t i;
    json_t *action;
    json_array_foreach(k->actions, i, action)
    {
        const json_t *body = json_object_get(action, kind);
        if (json_is_object(body))
            return body;
    }
    return NULL;
}

const char *delta__commit_table_id(const struct delta__commit *k)
{
    return json_string_value(json_object_get(delta__commit_find(k, "metaData"), "id"));
}

bool delta__commit_changes_table(const struct delta__commit *k)
{
    return delta__commit_find(k, "metaData") || delta__commit_find(k, "protocol");
}

static void match_app(void *ctx, const char *app_id, const struct delta__txn *x)
{
    (void)x;
    bool *ours = ctx;
    *ours = *ours || strncmp(app_id, DELTA_APP_PREFIX, strlen(DELTA_APP_PREFIX)) == 0;
}

bool delta__commit_is_evolution(const struct delta__commit *k)
{
    bool ours = false;
    delta__commit_txns(k, match_app, &ours);
    return ours && delta__commit_is_ours(k) && delta__commit_find(k, "metaData") != NULL;
}

const char *delta__commit_engine(const struct delta__commit *k)
{
    return json_string_value(json_object_get(delta__commit_find(k, "commitInfo"), "engineInfo"));
}

bool delta__commit_is_ours(const struct delta__commit *k)
{
    const char *engine = delta__commit_engine(k);
    return engine && strncmp(engine, DELTA_ENGINE_PREFIX, strlen(DELTA_ENGINE_PREFIX)) == 0;
}

int64_t delta__commit_ict_ms(const struct delta__commit *k)
{
    const json_t *ict = json_object_get(delta__commit_find(k, "commitInfo"), "inCommitTimestamp");
    return json_is_integer(ict) ? json_integer_value(ict) : -1;
}

void delta__commit_txns(const struct delta__commit *k, delta__txn_fn *fn, void *ctx)
{
    size_t i;
    json_t *action;
    json_array_foreach(k->actions, i, action)
    {
        const json_t *txn = json_object_get(action, "txn");
        const char *app_id = json_string_value(json_object_get(txn, "appId"));
        const json_t *version = json_object_get(txn, "version");
        const json_t *updated = json_object_get(txn, "lastUpdated");
        if (!app_id || !json_is_integer(version))
            continue;
        const struct delta__txn x = {
            .version = json_integer_value(version),
            .updated_ms = json_is_integer(updated) ? json_integer_value(updated) : -1,
        };
        fn(ctx, app_id, &x);
    }
}

struct txn_wanted {
    const char *app_id;
    int64_t version;
};

static void match_txn(void *ctx, const char *app_id, const struct delta__txn *x)
{
    struct txn_wanted *w = ctx;
    if (strcmp(app_id, w->app_id) == 0)
        w->version = x->version;
}

int64_t delta__commit_txn(const struct delta__commit *k, const char *app_id)
{
    struct txn_wanted w = {app_id, -1};
    delta__commit_txns(k, match_txn, &w);
    return w.version;
}

bool delta__commit_adds(const struct delta__commit *k, const char *path)
{
    size_t i;
    json_t *action;
    json_array_foreach(k->actions, i, action)
    {
        const char *p = json_string_value(json_object_get(json_object_get(action, "add"), "path"));
        if (p && strcmp(p, path) == 0)
            return true;
    }
    return false;
}

/* A number that stands as text in the tags; 0 = not there. */
static uint64_t tag_number(const json_t *tags, const char *name)
{
    const char *text = json_string_value(json_object_get(tags, name));
    return text ? strtoull(text, NULL, 10) : 0;
}

static bool tag_hash(const json_t *tags, uint8_t hash[16])
{
    const char *hex = json_string_value(json_object_get(tags, "sluice.xxh3"));
    if (!hex || strlen(hex) != 32 || strspn(hex, "0123456789abcdef") != 32)
        return false;
    for (unsigned i = 0; i < 16; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        hash[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return true;
}

void delta__commit_entries(const struct delta__commit *k, delta_entry_fn *fn, void *ctx)
{
    size_t i;
    json_t *action;
    json_array_foreach(k->actions, i, action)
    {
        const json_t *add = json_object_get(action, "add");
        const json_t *body = add ? add : json_object_get(action, "remove");
        struct delta_entry f = {.removed = !add};
        f.path = json_string_value(json_object_get(body, "path"));
        if (!f.path)
            continue;
        const json_t *tags = json_object_get(body, "tags");
        f.size = (uint64_t)json_integer_value(json_object_get(body, "size"));
        f.has_tags = tag_hash(tags, f.hash);
        f.first_pos = tag_number(tags, "sluice.firstPosition");
        f.last_pos = tag_number(tags, "sluice.lastPosition");
        f.row_count = tag_number(tags, "sluice.rows");
        fn(ctx, &f);
    }
}

static bool is_known_feature(const char *name)
{
    static const char *const known[] = {"appendOnly",   "invariants",  "inCommitTimestamp",
                                        "timestampNtz", "variantType", DELTA_WIDENING_FEATURE};
    for (size_t i = 0; name && i < ARRAY_LEN(known); i++)
        if (strcmp(name, known[i]) == 0)
            return true;
    return false;
}

static int check_features(const json_t *list, const char *which, struct err *e)
{
    size_t i;
    json_t *name;
    json_array_foreach(list, i, name)
    {
        if (!is_known_feature(json_string_value(name)))
            return err_set(e, ERR_UNSUPPORTED, "the table asks for the %s feature '%s'", which,
                           json_is_string(name) ? json_string_value(name) : "?");
    }
    return 0;
}

int delta__commit_protocol_check(const struct delta__commit *k, struct err *e)
{
    const json_t *protocol = delta__commit_find(k, "protocol");
    if (!protocol)
        return err_set(e, ERR_DAMAGED, "version 0 has no protocol");
    json_int_t reader = json_integer_value(json_object_get(protocol, "minReaderVersion"));
    json_int_t writer = json_integer_value(json_object_get(protocol, "minWriterVersion"));
    if ((reader != 1 && reader != 3) || writer != 7)
        return err_set(e, ERR_UNSUPPORTED,
                       "the table asks for reader %lld, writer %lld; known are 1 or 3, and 7",
                       (long long)reader, (long long)writer);
    TRY(check_features(json_object_get(protocol, "readerFeatures"), "reader", e));
    return check_features(json_object_get(protocol, "writerFeatures"), "writer", e);
}

int64_t delta__hint_read(struct objstore *o, const char *location)
{
    _cleanup_(mem_freep) char *name = mem_printf("%s/_delta_log/_last_checkpoint", location);
    _cleanup_(buf_deinit) struct buf text = BUF_NULL;
    if (objstore_get(o, name, DELTA_HINT_BYTES_MAX, &text, NULL) < 0)
        return -1;
    json_t *hint = json_loadb((const char *)text.data, text.len, 0, NULL);
    const json_t *version = json_object_get(hint, "version");
    int64_t v = json_is_integer(version) ? json_integer_value(version) : -1;
    json_decref(hint);
    return v;
}

void delta__action_line(const char *kind, const json_t *body, struct buf *out)
{
    size_t len = json_dumpb(body, NULL, 0, JSON_COMPACT);
    must(len > 0);
    buf_printf(out, "{\"%s\":", kind);
    must(json_dumpb(body, (char *)buf_reserve(out, len), len, JSON_COMPACT) == len);
    out->len += len;
    buf_add(out, "}\n", 2);
}
