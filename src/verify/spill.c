/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spill files: rows that left the log because the lake did not take them (docs/formats/spill.md).
 * Every checksum, positions and counts, and that none is missing; then, as the log's pass would,
 * those of their rows that neither Delta nor the log has. A server at work removes files whose rows
 * it has committed: one that is gone is no fault then.
 */
#include "verify/verify.h"
#include "verify_priv.h"

#include "base/mem.h"
#include "rows_priv.h"
#include "sys/sys.h"

#include <stdio.h>
#include <string.h>

static struct spill_folder folder_of(const struct verify *v)
{
    return (struct spill_folder){v->sys, v->o->data, v->log.uuid, v->log.timeline};
}

static void fault_at(struct verify *v, const struct spill_file *f, uint64_t offset,
                     const char *what)
{
    const struct verify_table *t = verify__table(v, f->table_id);
    _cleanup_(mem_freep) char *file = mem_printf("spill/%s", f->name);
    verify__fault(v,
                  AT(.what = "damaged", .table = t != NULL ? t->meta->name : NULL,
                     .folder = v->o->data, .file = file, .offset = offset, .has_offset = true,
                     .position = f->first_pos),
                  "%s", what);
}

static void on_fault(void *ctx, const struct spill_file *f, uint64_t offset, const char *what)
{
    fault_at(ctx, f, offset, what);
}

/* What the reader's sentence says behind file and place. */
static const char *reason(const struct err *e)
{
    const char *at = strstr(e->text, "damaged: ");
    return at != NULL ? at + strlen("damaged: ") : e->text;
}

/* ---- each file, whole ---- */

typedef int block_fn(void *ctx, const struct spill_file *f, const struct bronze_block *b);

static int each_block(struct verify *v, struct spill_file *f, block_fn *fn, void *ctx,
                      struct err *e)
{
    const struct spill_folder d = folder_of(v);
    _cleanup_(spill_reader_closep) struct spill_reader *r = NULL;
    struct bronze_block b;
    if (f->damaged)
        return 0; /* told */
    int rc = spill_reader_open(&d, f, &r, e);
    while (rc == 0) {
        rc = spill_reader_next(r, &b, e);
        if (rc == 0 && fn != NULL)
            rc = fn(ctx, f, &b);
        verify__progress(v, rc == 0 ? b.bytes : 0);
    }
    if (rc == ERR_DAMAGED && r != NULL) {
        fault_at(v, f, spill_reader_offset(r), reason(e));
        f->damaged = true;
        return 0;
    }
    return rc == SPILL_END || (rc == ERR_NOT_FOUND && v->report->live) ? 0 : rc;
}

/* Files [first, end) are those of one table. */
static void check_chain(struct verify *v, size_t first, size_t end)
{
    const struct spill_file *files = &v->spills[first];
    struct verify_table *t = verify__table(v, files->table_id);
    if (t == NULL) {
        verify__note(v, AT(.what = "foreign", .folder = v->o->data, .file = "spill"),
                     "spill/%s is of table id %u, which the catalog does not know: dropped",
                     files->name, files->table_id);
        return;
    }
    for (size_t i = first; i < end; i++)
        t->spilled = MAX(t->spilled, v->spills[i].last_pos);
    t->spill_files = files;
    t->spill_count = end - first;
}

static void check_missing(struct verify *v, const struct verify_table *t)
{
    bronze_pos gone =
        spill_missing(t->spill_files, t->spill_count, MAX(t->txn, t->watermark), t->spill_mark);
    if (gone != 0)
        verify__fault(v,
                      AT(.what = "missing", .table = t->meta->name, .folder = v->o->data,
                         .file = "spill", .position = gone),
                      "a spill file is missing: rows up to position %llu are not in Delta",
                      (unsigned long long)gone);
}

int verify__spill(struct verify *v, struct err *e)
{
    const struct spill_list l = {.folder = folder_of(v), .on_fault = on_fault, .ctx = v};
    TRY(spill_list(&l, &v->spills, &v->spill_count, e));
    uint64_t total = 0;
    for (size_t i = 0; i < v->spill_count; i++)
        total += v->spills[i].bytes;
    verify__stage(v, "spill files", total);
    for (size_t i = 0, end; i < v->spill_count; i = end) {
        for (end = i; end < v->spill_count && v->spills[end].table_id == v->spills[i].table_id;)
            TRY(each_block(v, &v->spills[end++], NULL, NULL, e));
        check_chain(v, i, end);
    }
    for (size_t i = 0; i < v->table_count && !v->report->live; i++)
        check_missing(v, v->tables[i]);
    v->report->spill_files = v->spill_count;
    v->report->spill_bytes = total;
    return 0;
}

/* ---- their rows ---- */

static int give_rows(void *ctx, const struct spill_file *f, const struct bronze_block *b)
{
    struct verify_log_pass *p = ctx;
    struct bronze_frame frame;
    for (size_t at = 0; bronze_block_frame(b, &at, &frame);)
        TRY(verify__take_frame(p, f->name, b, &frame));
    return 0;
}

int verify__spilled_rows(struct verify_log_pass *p, struct err *e)
{
    struct verify *v = p->v;
    p->folder = "spill";
    for (size_t i = 0; i < v->table_count; i++) {
        struct verify_table *t = v->tables[i];
        p->from = t->txn + 1; /* Delta has the others */
        p->end = v->read_from;
        t->cursor = 0;
        for (size_t k = 0; k < t->spill_count; k++)
            TRY(each_block(v, (struct spill_file *)(uintptr_t)&t->spill_files[k], give_rows, p, e));
    }
    return 0;
}
