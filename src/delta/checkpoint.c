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

#include "base/arena.h"
#include "base/mem.h"
#include "base/must.h"
#include "objstore/objstore.h"
#include "parquet/parquet.h"

#include "delta_priv.h"

#include <jansson.h>
#include <string.h>

/* Every column is nullable, as Spark has it. Tables with deletion vectors are refused; readers
 * expect the columns all the same. */
#define VECTOR                                                                                     \
    "deletionVector STRUCT<storageType STRING, pathOrInlineDv STRING, `offset` INT, "              \
    "sizeInBytes INT, cardinality BIGINT>"
#define STRINGS "ARRAY<STRING>"
#define PAIRS   "MAP<STRING, STRING>"
static const char checkpoint_ddl[] =
    "txn STRUCT<appId STRING, version BIGINT, lastUpdated BIGINT>,"
    "`add` STRUCT<path STRING, partitionValues " PAIRS ", size BIGINT, modificationTime BIGINT, "
    "dataChange BOOLEAN, stats STRING, tags " PAIRS ", " VECTOR ">,"
    "remove STRUCT<path STRING, deletionTimestamp BIGINT, dataChange BOOLEAN, "
    "extendedFileMetadata BOOLEAN, partitionValues " PAIRS ", size BIGINT, " VECTOR ">,"
    "metaData STRUCT<id STRING, name STRING, description STRING, "
    "format STRUCT<provider STRING, options " PAIRS ">, schemaString STRING, "
    "partitionColumns " STRINGS ", configuration " PAIRS ", createdTime BIGINT>,"
    "protocol STRUCT<minReaderVersion INT, minWriterVersion INT, readerFeatures " STRINGS
    ", writerFeatures " STRINGS ">";

/* Its columns. */
enum root { ROOT_TXN, ROOT_ADD, ROOT_REMOVE, ROOT_META, ROOT_PROTOCOL, ROOT_COUNT };
static const char *const root_names[ROOT_COUNT] = {"txn", "add", "remove", "metaData", "protocol"};
#define GROUP_ROWS_MAX  (128u << 10)
#define GROUP_BYTES_MAX ((size_t)64 << 20)

struct checkpoint {
    struct delta_table *table;
    int64_t now_ms;
    struct buf file;
    struct row_schema *schema;
    struct row_batch *batch; /* the row group in work */
    struct arena arena;      /* of the row in work */
    struct parquet_writer *writer;
    uint64_t rows;
    struct buf state; /* the same rows as lines of JSON, for the next checkpoint */
    struct map seen;  /* "a" app id, "f" file path, "p" protocol, "m" metaData → a token */
    uint64_t files;
};

/* ---- one action → one row ---- */

static struct row_value text_value(const json_t *v)
{
    if (!json_is_string(v))
        return (struct row_value){.null = true};
    return (struct row_value){.bytes = slice_of(json_string_value(v), json_string_length(v))};
}

/* The maps and lists of actions hold strings. */
static struct row_value map_value(const json_t *object, struct arena *a)
{
    const char *key;
    json_t *v;
    size_t count = json_object_size(object);
    uint32_t n = 0;
    struct row_value *items = arena_alloc(a, 2 * count * sizeof(*items));
    json_object_foreach((json_t *)(uintptr_t)object, key, v)
    {
        items[n++] = (struct row_value){.bytes = slice_str(key)};
        items[n++] = text_value(v);
    }
    return (struct row_value){.items = items, .item_count = n};
}

static struct row_value list_value(const json_t *array, struct arena *a)
{
    size_t i;
    json_t *v;
    size_t count = json_array_size(array);
    struct row_value *items = arena_alloc(a, count * sizeof(*items));
    json_array_foreach(array, i, v)
    {
        items[i] = text_value(v);
    }
    return (struct row_value){.items = items, .item_count = (uint32_t)count};
}

static struct row_value value_of(const struct row_column *c, const json_t *v, struct arena *a);

static struct row_value struct_value(const struct row_column *c, const json_t *object,
                                     struct arena *a)
{
    struct row_value *items = arena_alloc(a, c->field_count * sizeof(*items));
    for (uint32_t i = 0; i < c->field_count; i++)
        items[i] = value_of(&c->fields[i], json_object_get(object, c->fields[i].name), a);
    return (struct row_value){.items = items, .item_count = c->field_count};
}

/* The JSON value as the column's; null when it is missing or of another type. */
static struct row_value value_of(const struct row_column *c, const json_t *v, struct arena *a)
{
    struct row_value null = {.null = true};
    switch (c->type) {
    case ROW_STRUCT: return json_is_object(v) ? struct_value(c, v, a) : null;
    case ROW_MAP: return json_is_object(v) ? map_value(v, a) : null;
    case ROW_ARRAY: return json_is_array(v) ? list_value(v, a) : null;
    case ROW_STRING: return text_value(v);
    case ROW_BOOLEAN:
        return json_is_boolean(v) ? (struct row_value){.boolean = json_is_true(v)} : null;
    default: return json_is_integer(v) ? (struct row_value){.i64 = json_integer_value(v)} : null;
    }
}

static int write_group(struct checkpoint *x, struct err *e)
{
    if (x->batch->row_count == 0)
        return 0;
    TRY(parquet_write_batch(x->writer, x->batch, e));
    row_batch_reset(x->batch);
    return 0;
}

static int append(struct checkpoint *x, enum root kind, const json_t *body, struct err *e)
{
    struct row_value row[ROOT_COUNT];
    for (unsigned i = 0; i < ROOT_COUNT; i++)
        row[i] = (struct row_value){.null = true};
    delta__action_line(root_names[kind], body, &x->state);
    arena_reset(&x->arena);
    row[kind] = value_of(&x->schema->columns[kind], body, &x->arena);
    row_batch_append(x->batch, row);
    x->rows++;
    bool full = x->batch->row_count >= GROUP_ROWS_MAX || x->batch->bytes_used >= GROUP_BYTES_MAX;
    return full ? write_group(x, e) : 0;
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
               (long long)t->version, (unsigned long long)x->rows, x->file.len,
               (unsigned long long)x->files);
    TRY(objstore_put(t->lake, hint, buf_slice(&text), e));
    c->checkpoint_file = seal_of(buf_slice(&x->file));
    c->hint_file = seal_of(buf_slice(&text));
    return 0;
}

static void checkpoint_deinit(struct checkpoint *x)
{
    parquet_writer_free(x->writer);
    row_batch_free(x->batch);
    row_schema_unref(x->schema);
    arena_deinit(&x->arena);
    map_deinit(&x->seen);
    buf_deinit(&x->file);
    buf_deinit(&x->state);
}

int delta__checkpoint_write(struct delta_table *t, struct delta_commit *c, struct err *e)
{
    struct checkpoint x = {.table = t,
                           .now_ms = c->now_us / 1000,
                           .file = BUF_NULL,
                           .state = BUF_NULL,
                           .seen = MAP_NULL};
    int r = row_schema_parse(slice_str(checkpoint_ddl), NULL, 0, &x.schema, e);
    must(r == 0);
    x.batch = row_batch_new(x.schema);
    x.writer = parquet_writer_new(x.schema, NULL, &x.file);
    r = take_all(&x, e);
    if (r == 0)
        r = write_group(&x, e);
    if (r == 0)
        r = parquet_finish(x.writer, e);
    if (r == 0)
        r = put_files(&x, c, e);
    if (r == 0) /* without it the next checkpoint has more to read */
        (void)delta__state_write(t->lake, t->location, t->version, buf_slice(&x.state), NULL);
    checkpoint_deinit(&x);
    return r;
}
