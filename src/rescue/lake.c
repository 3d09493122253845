/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the lake has of a table: every version that we committed, from the first to the newest; the
 * record of each for the store, and the rows that stand below the log's beginning.
 *
 * All versions count, also those whose files another writer has since replaced (an optimisation):
 * the key tables are what the log carried, and that is what was added. A file that is gone or
 * differs from its commit ends the rebuild with its name (R3): its rows are nowhere else.
 */
#include "rescue/rescue.h"
#include "rescue_priv.h"

#include "base/mem.h"
#include "base/must.h"
#include "delta/delta.h"
#include "objstore/objstore.h"
#include "parquet/read.h"
#include "serve/serve.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX (2048ull << 20)
#define BATCH_BYTES    (1u << 20)

/* A table while its versions are read. */
struct versions {
    struct rebuild *b;
    const struct catalog_table *t;  /* the newest version of it */
    const struct catalog_table *at; /* with the columns of the file at hand */
    char app_id[DELTA_NAME_MAX];
    char paths[8][CATALOG_FILE_NAME_MAX]; /* files that the version at hand adds */
    struct delta_entry files[8];
    size_t file_count;
    bool too_many;
    bool has_untagged; /* it adds a file without tags of ours */
    bool has_named;    /* it adds one with a name of ours */
    bronze_pos last;   /* of the last file before it */
};

static void take_file(void *ctx, const struct delta_entry *f)
{
    struct versions *v = ctx;
    if (f->removed)
        return;
    v->has_untagged |= !f->has_tags;
    v->has_named |= delta_data_name_pos(f->path) > 0;
    if (!f->has_tags)
        return;
    if (v->file_count == ARRAY_LEN(v->files) || strlen(f->path) >= CATALOG_FILE_NAME_MAX) {
        v->too_many = true;
        return;
    }
    size_t i = v->file_count++;
    v->files[i] = *f;
    memcpy(v->paths[i], f->path, strlen(f->path) + 1);
    v->files[i].path = v->paths[i];
}

/* ---- one data file ---- */

static int read_file(struct versions *v, const struct delta_entry *f, struct err *e)
{
    struct rebuild *b = v->b;
    _cleanup_(mem_freep) char *name = mem_printf("%s/%s", v->t->location, f->path);
    uint8_t hash[16];
    buf_reset(&b->file);
    int r = objstore_get(b->lake, name, FILE_BYTES_MAX, &b->file, e);
    if (r == ERR_NOT_FOUND)
        return err_set(e, ERR_NOT_FOUND,
                       "%s/%s is gone: its rows, positions %" PRIu64 " to %" PRIu64
                       ", are not in the log any more",
                       objstore_root(b->lake), name, f->first_pos, f->last_pos);
    TRY(r);
    delta_hash(buf_slice(&b->file), hash);
    if (b->file.len != f->size || memcmp(hash, f->hash, sizeof(hash)) != 0)
        return err_set(e, ERR_DAMAGED,
                       "%s/%s is damaged: its size or hash is not that of its commit; its rows, "
                       "positions %" PRIu64 " to %" PRIu64 ", are not in the log any more",
                       objstore_root(b->lake), name, f->first_pos, f->last_pos);
    return 0;
}

/* Rows of the table that the log has from its beginning up to @last. */
static int rows_in_log(struct versions *v, bronze_pos last, uint64_t *ret_rows, struct err *e)
{
    struct bronze_reader *r;
    struct bronze_block b;
    struct bronze_frame f;
    *ret_rows = 0;
    TRY(bronze_reader_open(v->b->log, "rebuild", v->b->r->log_from, &r, e));
    int rc;
    while ((rc = bronze_reader_next(r, &b, e)) == 0 && b.first_pos <= last) {
        for (size_t at = 0; bronze_block_frame(&b, &at, &f);)
            if (f.kind != BRONZE_CONTROL && f.table_id == v->t->id && f.first_pos <= last)
                *ret_rows += MIN((uint64_t)f.row_count, last + 1 - f.first_pos);
    }
    bronze_reader_close(r);
    return rc < 0 ? rc : 0;
}

/* How many of the file's rows stand below the log's beginning: the first ones. */
static int rows_below(struct versions *v, const struct delta_entry *f, uint64_t *ret_rows,
                      struct err *e)
{
    uint64_t above = 0;
    if (f->last_pos >= v->b->r->log_from)
        TRY(rows_in_log(v, f->last_pos, &above, e));
    if (above > f->row_count)
        return err_set(e, ERR_DAMAGED, "the log has more rows of its positions than it has");
    *ret_rows = f->row_count - above;
    return 0;
}

/* Numbers of rows in a file. */
struct range {
    uint64_t first; /* of the batch at hand */
    uint64_t below; /* rows before this one stand below the log's beginning */
};

/* Rows below the log's beginning (R1). */
static int put_rows(struct versions *v, const struct delta_entry *f, const struct row_batch *batch,
                    struct range rows, struct err *e)
{
    struct rebuild *b = v->b;
    const struct row_schema *schema = v->at->schema;
    for (uint32_t i = 0; i < batch->row_count; i++) {
        bronze_pos pos = f->first_pos + rows.first + i;
        if (rows.first + i >= rows.below)
            return 0; /* this row and those behind it are in the log */
        arena_reset(&b->arena);
        for (uint32_t c = 0; c < schema->column_count; c++)
            b->values[c] = row_batch_value(batch, c, i, &b->arena);
        b->r->rows_lake++;
        struct serve_row row_at = {schema, v->t->id, v->at->own_id, pos, b->values};
        if (!serve_put_row(&row_at, b->key, b->batch))
            b->r->rows_unkeyed++;
        TRY(rescue__write_batch(b, BATCH_BYTES, e));
    }
    return 0;
}

static int rows_of_version(struct versions *v, const struct delta_entry *f, struct err *e)
{
    struct rebuild *b = v->b;
    _cleanup_(parquet_reader_freep) struct parquet_reader *reader = NULL;
    _cleanup_(row_batch_freep) struct row_batch *batch = row_batch_new(v->at->schema);
    TRY(read_file(v, f, e));
    int r = parquet_reader_new(v->at->schema, buf_slice(&b->file), &reader, e);
    if (r == 0 && (parquet_reader_row_count(reader) != f->row_count ||
                   f->row_count > f->last_pos + 1 - f->first_pos))
        r = err_set(e, ERR_DAMAGED, "it does not hold the %" PRIu64 " rows of its commit",
                    f->row_count);
    uint64_t row = 0, below = 0;
    if (r == 0)
        r = rows_below(v, f, &below, e);
    for (uint32_t g = 0; r == 0 && g < parquet_reader_group_count(reader); g++) {
        r = parquet_reader_batch(reader, g, batch, e);
        if (r == 0)
            r = put_rows(v, f, batch, (struct range){row, below}, e);
        row += batch->row_count;
    }
    if (r < 0)
        return err_wrap(e, "%s/%s", v->t->location, f->path);
    b->r->files++;
    return 0;
}

/* A file has the columns that its rows belong to (rule L8). */
static int rows_of_file(struct versions *v, const struct delta_entry *f, struct err *e)
{
    struct catalog_table *at = catalog_table_at(v->b->catalog, v->t->id, f->first_pos);
    must(at != NULL); /* its table is in force */
    v->at = at;
    int r = rows_of_version(v, f, e);
    v->at = NULL;
    catalog_table_unref(at);
    return r;
}

/* ---- one version ---- */

static int keep_record(struct versions *v, const struct delta_version *d, struct err *e)
{
    struct delta_seal file = {.size = 0}, hint = {.size = 0};
    struct catalog_lake_commit k = {
        .table_id = v->t->id,
        .delta_version = d->version,
        .position = d->txn > 0 ? (bronze_pos)d->txn : 0,
        .commit_size = d->commit.size,
        .data_file = "",
    };
    memcpy(k.commit_hash, d->commit.hash, sizeof(k.commit_hash));
    if (v->file_count > 0) {
        const struct delta_entry *f = &v->files[0];
        k.data_file = f->path;
        k.data_size = f->size;
        k.row_count = f->row_count;
        k.first_pos = f->first_pos;
        k.last_pos = f->last_pos;
        memcpy(k.data_hash, f->hash, sizeof(k.data_hash));
    }
    TRY(delta_checkpoint_seals(v->b->lake, v->t->location, d->version, &file, &hint, e));
    k.checkpoint_size = file.size;
    k.hint_size = hint.size;
    memcpy(k.checkpoint_hash, file.hash, sizeof(file.hash));
    memcpy(k.hint_hash, hint.hash, sizeof(hint.hash));
    catalog_persist_lake(&k, v->b->batch);
    return 0;
}

/* What is wrong with a version that is, or pretends to be, ours; NULL = nothing. */
static const char *fault_of(const struct versions *v, const struct delta_version *d)
{
    bool has_txn = d->txn >= 0;
    if ((d->ours || has_txn) && v->has_untagged)
        return "a file that it adds has no tags of ours";
    if (v->has_named && d->ours != has_txn)
        return "it adds a file of ours, and names no writer or no position of ours";
    if (!d->ours || !has_txn)
        return NULL;
    bronze_pos last = v->last;
    for (size_t i = 0; i < v->file_count; i++) {
        const struct delta_entry *f = &v->files[i];
        if (delta_data_name_pos(f->path) != f->first_pos)
            return "a file's name and its first position differ";
        if (f->first_pos <= last || f->last_pos < f->first_pos)
            return "a file's positions do not follow those before it";
        if (f->last_pos > (uint64_t)d->txn)
            return "a file's positions go beyond those of the commit";
        last = f->last_pos;
    }
    return NULL;
}

static int one_version(struct versions *v, int64_t version, struct err *e)
{
    struct delta_version d = {.version = version, .app_id = v->app_id};
    v->file_count = 0;
    v->too_many = v->has_untagged = v->has_named = false;
    TRY(delta_version_read(v->b->lake, v->t->location, &d, take_file, v, e));
    const char *fault = fault_of(v, &d);
    if (fault != NULL)
        return err_set(e, ERR_DAMAGED, "%s/_delta_log/%020lld.json is damaged: %s", v->t->location,
                       (long long)version, fault);
    if (!d.ours || (version > 0 && d.txn < 0))
        return 0; /* another writer's */
    if (v->too_many)
        return err_set(e, ERR_UNSUPPORTED, "%s version %lld adds more files than a commit of ours",
                       v->t->location, (long long)version);
    TRY(keep_record(v, &d, e));
    if (v->file_count > 0)
        v->last = v->files[v->file_count - 1].last_pos;
    for (size_t i = 0; i < v->file_count; i++)
        if (v->t->schema->key_count > 0 && v->files[i].first_pos < v->b->r->log_from)
            TRY(rows_of_file(v, &v->files[i], e));
    return rescue__write_batch(v->b, BATCH_BYTES, e);
}

/* ---- a table ---- */

static int open_table(struct versions *v, struct delta_table **ret_delta, struct err *e)
{
    const struct catalog_table *t = v->t;
    int r = delta_open(v->b->sys, v->b->lake, t->location, ret_delta, e);
    if (r == ERR_NOT_FOUND && catalog_lake_version(v->b->catalog, t->id) < 0)
        return 0; /* nothing was ever committed: it is made when it is needed */
    TRY(r);
    if (strcmp(delta_id(*ret_delta), t->delta_id) != 0)
        return err_set(e, ERR_EXISTS, "another Delta table (id %s) is in %s", delta_id(*ret_delta),
                       t->location);
    return 0;
}

static void make_app_id(struct versions *v)
{
    struct uuid log = bronze_uuid(v->b->log);
    delta_app_id(&log, bronze_timeline(v->b->log), v->t->id, v->app_id);
}

void rescue__make_values(struct rebuild *b, uint32_t count)
{
    if (b->value_cap >= count)
        return;
    b->values = mem_realloc(b->values, count * sizeof(*b->values));
    b->value_cap = count;
}

int rescue__table(struct rebuild *b, const struct catalog_table *t, uint64_t *ret_txn,
                  struct err *e)
{
    struct versions v = {.b = b, .t = t};
    struct delta_table *delta = NULL;
    int64_t txn = -1;
    *ret_txn = 0;
    make_app_id(&v);
    rescue__make_values(b, t->schema->column_count);
    int r = open_table(&v, &delta, e);
    if (r == 0 && delta != NULL)
        r = delta_txn(delta, v.app_id, &txn, e);
    int64_t newest = r == 0 && delta != NULL ? delta_version(delta) : -1;
    for (int64_t version = 0; r == 0 && version <= newest; version++) {
        r = one_version(&v, version, e);
        if (r == 0 && b->r->progress != NULL)
            b->r->progress(b->r->ctx, t->name, (uint64_t)version + 1, (uint64_t)newest + 1);
    }
    delta_close(delta);
    if (r == 0 && txn > 0)
        *ret_txn = (uint64_t)txn;
    return r;
}

void rescue__rebuild_deinit(struct rebuild *b)
{
    buf_deinit(&b->file);
    buf_deinit(&b->key[0]);
    buf_deinit(&b->key[1]);
    mem_free(b->values);
    arena_deinit(&b->arena);
    b->values = NULL;
}
