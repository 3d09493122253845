/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a checkpoint: one Parquet file that says what all commits up to a version say together.
 * Classic V1, single file, in the shape that Spark writes.
 *
 * The log is read backwards, newest commit first, and what is met first wins: a file path, an app
 * id, the protocol, the metaData. So rows go to the writer at once, and only names are kept in
 * memory. A missing commit is ERR_DAMAGED: a checkpoint never hides a hole. Tombstones older than
 * the retention are left out.
 */
#include "delta/delta.h"

#include "base/mem.h"
#include "base/must.h"
#include "objstore/objstore.h"
#include "parquet/nested.h"

#include "delta_priv.h"

#include <jansson.h>
#include <string.h>

#define LEAF(name_, type_)                                                                         \
    {                                                                                              \
        .name = (name_), .kind = PARQUET_LEAF, .type = (type_)                                     \
    }
#define TEXT_MAP(name_)                                                                            \
    {                                                                                              \
        .name = (name_), .kind = PARQUET_MAP, .type = ROW_STRING                                   \
    }
#define TEXT_LIST(name_)                                                                           \
    {                                                                                              \
        .name = (name_), .kind = PARQUET_LIST, .type = ROW_STRING                                  \
    }
#define STRUCT(name_, fields_)                                                                     \
    {                                                                                              \
        .name = (name_), .kind = PARQUET_STRUCT, .fields = (fields_),                              \
        .field_count = ARRAY_LEN(fields_)                                                          \
    }

static const struct parquet_field txn_fields[] = {
    LEAF("appId", ROW_STRING),
    LEAF("version", ROW_LONG),
    LEAF("lastUpdated", ROW_LONG),
};
/* Tables with deletion vectors are refused; readers expect the columns all the same. */
static const struct parquet_field vector_fields[] = {
    LEAF("storageType", ROW_STRING), LEAF("pathOrInlineDv", ROW_STRING), LEAF("offset", ROW_INT),
    LEAF("sizeInBytes", ROW_INT),    LEAF("cardinality", ROW_LONG),
};
static const struct parquet_field add_fields[] = {
    LEAF("path", ROW_STRING),
    TEXT_MAP("partitionValues"),
    LEAF("size", ROW_LONG),
    LEAF("modificationTime", ROW_LONG),
    LEAF("dataChange", ROW_BOOLEAN),
    LEAF("stats", ROW_STRING),
    TEXT_MAP("tags"),
    STRUCT("deletionVector", vector_fields),
};
static const struct parquet_field remove_fields[] = {
    LEAF("path", ROW_STRING),
    LEAF("deletionTimestamp", ROW_LONG),
    LEAF("dataChange", ROW_BOOLEAN),
    LEAF("extendedFileMetadata", ROW_BOOLEAN),
    TEXT_MAP("partitionValues"),
    LEAF("size", ROW_LONG),
    STRUCT("deletionVector", vector_fields),
};
static const struct parquet_field format_fields[] = {
    LEAF("provider", ROW_STRING),
    TEXT_MAP("options"),
};
static const struct parquet_field meta_fields[] = {
    LEAF("id", ROW_STRING),           LEAF("name", ROW_STRING),
    LEAF("description", ROW_STRING),  STRUCT("format", format_fields),
    LEAF("schemaString", ROW_STRING), TEXT_LIST("partitionColumns"),
    TEXT_MAP("configuration"),        LEAF("createdTime", ROW_LONG),
};
static const struct parquet_field protocol_fields[] = {
    LEAF("minReaderVersion", ROW_INT),
    LEAF("minWriterVersion", ROW_INT),
    TEXT_LIST("readerFeatures"),
    TEXT_LIST("writerFeatures"),
};

enum root { ROOT_TXN, ROOT_ADD, ROOT_REMOVE, ROOT_META, ROOT_PROTOCOL, ROOT_COUNT };
static const struct parquet_field root_fields[ROOT_COUNT] = {
    [ROOT_TXN] = STRUCT("txn", txn_fields),
    [ROOT_ADD] = STRUCT("add", add_fields),
    [ROOT_REMOVE] = STRUCT("remove", remove_fields),
    [ROOT_META] = STRUCT("metaData", meta_fields),
    [ROOT_PROTOCOL] = STRUCT("protocol", protocol_fields),
};
static const char *const root_names[ROOT_COUNT] = {"txn", "add", "remove", "metaData", "protocol"};

struct checkpoint {
    struct delta_table *table;
    int64_t now_ms;
    struct buf file;
    struct parquet_nested *writer;
    struct buf state; /* the same rows as lines of JSON, for the next checkpoint */
    struct map seen;  /* "a" app id, "f" file path, "p" protocol, "m" metaData → a token */
    uint64_t files;
};

/* ---- one action → one row ---- */

#define SCRATCH_MAX 8
/* Arrays of the row under construction. */
struct scratch {
    void *blocks[SCRATCH_MAX];
    unsigned count;
};

static void *scratch_array(struct scratch *s, size_t count, size_t size)
{
    must(s->count < SCRATCH_MAX);
    return s->blocks[s->count++] = mem_calloc(count + 1, size);
}

static void scratch_deinit(struct scratch *s)
{
    while (s->count > 0)
        mem_free(s->blocks[--s->count]);
}

static struct slice text_of(const json_t *v)
{
    return slice_of(json_string_value(v), json_string_length(v));
}

static struct parquet_value map_value(const json_t *object, struct scratch *s)
{
    const char *key;
    json_t *v;
    size_t n = 0;
    struct parquet_pair *pairs = scratch_array(s, json_object_size(object), sizeof(*pairs));
    json_object_foreach((json_t *)(uintptr_t)object, key, v)
    {
        pairs[n].key = slice_str(key);
        if (json_is_string(v))
            pairs[n].value = parquet_cell_text(text_of(v));
        n++;
    }
    return parquet_value_map(pairs, n);
}

static struct parquet_value list_value(const json_t *array, struct scratch *s)
{
    size_t i;
    json_t *v;
    struct parquet_cell *cells = scratch_array(s, json_array_size(array), sizeof(*cells));
    json_array_foreach(array, i, v)
    {
        if (json_is_string(v))
            cells[i] = parquet_cell_text(text_of(v));
    }
    return parquet_value_list(cells, json_array_size(array));
}

static struct parquet_value value_of(const struct parquet_field *f, const json_t *v,
                                     struct scratch *s);

static struct parquet_value struct_value(const struct parquet_field *f, const json_t *object,
                                         struct scratch *s)
{
    struct parquet_value *values = scratch_array(s, f->field_count, sizeof(*values));
    for (size_t i = 0; i < f->field_count; i++)
        values[i] = value_of(&f->fields[i], json_object_get(object, f->fields[i].name), s);
    return parquet_value_struct(values);
}

/* The JSON value in the field's shape; null when it is missing or of another type. */
static struct parquet_value value_of(const struct parquet_field *f, const json_t *v,
                                     struct scratch *s)
{
    struct parquet_value null = {0};
    switch (f->kind) {
    case PARQUET_STRUCT: return json_is_object(v) ? struct_value(f, v, s) : null;
    case PARQUET_MAP: return json_is_object(v) ? map_value(v, s) : null;
    case PARQUET_LIST: return json_is_array(v) ? list_value(v, s) : null;
    case PARQUET_LEAF: break;
    }
    if (f->type == ROW_STRING)
        return json_is_string(v) ? parquet_value_text(text_of(v)) : null;
    if (f->type == ROW_BOOLEAN)
        return json_is_boolean(v) ? parquet_value_bool(json_is_true(v)) : null;
    return json_is_integer(v) ? parquet_value_int(json_integer_value(v)) : null;
}

static int append(struct checkpoint *x, enum root kind, const json_t *body, struct err *e)
{
    delta__action_line(root_names[kind], body, &x->state);
    _cleanup_(scratch_deinit) struct scratch s = {.count = 0};
    struct parquet_value row[ROOT_COUNT] = {{0}};
    row[kind] = value_of(&root_fields[kind], body, &s);
    return parquet_nested_append(x->writer, row, e);
}

/* ---- which actions are still in force ---- */

/* The first to say something about this name, newest commit first? */
static bool is_first(struct checkpoint *x, char kind, const char *name)
{
    _cleanup_(mem_freep) char *key = mem_printf("%c%s", kind, name);
    if (map_get(&x->seen, slice_str(key)))
        return false;
    (void)map_put(&x->seen, slice_str(key), x); /* any pointer that is not NULL */
    return true;
}

static int take_file(struct checkpoint *x, enum root kind, json_t *body, struct err *e)
{
    const char *path = json_string_value(json_object_get(body, "path"));
    if (!path)
        return err_set(e, ERR_DAMAGED, "%s: a file action without a path", x->table->location);
    if (!is_first(x, 'f', path))
        return 0;
    must(json_object_set_new(body, "dataChange", json_false()) == 0);
    if (kind == ROOT_ADD) {
        x->files++;
        return append(x, kind, body, e);
    }
    const json_t *when = json_object_get(body, "deletionTimestamp");
    if (json_is_integer(when) && json_integer_value(when) < x->now_ms - DELTA_TOMBSTONE_MS)
        return 0;
    return append(x, kind, body, e);
}

static int take_action(struct checkpoint *x, enum root kind, json_t *body, struct err *e)
{
    switch (kind) {
    case ROOT_ADD:
    case ROOT_REMOVE: return take_file(x, kind, body, e);
    case ROOT_TXN: {
        const char *app_id = json_string_value(json_object_get(body, "appId"));
        return app_id && is_first(x, 'a', app_id) ? append(x, kind, body, e) : 0;
    }
    case ROOT_META: return is_first(x, 'm', "") ? append(x, kind, body, e) : 0;
    case ROOT_PROTOCOL: return is_first(x, 'p', "") ? append(x, kind, body, e) : 0;
    case ROOT_COUNT: break;
    }
    return 0;
}

static int take_line(struct checkpoint *x, json_t *action, struct err *e)
{
    for (unsigned kind = 0; kind < ROOT_COUNT; kind++) {
        json_t *body = json_object_get(action, root_names[kind]);
        if (json_is_object(body))
            TRY(take_action(x, (enum root)kind, body, e));
    }
    return 0;
}

static int take_commit(struct checkpoint *x, int64_t version, struct err *e)
{
    _cleanup_(delta__commit_deinit) struct delta__commit k = {0};
    int r = delta__commit_read(x->table->lake, x->table->location, version, &k, e);
    if (r == ERR_NOT_FOUND)
        return err_set(e, ERR_DAMAGED, "%s has a hole: version %lld is missing", x->table->location,
                       (long long)version);
    TRY(r);
    size_t i;
    json_t *action;
    json_array_foreach(k.actions, i, action) TRY(take_line(x, action, e));
    return 0;
}

/* What the state says that no later commit has said already. */
static int take_state(struct checkpoint *x, struct slice lines, struct err *e)
{
    const char *p = (const char *)lines.data, *stop = p + lines.len, *eol;
    for (; p < stop; p = eol + 1) {
        eol = memchr(p, '\n', (size_t)(stop - p));
        json_t *action = eol ? json_loadb(p, (size_t)(eol - p), 0, NULL) : NULL;
        if (!action)
            return err_set(e, ERR_DAMAGED, "%s: the state does not read, though its hash fits",
                           x->table->location);
        int r = take_line(x, action, e);
        json_decref(action);
        TRY(r);
    }
    return 0;
}

/* Newest first: the commits since the last checkpoint, then what that one said; without it all. */
static int take_all(struct checkpoint *x, struct err *e)
{
    const struct delta_table *t = x->table;
    _cleanup_(buf_deinit) struct buf lines = BUF_NULL;
    int64_t below = -1;
    bool has_state = delta__state_read(t->lake, t->location, t->version, &below, &lines);
    for (int64_t v = t->version; v > below; v--)
        TRY(take_commit(x, v, e));
    return has_state ? take_state(x, buf_slice(&lines), e) : 0;
}

static struct delta_seal seal_of(struct slice data)
{
    struct delta_seal seal = {.size = data.len};
    delta_hash(data, seal.hash);
    return seal;
}

static int put_files(struct checkpoint *x, struct delta_commit *c, struct err *e)
{
    struct delta_table *t = x->table;
    _cleanup_(mem_freep) char *name =
        mem_printf("%s/_delta_log/%020lld.checkpoint.parquet", t->location, (long long)t->version);
    _cleanup_(mem_freep) char *hint = mem_printf("%s/_delta_log/_last_checkpoint", t->location);
    _cleanup_(buf_deinit) struct buf text = BUF_NULL;
    TRY(objstore_put(t->lake, name, buf_slice(&x->file), e));
    buf_printf(&text, "{\"version\":%lld,\"size\":%llu,\"sizeInBytes\":%zu,\"numOfAddFiles\":%llu}",
               (long long)t->version, (unsigned long long)parquet_nested_row_count(x->writer),
               x->file.len, (unsigned long long)x->files);
    TRY(objstore_put(t->lake, hint, buf_slice(&text), e));
    c->checkpoint_file = seal_of(buf_slice(&x->file));
    c->hint_file = seal_of(buf_slice(&text));
    return 0;
}

int delta__checkpoint_write(struct delta_table *t, struct delta_commit *c, struct err *e)
{
    struct checkpoint x = {.table = t,
                           .now_ms = c->now_us / 1000,
                           .file = BUF_NULL,
                           .state = BUF_NULL,
                           .seen = MAP_NULL};
    x.writer = parquet_nested_new(root_fields, ROOT_COUNT, NULL, &x.file);
    int r = take_all(&x, e);
    if (r == 0)
        r = parquet_nested_finish(x.writer, e);
    if (r == 0)
        r = put_files(&x, c, e);
    if (r == 0) /* without it the next checkpoint has more to read */
        (void)delta__state_write(t->lake, t->location, t->version, buf_slice(&x.state), NULL);
    parquet_nested_free(x.writer);
    map_deinit(&x.seen);
    buf_deinit(&x.file);
    buf_deinit(&x.state);
    return r;
}
