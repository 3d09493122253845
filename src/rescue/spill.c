/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What spill files have of a table: rows that are neither in the lake nor in the log. They come
 * behind those of the lake and before those of the log, at the positions they have. A file that is
 * damaged, or gone, ends the rebuild with its name: its rows are nowhere else.
 */
#include "rescue/rescue.h"
#include "rescue_priv.h"

#include "base/bits.h"
#include "base/mem.h"
#include "base/must.h"
#include "codec/codec.h"
#include "serve/serve.h"
#include "spill/spill.h"
#include "store/keys.h"
#include "store/store.h"

#define BATCH_BYTES (1u << 20)

struct spilled {
    struct rebuild *b;
    const struct catalog_table *t;
    bronze_pos txn; /* the lake has the rows up to here */
};

static int put_row(struct spilled *x, const struct codec_plan *plan, struct slice row,
                   bronze_pos pos, struct err *e)
{
    struct rebuild *b = x->b;
    if (pos <= x->txn || pos >= b->r->log_from)
        return 0;
    const struct row_schema *schema = x->t->schema;
    rescue__make_values(b, schema->column_count);
    arena_reset(&b->arena);
    if (codec_decode(plan, row, &b->arena, b->values) < 0)
        return err_set(e, ERR_DAMAGED, "the row at position %llu does not decode",
                       (unsigned long long)pos);
    row_values_raise(codec_plan_schema(plan), schema, b->values, &b->arena);
    struct serve_row row_at = {schema, x->t->id, x->t->own_id, pos, b->values};
    if (!serve_put_row(&row_at, b->key, b->batch))
        b->r->rows_unkeyed++;
    b->r->rows_spilled++;
    return rescue__write_batch(b, BATCH_BYTES, e);
}

static int put_frame(struct spilled *x, const struct bronze_frame *f, struct err *e)
{
    const struct codec_plan *plan = catalog_plan(x->b->catalog, x->t->id, f->descriptor_id);
    struct slice row;
    size_t at = 0;
    if (plan == NULL)
        return err_set(e, ERR_DAMAGED, "row descriptor %u is unknown", f->descriptor_id);
    for (bronze_pos pos = f->first_pos; bronze_frame_row(f, &at, &row); pos++)
        TRY(put_row(x, plan, row, pos, e));
    return 0;
}

static int put_file(struct spilled *x, const struct spill_folder *d, const struct spill_file *f,
                    struct err *e)
{
    _cleanup_(spill_reader_closep) struct spill_reader *r = NULL;
    struct bronze_block b;
    struct bronze_frame frame;
    TRY(spill_reader_open(d, f, &r, e));
    int rc;
    while ((rc = spill_reader_next(r, &b, e)) == 0)
        for (size_t at = 0; bronze_block_frame(&b, &at, &frame);)
            TRY(put_frame(x, &frame, e));
    return rc < 0 ? rc : 0;
}

/* What the compactor had noted of them. */
static void put_mark(struct rebuild *b, uint32_t table_id, bronze_pos last)
{
    uint8_t key[5] = {STORE_SPILL}, value[8];
    put_be32(key + 1, table_id);
    put_le64(value, last);
    store_batch_put(b->batch, slice_of(key, sizeof(key)), slice_of(value, sizeof(value)));
}

static int put_files(struct spilled *x, const struct spill_folder *d,
                     const struct spill_file *files, size_t count, struct err *e)
{
    bronze_pos gone = spill_missing(files, count, x->txn, 0);
    if (gone != 0)
        return err_set(e, ERR_DAMAGED,
                       "a spill file is missing: its rows up to position %llu are nowhere else",
                       (unsigned long long)gone);
    for (size_t i = 0; i < count; i++)
        if (files[i].damaged || files[i].last_pos > x->txn)
            TRY(put_file(x, d, &files[i], e));
    put_mark(x->b, x->t->id, files[count - 1].last_pos);
    return 0;
}

int rescue__spilled(struct rebuild *b, const struct catalog_table *t, uint64_t txn, struct err *e)
{
    const struct spill_list l = {
        .folder = {b->sys, b->r->data, bronze_uuid(b->log), bronze_timeline(b->log)}};
    struct spilled x = {b, t, txn};
    struct spill_file *files = NULL;
    size_t count = 0, first = 0, end;
    TRY(spill_list(&l, &files, &count, e));
    while (first < count && files[first].table_id != t->id)
        first++;
    for (end = first; end < count && files[end].table_id == t->id;)
        end++;
    int r = 0;
    if (first < end && t->schema->key_count > 0)
        r = put_files(&x, &l.folder, files + first, end - first, e);
    else if (first < end)
        put_mark(b, t->id, files[end - 1].last_pos);
    mem_free(files);
    return r;
}
