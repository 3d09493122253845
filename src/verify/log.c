/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: its files by bronze_check(), its control records into a catalog of our own, and what
 * they say of the lake. A second pass gives rows to whoever compares them: only then are all row
 * descriptors known, because a trimmed log may define them behind the rows.
 */
#include "verify/verify.h"
#include "verify_priv.h"

#include "base/mem.h"
#include "base/must.h"
#include "sys/sys.h"

#include <stdio.h>

static void on_fault(void *ctx, const char *file, uint64_t offset, const char *what)
{
    struct verify *v = ctx;
    verify__fault(v,
                  AT(.what = "damaged", .folder = v->o->data, .file = file, .offset = offset,
                     .has_offset = true),
                  "%s", what);
}

void verify__add_record(struct verify *v, const struct catalog_lake_commit *k, bronze_pos pos)
{
    if (v->record_count == v->record_cap) {
        v->record_cap = v->record_cap != 0 ? v->record_cap * 2 : 64;
        v->records = mem_realloc(v->records, v->record_cap * sizeof(*v->records));
    }
    struct verify_record *r = &v->records[v->record_count++];
    *r = (struct verify_record){.commit = *k, .pos = pos};
    r->commit.data_file = mem_strdup(k->data_file);
}

static void take_control(struct verify *v, const char *segment, const struct bronze_block *b,
                         const struct bronze_frame *f)
{
    char name[CATALOG_FILE_NAME_MAX];
    struct catalog_lake_commit k;
    struct slice bytes;
    size_t at = 0;
    if (!bronze_frame_row(f, &at, &bytes) || catalog_on_control(v->catalog, f) < 0) {
        _cleanup_(mem_freep) char *file = mem_printf("log/%s", segment);
        verify__fault(v,
                      AT(.what = "damaged", .folder = v->o->data, .file = file, .offset = b->offset,
                         .has_offset = true, .position = f->first_pos),
                      "the control record at position %llu cannot be read",
                      (unsigned long long)f->first_pos);
        return;
    }
    if (catalog_lake_commit_of(bytes, name, &k))
        verify__add_record(v, &k, f->first_pos);
}

static int on_block(void *ctx, const char *segment, const struct bronze_block *b)
{
    struct verify *v = ctx;
    struct bronze_frame f;
    for (size_t at = 0; bronze_block_frame(b, &at, &f);)
        if (f.kind == BRONZE_CONTROL)
            take_control(v, segment, b, &f);
        else
            v->report->rows_log += f.row_count;
    v->stage_total = v->log.bytes_total;
    verify__progress(v, b->bytes);
    return 0;
}

static void check_snapshot(struct verify *v)
{
    if (v->log.first_pos > 1 && v->log.segments > 0 && catalog_snapshot_pos(v->catalog) == 0)
        verify__fault(v, AT(.what = "missing", .folder = v->o->data, .file = "log"),
                      "the log begins at position %llu, but holds no complete snapshot of the "
                      "catalog: segments are missing at its beginning",
                      (unsigned long long)v->log.first_pos);
}

int verify__log(struct verify *v, struct err *e)
{
    verify__stage(v, "log", 0);
    v->log = (struct bronze_check){
        .path = v->o->data,
        .live = v->report->live,
        .on_block = on_block,
        .on_fault = on_fault,
        .ctx = v,
    };
    TRY(bronze_check(v->sys, &v->log, e));
    check_snapshot(v);
    v->report->segments = v->log.segments;
    v->report->blocks = v->log.blocks;
    v->report->log_bytes = v->log.bytes;
    v->report->first_pos = v->log.first_pos;
    v->report->end_pos = v->log.end_pos;
    if (v->log.torn_bytes > 0)
        verify__note(v, AT(.what = "torn", .folder = v->o->data, .file = "log"),
                     "the last life of the log ends in a torn write: it was never acknowledged");
    return 0;
}

/* ---- the second pass ---- */

struct again {
    struct verify *v;
    verify_frame_fn *fn;
    void *ctx;
    bronze_pos from, next; /* positions [from, next) were read without a gap */
};

static int on_block_again(void *ctx, const char *segment, const struct bronze_block *b)
{
    struct again *a = ctx;
    struct bronze_frame f;
    if (b->first_pos != a->next)
        a->from = b->first_pos;
    a->next = b->end_pos;
    for (size_t at = 0; bronze_block_frame(b, &at, &f);)
        TRY(a->fn(a->ctx, segment, b, &f));
    verify__progress(a->v, b->bytes);
    return 0;
}

int verify__frames(struct verify *v, verify_frame_fn *fn, void *ctx, struct err *e)
{
    struct again a = {.v = v, .fn = fn, .ctx = ctx};
    struct bronze_check k = {
        .path = v->o->data,
        .live = v->report->live,
        .on_block = on_block_again,
        .ctx = &a,
    };
    TRY(bronze_check(v->sys, &k, e));
    v->report->end_pos = MAX(v->report->end_pos, k.end_pos);
    v->read_from = v->report->live ? a.from : k.first_pos;
    return 0;
}
