/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows compared with rows. A row is the bytes it has in the table's own message, with the columns
 * of the newest version, whatever message it came in and whatever version it was written under; so
 * a row of the log, of a data file and of the store can be told equal.
 *
 *   the log, in order   ──► for each data file the digest of its positions' rows
 *   each data file      ──► its own digest, over its rows in order: equal, or each is looked at
 *   the store's rows    ──► a sum over key and row; Delta and the log make the same sum
 *
 * R1  Memory does not grow with the number of rows: a data file at a time, and one number for each.
 * R2  A file that the log covers only in part is not compared with it (the rest was trimmed); its
 *     rows are still counted, summed and given to the ledgers.
 */
#include "rows_priv.h"
#include "verify/verify.h"
#include "verify_priv.h"

#include "base/bits.h"
#include "base/crc.h"
#include "base/mem.h"
#include "base/must.h"
#include "codec/codec.h"
#include "parquet/read.h"
#include "row/row.h"
#include "store/keys.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLD 0x9e3779b97f4a7c15ull

uint64_t verify__fold(uint64_t digest, uint32_t crc)
{
    return digest * FOLD + crc + 1;
}

/* ---- a row ---- */

void verify__row_deinit(struct verify_row *r)
{
    mem_free(r->values);
    buf_deinit(&r->bytes);
    buf_deinit(&r->key);
    arena_deinit(&r->arena);
    *r = (struct verify_row){.values = NULL};
}

void verify__row_room(struct verify_row *r, uint32_t columns)
{
    if (r->cap >= columns)
        return;
    r->cap = columns;
    r->values = mem_realloc(r->values, columns * sizeof(*r->values));
}

void verify__row_seal(struct verify_row *r, const struct row_schema *schema)
{
    buf_reset(&r->bytes);
    codec_values_to_row(schema, r->values, &r->bytes);
    r->crc = crc32_ieee(0, r->bytes.data, r->bytes.len);
}

int verify__row_of(struct verify_row *r, const struct codec_plan *plan, struct slice bytes,
                   const struct row_schema *to)
{
    verify__row_room(r, to->column_count);
    arena_reset(&r->arena);
    TRY(codec_decode(plan, bytes, &r->arena, r->values));
    row_values_raise(codec_plan_schema(plan), to, r->values, &r->arena);
    verify__row_seal(r, to);
    return 0;
}

/* What a keyed row adds to the sum; 0 when its key is not kept (too long). */
static uint64_t keyed_hash(struct verify_row *r, const struct row_schema *schema)
{
    uint8_t hash[16];
    buf_reset(&r->key);
    if (row_key_encode(schema, r->values, &r->key, NULL) < 0)
        return 0;
    put_le32(buf_reserve(&r->key, 4), r->crc);
    r->key.len += 4;
    delta_hash(buf_slice(&r->key), hash);
    return get_le64(hash) | 1;
}

static void add_keyed(struct verify_table *t, struct verify_row *r, bool from_store)
{
    uint64_t hash = keyed_hash(r, t->meta->schema);
    if (hash == 0)
        return;
    *(from_store ? &t->store_sum : &t->rows_sum) += hash;
    *(from_store ? &t->store_rows : &t->rows_rows) += 1;
}

/* ---- the log ---- */

/* Up to this position the rows of the table are taken from Delta, above it from the log: but for
 * what the log does not have any more (keyed_rows()). */
static bronze_pos keyed_split(const struct verify *v, const struct verify_table *t)
{
    bronze_pos split = 0;
    for (size_t i = 0; i < t->file_count; i++)
        if (t->files[i].last_pos <= v->applied && !t->files[i].removed)
            split = MAX(split, t->files[i].last_pos);
    return split;
}

static struct verify_file *file_at(struct verify_table *t, bronze_pos pos)
{
    while (t->cursor < t->file_count && t->files[t->cursor].last_pos < pos)
        t->cursor++;
    struct verify_file *f = t->cursor < t->file_count ? &t->files[t->cursor] : NULL;
    return f != NULL && f->first_pos <= pos ? f : NULL;
}

static void row_missing(struct verify_log_pass *p, struct verify_table *t, bronze_pos pos)
{
    if (t->missing++ >= verify__details(p->v)) {
        p->v->report->faults++; /* counted, not told */
        return;
    }
    _cleanup_(mem_freep) char *file = mem_printf("%s/%s", p->folder, p->segment);
    verify__fault(p->v,
                  AT(.what = "missing", .table = t->meta->name, .folder = p->v->o->data,
                     .file = file, .offset = p->block->offset, .has_offset = true, .position = pos),
                  "the row at position %llu is not in Delta, whose txn is %llu",
                  (unsigned long long)pos, (unsigned long long)t->txn);
}

static void place_row(struct verify_log_pass *p, struct verify_table *t, bronze_pos pos)
{
    struct verify_file *f = file_at(t, pos);
    if (f != NULL) {
        f->log_rows++;
        f->log_digest = verify__fold(f->log_digest, p->row.crc);
    } else if (pos > t->txn) {
        t->waiting++;
        p->v->report->rows_waiting++;
    } else {
        row_missing(p, t, pos);
    }
}

static int damaged_row(struct verify_log_pass *p, const struct verify_table *t, bronze_pos pos)
{
    _cleanup_(mem_freep) char *file = mem_printf("%s/%s", p->folder, p->segment);
    verify__fault(p->v,
                  AT(.what = "damaged", .table = t->meta->name, .folder = p->v->o->data,
                     .file = file, .offset = p->block->offset, .has_offset = true, .position = pos),
                  "the row at position %llu does not decode", (unsigned long long)pos);
    return 0;
}

static int take_row(struct verify_log_pass *p, struct verify_table *t,
                    const struct codec_plan *plan, bronze_pos pos)
{
    const struct verify *v = p->v;
    if (!p->first && pos <= t->txn)
        return 0;
    if (!v->o->no_rows &&
        (plan == NULL || verify__row_of(&p->row, plan, p->bytes, t->meta->schema) < 0))
        return damaged_row(p, t, pos);
    if (v->lake != NULL && p->first)
        place_row(p, t, pos);
    if (v->o->no_rows)
        return 0;
    if (p->first && t->meta->schema->key_count > 0 && pos > t->split && pos <= v->applied)
        add_keyed(t, &p->row, false);
    if (pos > t->txn && p->on_row != NULL)
        return p->on_row(p->ctx, t, &p->row, &(struct verify_where){.pos = pos});
    return 0;
}

int verify__take_frame(struct verify_log_pass *p, const char *file, const struct bronze_block *b,
                       const struct bronze_frame *f)
{
    if (f->kind == BRONZE_CONTROL || f->row_count == 0)
        return 0;
    struct verify_table *t = verify__table(p->v, f->table_id);
    if (t == NULL) {
        p->v->dropped_rows += p->first ? f->row_count : 0;
        return 0;
    }
    const struct codec_plan *plan = catalog_plan(p->v->catalog, f->table_id, f->descriptor_id);
    p->segment = file;
    p->block = b;
    size_t at = 0;
    for (bronze_pos pos = f->first_pos; bronze_frame_row(f, &at, &p->bytes); pos++)
        if (pos >= p->from && pos < p->end)
            TRY(take_row(p, t, plan, pos));
    return 0;
}

static int on_frame(void *ctx, const char *segment, const struct bronze_block *b,
                    const struct bronze_frame *f)
{
    return verify__take_frame(ctx, segment, b, f);
}

int verify__log_rows(struct verify_log_pass *p, struct err *e)
{
    verify__stage(p->v, "rows of the log", p->v->log.bytes);
    for (size_t i = 0; p->first && i < p->v->table_count; i++)
        p->v->tables[i]->split = keyed_split(p->v, p->v->tables[i]);
    p->folder = "log";
    p->from = 0;
    p->end = UINT64_MAX;
    int r = verify__frames(p->v, on_frame, p, e);
    if (r == 0)
        r = verify__spilled_rows(p, e);
    verify__row_deinit(&p->row);
    p->v->log_from = p->v->read_from;
    return r;
}

/* ---- data files ---- */

static void file_fault(const struct verify *v, const struct verify_table *t,
                       const struct verify_file *f, const char *what, const char *text)
{
    _cleanup_(mem_freep) char *file = mem_printf("%s/%s", t->meta->location, f->path);
    verify__fault((struct verify *)(uintptr_t)v,
                  AT(.what = what, .table = t->meta->name, .folder = v->o->lake, .file = file,
                     .position = f->first_pos),
                  "%s", text);
}

/* Rows of one group, each raised, sealed and shown. */
static int group_rows(struct verify_table *t, const struct row_batch *batch,
                      struct verify_file_rows *w)
{
    const struct row_schema *to = t->meta->schema;
    verify__row_room(&w->row, to->column_count);
    for (uint32_t i = 0; i < batch->row_count; i++, w->index++) {
        arena_reset(&w->row.arena);
        for (uint32_t c = 0; c < batch->schema->column_count; c++)
            w->row.values[c] = row_batch_value(batch, c, i, &w->row.arena);
        row_values_raise(batch->schema, to, w->row.values, &w->row.arena);
        verify__row_seal(&w->row, to);
        TRY(w->fn(w->ctx, w));
    }
    return 0;
}

int verify__file_rows(struct verify *v, struct verify_table *t, const struct verify_file *f,
                      struct verify_file_rows *w, struct err *e)
{
    _cleanup_(buf_deinit) struct buf data = BUF_NULL;
    _cleanup_(parquet_reader_freep) struct parquet_reader *reader = NULL;
    w->table = t;
    w->file = f;
    w->index = 0;
    TRY(verify__read_file(v, t, f->path, &data, e));
    _cleanup_(catalog_table_unrefp) struct catalog_table *at =
        catalog_table_at(v->catalog, t->meta->id, f->first_pos); /* of a file: rule L8 */
    struct row_schema *schema = at != NULL ? at->schema : t->meta->schema;
    TRY(parquet_reader_new(schema, buf_slice(&data), &reader, e));
    _cleanup_(row_batch_freep) struct row_batch *batch = row_batch_new(schema);
    int r = 0;
    for (uint32_t g = 0; r == 0 && g < parquet_reader_group_count(reader); g++) {
        r = parquet_reader_batch(reader, g, batch, e);
        if (r == 0)
            r = group_rows(t, batch, w);
    }
    verify__progress(v, f->row_count);
    return r;
}

struct digest {
    struct verify *v;
    uint64_t digest;
    uint64_t keyed_rows; /* so many, from the first on, take part in the sum for the store */
    verify_row_fn *on_row;
    void *ctx;
};

static int digest_row(void *ctx, struct verify_file_rows *w)
{
    struct digest *d = ctx;
    d->digest = verify__fold(d->digest, w->row.crc);
    if (w->index < d->keyed_rows)
        add_keyed(w->table, &w->row, false);
    return d->on_row != NULL ? d->on_row(d->ctx, w->table, &w->row,
                                         &(struct verify_where){.file = w->file, .index = w->index})
                             : 0;
}

static bronze_pos log_begin(const struct verify *v)
{
    return MAX(v->log.first_pos, v->log_from);
}

/* Does the log hold all positions of this file? */
static bool is_covered(const struct verify *v, const struct verify_file *f)
{
    return f->first_pos >= log_begin(v) && f->last_pos < v->log.end_pos;
}

/*
 * How many rows of the file, from its first on, are summed for the store. Of a file that reaches
 * above what the store has applied the log has the rows: but for those that were trimmed, which
 * are all applied (I4).
 */
static uint64_t keyed_rows(const struct verify *v, const struct verify_table *t,
                           const struct verify_file *f)
{
    if (t->meta->schema->key_count == 0)
        return 0;
    if (f->last_pos <= v->applied)
        return UINT64_MAX;
    return f->first_pos < log_begin(v) ? f->row_count - MIN(f->row_count, f->log_rows) : 0;
}

static int compare_file(struct verify_delta_pass *p, struct verify_table *t, struct verify_file *f,
                        struct err *e)
{
    struct verify *v = p->v;
    struct digest d = {.v = v, .on_row = p->on_row, .ctx = p->ctx};
    struct verify_file_rows w = {.fn = digest_row, .ctx = &d};
    d.keyed_rows = p->first ? keyed_rows(v, t, f) : 0;
    int r = verify__file_rows(v, t, f, &w, e);
    verify__row_deinit(&w.row);
    if (r == ERR_DAMAGED || r == ERR_UNSUPPORTED) {
        f->missing = true; /* nobody can say what its rows are */
        file_fault(v, t, f, "damaged", e->text);
        return 0;
    }
    TRY(r);
    if (!p->first)
        return 0;
    v->report->rows_delta += w.index;
    if (w.index != f->row_count)
        file_fault(v, t, f, "different", "it does not hold as many rows as its commit says");
    if (!is_covered(v, f))
        return 0;
    v->report->rows_compared += w.index;
    if (w.index == f->log_rows && d.digest == f->log_digest)
        return 0;
    return verify__explain_file(v, t, f, e);
}

int verify__delta_rows(struct verify_delta_pass *p, struct err *e)
{
    struct verify *v = p->v;
    uint64_t total = 0;
    for (size_t i = 0; i < v->table_count; i++)
        for (size_t k = 0; k < v->tables[i]->file_count; k++)
            total += v->tables[i]->files[k].row_count;
    verify__stage(v, "rows of Delta", total);
    for (size_t i = 0; i < v->table_count; i++) {
        struct verify_table *t = v->tables[i];
        for (size_t k = 0; k < t->file_count; k++)
            if (!t->files[k].removed && !t->files[k].missing)
                TRY(compare_file(p, t, &t->files[k], e));
    }
    return 0;
}

/* ---- the store's rows ---- */

static int take_stored(struct verify *v, struct verify_table *t, struct verify_row *r,
                       const struct store_iter *it)
{
    struct slice value = store_iter_value(it);
    const struct codec_plan *plan =
        value.len < 4 ? NULL : catalog_plan(v->catalog, t->meta->id, get_le32(value.data));
    struct slice bytes = value.len < 4 ? SLICE_NULL : slice_of(value.data + 4, value.len - 4);
    if (plan == NULL || verify__row_of(r, plan, bytes, t->meta->schema) < 0) {
        verify__fault(
            v, AT(.what = "damaged", .table = t->meta->name, .folder = v->o->data, .file = "store"),
            "a row of the store does not decode");
        return 0;
    }
    add_keyed(t, r, true);
    v->report->rows_keyed++;
    return 0;
}

static int sum_store(struct verify *v, struct verify_table *t, struct err *e)
{
    uint8_t prefix[5] = {STORE_ROW};
    struct verify_row row = {.values = NULL};
    put_be32(prefix + 1, t->meta->id);
    struct store_iter *it = store_iter_new(v->store, NULL);
    int r = 0;
    store_iter_seek(it, slice_of(prefix, sizeof(prefix)));
    for (; r == 0 && store_iter_valid(it); store_iter_next(it)) {
        struct slice key = store_iter_key(it);
        if (key.len < sizeof(prefix) || memcmp(key.data, prefix, sizeof(prefix)) != 0)
            break;
        r = take_stored(v, t, &row, it);
    }
    if (r == 0 && !store_iter_valid(it))
        r = store_iter_status(it, e);
    (void)store_iter_free(it);
    verify__row_deinit(&row);
    return r < 0 ? r : 0;
}

/* Where all rows of the table are known, the store must hold just these. Else: why they are not;
 * NULL = they are. */
static const char *not_comparable(const struct verify *v, const struct verify_table *t)
{
    bronze_pos from = t->meta->created_pos;
    if (v->log.faults > 0)
        return "the log is damaged";
    if (v->lake == NULL && (from == 0 || v->log.first_pos > from))
        return "the log was trimmed, and no lake was named";
    if (t->missing > 0)
        return "rows are missing in Delta";
    if (t->rewritten)
        return "another writer has rewritten files of this table";
    for (size_t i = 0; i < t->file_count; i++)
        if (t->files[i].missing)
            return "a data file cannot be read";
    return NULL;
}

static int compare_store(struct verify *v, struct err *e)
{
    if (!v->has_store || v->report->live)
        return 0;
    verify__stage(v, "rows of the store", 0);
    for (size_t i = 0; i < v->table_count; i++) {
        struct verify_table *t = v->tables[i];
        if (t->meta->schema->key_count == 0)
            continue;
        const char *why = not_comparable(v, t);
        if (why != NULL) {
            verify__note(v, AT(.what = "unchecked", .table = t->meta->name),
                         "rows of the store were not compared: %s", why);
            continue;
        }
        TRY(sum_store(v, t, e));
        if (t->store_rows == t->rows_rows && t->store_sum == t->rows_sum)
            continue;
        TRY(verify__explain_store(v, t, e));
    }
    return 0;
}

/* ---- all of it ---- */

int verify__pass(struct verify *v, bool first, verify_row_fn *fn, void *ctx, struct err *e)
{
    struct verify_log_pass log = {.v = v, .first = first, .on_row = fn, .ctx = ctx};
    struct verify_delta_pass delta = {.v = v, .first = first, .on_row = fn, .ctx = ctx};
    TRY(verify__log_rows(&log, e));
    if (v->lake != NULL && first)
        TRY(verify__lake_files(v, e));
    return v->lake != NULL && !v->o->no_rows ? verify__delta_rows(&delta, e) : 0;
}

int verify__rows(struct verify *v, struct err *e)
{
    if (v->o->no_rows)
        verify__note(v, AT(.what = "unchecked"), "rows were not compared, as asked");
    if (v->o->ledger_count > 0 && !v->o->no_rows)
        TRY(verify__ledgers(v, e));
    else
        TRY(verify__pass(v, true, NULL, NULL, e));
    return v->o->no_rows ? 0 : compare_store(v, e);
}
