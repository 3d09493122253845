/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lake against the model (I3). Each commit of a table moves its txn from P to T and adds just
 * the rows of the table in positions (P, T], in their order, none twice, none left out; no request
 * is cut by T. Each file has the size and hash that its add states, and its rows decode to the
 * bytes that were sent. What was seen after a power loss never changes and never goes.
 *
 * The Parquet files are read by the tests' own reader, which shares no code with the writer.
 */
#include "sim.h"

#include "base/mem.h"
#include "base/must.h"
#include "delta/delta.h"
#include "objstore/objstore.h"
#include "unit/parquet/reader.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OBJECT_BYTES_MAX (64u << 20)

/* A file's rows: the model's numbers. */
struct rows {
    uint32_t *list;
    size_t count;
    size_t columns; /* of the file */
};

/* Row @at of the file, whose columns are @c: which one is it? */
static bool take_row(struct world *w, struct rows *rows, const struct chunk c[4], size_t at)
{
    struct row_value v[4] = {{.bytes = c[0].values[at]}, {.i64 = 0}, {.i64 = 0}, {0}};
    memcpy(&v[1].i64, c[1].values[at].data, 8);
    memcpy(&v[2].i64, c[2].values[at].data, 8);
    v[3].bytes = c[3].values[at];
    return sim_row_matches(w, v, &rows->list[rows->count++]);
}

static bool read_group(struct world *w, struct slice file, const struct node *columns,
                       struct rows *rows)
{
    struct chunk *c = mem_calloc(4, sizeof(*c));
    static const uint32_t widths[4] = {0, 8, 8, 0};
    bool good = true;
    for (int i = 0; i < 4; i++)
        chunk_read(file, node_at(columns, i, 3, -1), widths[i], i < 2 ? REQUIRED : OPTIONAL, &c[i]);
    size_t count = c[0].value_count;
    for (int i = 1; i < 4; i++)
        good &= c[i].value_count == count; /* no row has a null here */
    rows->list = mem_realloc(rows->list, (rows->count + count + 1) * sizeof(*rows->list));
    for (size_t at = 0; good && at < count; at++)
        good = take_row(w, rows, c, at);
    for (int i = 0; i < 4; i++)
        chunk_free(&c[i]);
    mem_free(c);
    return good;
}

static bool read_file(struct world *w, struct slice file, struct rows *rows)
{
    struct node footer;
    file_parse(file, &footer);
    const struct node *groups = node_at(&footer, 4, -1);
    bool good = true;
    rows->columns = groups->kid_count > 0 ? node_at(&groups->kids[0], 1, -1)->kid_count : 0;
    for (size_t i = 0; good && i < groups->kid_count; i++)
        good = read_group(w, file, node_at(&groups->kids[i], 1, -1), rows);
    node_free(&footer);
    return good;
}

/* ---- one add ---- */

struct commit {
    struct sim_table *t;
    const char *location;
    int64_t version;
    bronze_pos from, to; /* txn before, txn now */
    bool foreign;        /* it has no txn of ours */
};

static uint64_t tag(const json_t *add, const char *name)
{
    const char *text = json_string_value(json_object_get(json_object_get(add, "tags"), name));
    return text != NULL ? strtoull(text, NULL, 10) : 0;
}

static bool is_hash(const json_t *add, struct slice data)
{
    uint8_t hash[16];
    char hex[33];
    delta_hash(data, hash);
    for (unsigned i = 0; i < 16; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    const char *text =
        json_string_value(json_object_get(json_object_get(add, "tags"), "sluice.xxh3"));
    return text != NULL && strcmp(text, hex) == 0;
}

/* The rows must be just the next ones of the table. */
static void match_rows(struct world *w, const struct commit *k, const struct rows *rows)
{
    struct sim_table *t = k->t;
    for (size_t i = 0; i < rows->count; i++) {
        struct sim_row *r = &w->m.rows[rows->list[i]];
        const struct sim_place *next = t->lake_rows < t->row_count ? &t->rows[t->lake_rows] : NULL;
        if (r->file != 0) {
            sim_violation(w, "I3",
                          "row %u (position %" PRIu64 ") is in the lake twice: %s, version %lld",
                          rows->list[i], r->pos, t->name, (long long)k->version);
            t->lake_bad = true;
            return;
        }
        if (next == NULL || next->row != rows->list[i]) {
            sim_violation(w, "I3",
                          "%s, version %lld: row %u (position %" PRIu64
                          ") where row %d (position %" PRIu64 ") was to come",
                          t->name, (long long)k->version, rows->list[i], r->pos,
                          next ? (int)next->row : -1, next ? next->pos : 0);
            t->lake_bad = true;
            return;
        }
        r->file = w->m.file_count;
        t->lake_rows++;
        w->r.lake_rows++;
    }
}

/* Rule L8: all rows of a file belong to one set of columns, and the file has those. */
static void check_columns(struct world *w, const struct commit *k, const json_t *add,
                          size_t columns)
{
    const char *const ends[] = {"sluice.firstPosition", "sluice.lastPosition"};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        struct catalog_table *at = catalog_table_at(w->catalog, k->t->id, tag(add, ends[i]));
        if (at != NULL && at->schema->column_count != columns)
            sim_violation(w, "I3",
                          "%s, version %lld: a file has %zu columns, and rows of a version with %u",
                          k->t->name, (long long)k->version, columns, at->schema->column_count);
        catalog_table_unref(at);
    }
}

static void check_add(struct world *w, struct objstore *lake, const struct commit *k,
                      const json_t *add)
{
    const char *path = json_string_value(json_object_get(add, "path"));
    _cleanup_(mem_freep) char *name = mem_printf("%s/%s", k->location, path ? path : "?");
    _cleanup_(buf_deinit) struct buf file = BUF_NULL;
    struct err e = {0};
    struct rows rows = {NULL, 0, 0};
    if (objstore_get(lake, name, OBJECT_BYTES_MAX, &file, &e) < 0) {
        sim_violation(w, "I3", "version %lld names a file that does not read: %s",
                      (long long)k->version, e.text);
        k->t->lake_bad = true;
        return;
    }
    if ((json_int_t)file.len != json_integer_value(json_object_get(add, "size")) ||
        !is_hash(add, buf_slice(&file))) {
        sim_violation(w, "I3", "%s has not the size and hash that version %lld states", name,
                      (long long)k->version);
        k->t->lake_bad = true;
        return;
    }
    w->m.file_count++;
    if (!read_file(w, buf_slice(&file), &rows))
        sim_violation(w, "I7", "%s holds a row that was not sent so", name);
    uint32_t begin = k->t->lake_rows;
    match_rows(w, k, &rows);
    const struct sim_place *all = k->t->rows;
    if (!k->t->lake_bad && rows.count > 0 &&
        (tag(add, "sluice.firstPosition") != all[begin].pos ||
         tag(add, "sluice.lastPosition") != all[k->t->lake_rows - 1].pos ||
         tag(add, "sluice.rows") != rows.count))
        sim_violation(w, "I3", "the tags of %s are not true", name);
    check_columns(w, k, add, rows.columns);
    mem_free(rows.list);
}

/* ---- one commit ---- */

static bronze_pos txn_of(const struct sim_table *t, const json_t *action)
{
    const json_t *txn = json_object_get(action, "txn");
    const char *app = json_string_value(json_object_get(txn, "appId"));
    char end[16];
    (void)snprintf(end, sizeof(end), "/%u", t->id);
    if (app == NULL || strlen(app) < strlen(end) ||
        strcmp(app + strlen(app) - strlen(end), end) != 0)
        return 0;
    return (bronze_pos)json_integer_value(json_object_get(txn, "version"));
}

static json_t *parse_lines(struct buf *text)
{
    json_t *actions = json_array();
    char *p = (char *)(uintptr_t)buf_cstr(text);
    for (char *line = strtok(p, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        json_t *action = json_loads(line, 0, NULL);
        if (action == NULL) {
            json_decref(actions);
            return NULL;
        }
        (void)json_array_append_new(actions, action);
    }
    return actions;
}

static void check_txn(struct world *w, const struct commit *k)
{
    const struct sim_table *t = k->t;
    if (k->foreign)
        return; /* another writer's, who won a race: it says nothing of ours */
    if (k->to <= k->from)
        sim_violation(w, "I3", "%s, version %lld: txn goes from %" PRIu64 " to %" PRIu64, t->name,
                      (long long)k->version, k->from, k->to);
    if (k->to >= w->m.seen_end)
        sim_violation(w, "I3", "%s: the lake is at position %" PRIu64 ", the log ends at %" PRIu64,
                      t->name, k->to, w->m.seen_end - 1);
    if (t->lake_bad)
        return;
    uint32_t n = t->lake_rows;
    if (n < t->row_count && t->rows[n].pos <= k->to)
        sim_violation(w, "I3",
                      "%s, version %lld: row %u at position %" PRIu64 " is below txn %" PRIu64
                      " and not in the lake",
                      t->name, (long long)k->version, t->rows[n].row, t->rows[n].pos, k->to);
    if (n > 0 && n < t->row_count) {
        const struct sim_row *last = &w->m.rows[t->rows[n - 1].row];
        if (last->request == w->m.rows[t->rows[n].row].request)
            sim_violation(w, "I3", "%s, version %lld cuts a request of stream %u in two", t->name,
                          (long long)k->version, w->m.requests[last->request].stream);
    }
}

static void check_commit(struct world *w, struct objstore *lake, struct commit *k, struct buf *text)
{
    json_t *actions = parse_lines(text), *action;
    size_t i;
    if (actions == NULL) {
        sim_violation(w, "I7", "%s: version %lld does not read", k->t->name, (long long)k->version);
        k->t->lake_bad = true;
        return;
    }
    json_array_foreach(actions, i, action)
    {
        bronze_pos txn = txn_of(k->t, action);
        k->to = txn != 0 ? txn : k->to;
        k->foreign &= txn == 0;
    }
    json_array_foreach(actions, i, action)
    {
        const json_t *add = json_object_get(action, "add");
        if (add != NULL && k->foreign)
            sim_violation(w, "I3", "%s: version %lld adds a file without a txn", k->t->name,
                          (long long)k->version);
        if (add != NULL && !k->t->lake_bad)
            check_add(w, lake, k, add);
    }
    if (k->version > 0)
        check_txn(w, k);
    k->t->txn = k->to;
    json_decref(actions);
}

/* ---- one table ---- */

static uint64_t short_hash(const struct buf *text)
{
    uint8_t hash[16];
    uint64_t h;
    delta_hash(buf_slice(text), hash);
    memcpy(&h, hash, sizeof(h));
    return h;
}

static void note_version(struct sim_table *t, uint64_t hash)
{
    t->versions = mem_realloc(t->versions, (t->version_count + 1) * sizeof(*t->versions));
    t->versions[t->version_count++] = (struct sim_version){hash};
}

static int get_version(struct objstore *lake, const char *location, int64_t version,
                       struct buf *text)
{
    _cleanup_(mem_freep) char *name =
        mem_printf("%s/_delta_log/%020lld.json", location, (long long)version);
    return objstore_get(lake, name, OBJECT_BYTES_MAX, text, NULL);
}

/* Where the table stands: in its place, or moved aside. NULL: nowhere. Given. */
static char *find_table(struct objstore *lake, const struct sim_table *t)
{
    _cleanup_(buf_deinit) struct buf text = BUF_NULL;
    char *location = catalog_location(t->name);
    if (get_version(lake, location, 0, &text) == 0 && strstr(buf_cstr(&text), t->delta_id) != NULL)
        return location;
    char *aside = mem_printf("dropped/%s-%s", location, t->delta_id);
    mem_free(location);
    buf_reset(&text);
    if (get_version(lake, aside, 0, &text) == 0)
        return aside;
    mem_free(aside);
    return NULL;
}

static void check_table(struct world *w, struct objstore *lake, struct sim_table *t)
{
    _cleanup_(mem_freep) char *location = find_table(lake, t);
    int64_t v = 0;
    for (; location != NULL && !t->lake_bad; v++) {
        _cleanup_(buf_deinit) struct buf text = BUF_NULL;
        if (get_version(lake, location, v, &text) < 0)
            break;
        uint64_t hash = short_hash(&text);
        if (v < t->version_count) {
            if (t->versions[v].hash != hash)
                sim_violation(w, "I3", "%s: version %lld has changed", t->name, (long long)v);
            continue;
        }
        struct commit k = {t, location, v, t->txn, t->txn, true};
        check_commit(w, lake, &k, &text);
        note_version(t, hash);
        w->r.commits++;
    }
    if (v < t->version_count && !t->lake_bad)
        sim_violation(w, "I3", "%s: version %lld was in the lake and is gone", t->name,
                      (long long)v);
}

void sim_check_lake(struct world *w)
{
    struct objstore *lake;
    struct err e = {0};
    sim_faults_pause(w, true);
    if (objstore_open_folder(w->sys, SIM_LAKE, &lake, &e) < 0)
        must_die("sim: %s", e.text);
    for (uint32_t i = 0; i < w->m.table_count; i++)
        if (w->m.tables[i].created == FATE_YES && w->m.tables[i].id != 0)
            check_table(w, lake, &w->m.tables[i]);
    lake = objstore_close(lake);
    sim_faults_pause(w, false);
}

/* After a good end: what is durable is in the lake, each row once. */
void sim_check_complete(struct world *w)
{
    for (uint32_t i = 0; i < w->m.table_count; i++) {
        const struct sim_table *t = &w->m.tables[i];
        if (t->created == FATE_YES && !t->lake_bad && t->lake_rows != t->row_count)
            sim_violation(w, "I3", "%s: %u of %u rows are in the lake at the end", t->name,
                          t->lake_rows, t->row_count);
    }
}
