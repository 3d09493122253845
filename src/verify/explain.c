/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rows exactly: only called when two digests differ. Reads the log once more for the
 * positions in question, and compares row by row.
 */
#include "rows_priv.h"
#include "verify/verify.h"
#include "verify_priv.h"

#include "base/bits.h"
#include "base/mem.h"
#include "codec/codec.h"
#include "store/keys.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>

/* Beyond so many, a fault is counted and not told. */
static bool is_enough(struct verify *v, uint64_t *told)
{
    bool enough = (*told)++ >= verify__details(v);
    v->report->faults += enough;
    return enough;
}

/* ---- a data file against the log ---- */

struct log_row {
    bronze_pos pos;
    uint64_t segment, offset;
    uint32_t crc;
};

struct explain_file {
    struct verify *v;
    struct verify_table *t;
    const struct verify_file *f;
    struct verify_row row;
    struct log_row *rows;
    size_t count, cap;
    uint64_t told;
};

static void keep(struct explain_file *x, struct log_row r)
{
    if (x->count == x->cap) {
        x->cap = x->cap != 0 ? x->cap * 2 : 1024;
        x->rows = mem_realloc(x->rows, x->cap * sizeof(*x->rows));
    }
    x->rows[x->count++] = r;
}

static int collect(void *ctx, const char *segment, const struct bronze_block *b,
                   const struct bronze_frame *f)
{
    struct explain_file *x = ctx;
    (void)segment;
    if (f->kind == BRONZE_CONTROL || f->table_id != x->t->meta->id ||
        f->first_pos > x->f->last_pos || f->first_pos + f->row_count <= x->f->first_pos)
        return 0;
    const struct codec_plan *plan = catalog_plan(x->v->catalog, f->table_id, f->descriptor_id);
    struct slice bytes;
    size_t at = 0;
    for (bronze_pos pos = f->first_pos; bronze_frame_row(f, &at, &bytes); pos++) {
        if (pos < x->f->first_pos || pos > x->f->last_pos || plan == NULL ||
            verify__row_of(&x->row, plan, bytes, x->t->meta->schema) < 0)
            continue;
        keep(x, (struct log_row){pos, b->segment, b->offset, x->row.crc});
    }
    return 0;
}

static void tell(struct explain_file *x, const char *what, uint64_t index, const struct log_row *r)
{
    _cleanup_(mem_freep) char *file = mem_printf("%s/%s", x->t->meta->location, x->f->path);
    struct verify_place at = {.what = what,
                              .table = x->t->meta->name,
                              .folder = x->v->o->lake,
                              .file = file,
                              .position = r != NULL ? r->pos : x->f->first_pos};
    if (is_enough(x->v, &x->told))
        return;
    if (r == NULL)
        verify__fault(x->v, &at, "row %" PRIu64 " of this file is not in the log", index);
    else
        verify__fault(x->v, &at,
                      "row %" PRIu64 " of this file is not the row at position %" PRIu64
                      " (segment %" PRIu64 ", block at %" PRIu64 ")",
                      index, r->pos, r->segment, r->offset);
}

static int compare(void *ctx, struct verify_file_rows *w)
{
    struct explain_file *x = ctx;
    const struct log_row *r = w->index < x->count ? &x->rows[w->index] : NULL;
    if (r == NULL || r->crc != w->row.crc)
        tell(x, r == NULL ? "doubled" : "different", w->index, r);
    return 0;
}

static void tell_missing(struct explain_file *x, uint64_t file_rows)
{
    for (uint64_t i = file_rows; i < x->count; i++) {
        _cleanup_(mem_freep) char *file = mem_printf("%s/%s", x->t->meta->location, x->f->path);
        const struct log_row *r = &x->rows[i];
        if (is_enough(x->v, &x->told))
            continue;
        verify__fault(x->v,
                      AT(.what = "missing", .table = x->t->meta->name, .folder = x->v->o->lake,
                         .file = file, .position = r->pos),
                      "the row at position %" PRIu64 " (segment %" PRIu64 ", block at %" PRIu64
                      ") is not in this file",
                      r->pos, r->segment, r->offset);
    }
}

int verify__explain_file(struct verify *v, struct verify_table *t, const struct verify_file *f,
                         struct err *e)
{
    struct explain_file x = {.v = v, .t = t, .f = f};
    struct verify_file_rows w = {.fn = compare, .ctx = &x};
    int r = verify__frames(v, collect, &x, e);
    if (r == 0 && v->report->live && v->read_from > f->first_pos) {
        verify__note(v, AT(.what = "unchecked", .table = t->meta->name),
                     "%s could not be compared: the log was trimmed meanwhile", f->path);
    } else if (r == 0 && v->log.faults > 0 && x.count < f->row_count) {
        verify__note(v, AT(.what = "unchecked", .table = t->meta->name),
                     "%s could not be compared: the log is damaged there", f->path);
    } else if (r == 0) {
        r = verify__file_rows(v, t, f, &w, e);
        if (r == 0)
            tell_missing(&x, w.index);
    }
    verify__row_deinit(&x.row);
    verify__row_deinit(&w.row);
    mem_free(x.rows);
    return r;
}

/* ---- the store against the log ---- */

struct explain_store {
    struct verify *v;
    struct verify_table *t;
    struct verify_row row;
    struct buf key, value;
    uint64_t told;
    struct err *e;
};

static int look_up(struct explain_store *x, const struct bronze_frame *f, bronze_pos pos,
                   struct slice bytes)
{
    buf_reset(&x->key);
    buf_reset(&x->value);
    buf_add_byte(&x->key, STORE_ROW);
    put_be32(buf_reserve(&x->key, 4), x->t->meta->id);
    x->key.len += 4;
    if (row_key_encode(x->t->meta->schema, x->row.values, &x->key, NULL) < 0)
        return 0;
    put_be64(buf_reserve(&x->key, 8), ~pos);
    x->key.len += 8;
    int r = store_get(x->v->store, NULL, buf_slice(&x->key), false, &x->value, x->e);
    TRY(r);
    bool same = r == STORE_FOUND && x->value.len >= 4 &&
                get_le32(x->value.data) == f->descriptor_id &&
                slice_eq(slice_of(x->value.data + 4, x->value.len - 4), bytes);
    if (same || is_enough(x->v, &x->told))
        return 0;
    verify__fault(x->v,
                  AT(.what = r == STORE_FOUND ? "different" : "missing", .table = x->t->meta->name,
                     .folder = x->v->o->data, .file = "store", .position = pos),
                  "the row at position %" PRIu64 " is %s in the store", pos,
                  r == STORE_FOUND ? "different" : "missing");
    return 0;
}

static int look_up_frame(void *ctx, const char *segment, const struct bronze_block *b,
                         const struct bronze_frame *f)
{
    struct explain_store *x = ctx;
    (void)segment;
    (void)b;
    if (f->kind == BRONZE_CONTROL || f->table_id != x->t->meta->id)
        return 0;
    const struct codec_plan *plan = catalog_plan(x->v->catalog, f->table_id, f->descriptor_id);
    struct slice bytes;
    size_t at = 0;
    for (bronze_pos pos = f->first_pos; bronze_frame_row(f, &at, &bytes); pos++)
        if (pos <= x->v->applied && plan != NULL &&
            verify__row_of(&x->row, plan, bytes, x->t->meta->schema) == 0)
            TRY(look_up(x, f, pos, bytes));
    return 0;
}

int verify__explain_store(struct verify *v, struct verify_table *t, struct err *e)
{
    struct explain_store x = {.v = v, .t = t, .e = e};
    int r = verify__frames(v, look_up_frame, &x, e);
    if (r == 0 && x.told == 0)
        verify__fault(
            v,
            AT(.what = "different", .table = t->meta->name, .folder = v->o->data, .file = "store"),
            "the store has %" PRIu64 " rows, Delta and the log %" PRIu64
            "; they differ below what the log still has",
            t->store_rows, t->rows_rows);
    verify__row_deinit(&x.row);
    buf_deinit(&x.key);
    buf_deinit(&x.value);
    return r;
}
