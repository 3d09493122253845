/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spilled rows (rule L9): a table's lake goes away for a while, and then what the log does not have
 * any more, and Delta not yet, stands in spill files, every row of it (I4), within bounds (I6).
 */
#include "sim.h"

#include "base/mem.h"
#include "base/must.h"
#include "bronze/bronze.h"
#include "catalog/catalog.h"
#include "compact/compact.h"
#include "objstore/objstore.h"
#include "spill/spill.h"

#include <inttypes.h>

static struct spill_folder folder_of(const struct world *w)
{
    return (struct spill_folder){w->sys, SIM_PATH, bronze_uuid(w->log), bronze_timeline(w->log)};
}

/* Walks the rows that must be there past those that are. */
struct walk {
    struct world *w;
    const struct sim_table *t;
    uint32_t at; /* of the model's rows */
    bronze_pos until;
};

static void meet(struct walk *k, bronze_pos pos)
{
    const struct sim_place *rows = k->t->rows;
    if (k->at == k->t->row_count || rows[k->at].pos >= k->until || pos < rows[k->at].pos)
        return;
    if (pos > rows[k->at].pos)
        sim_violation(k->w, "I4",
                      "%s: the row at position %" PRIu64
                      " is not in the log, Delta or a spill file",
                      k->t->name, rows[k->at].pos);
    k->at++;
}

static void walk_file(struct walk *k, const struct spill_file *f)
{
    const struct spill_folder d = folder_of(k->w);
    struct spill_reader *r = NULL;
    struct bronze_block b;
    struct bronze_frame frame;
    struct err e = {0};
    int rc = spill_reader_open(&d, f, &r, &e);
    while (rc == 0 && (rc = spill_reader_next(r, &b, &e)) == 0)
        for (size_t at = 0; bronze_block_frame(&b, &at, &frame);)
            for (uint32_t i = 0; i < frame.row_count; i++)
                meet(k, frame.first_pos + i);
    r = spill_reader_close(r);
    if (rc != SPILL_END)
        sim_violation(k->w, "I4", "%s: %s", k->t->name, e.text);
}

void sim_check_spilled(struct world *w, const struct sim_table *t, bronze_pos txn)
{
    struct walk k = {.w = w, .t = t, .until = w->m.trimmed};
    const struct spill_list l = {.folder = folder_of(w)};
    struct spill_file *files = NULL;
    size_t count = 0;
    while (k.at < t->row_count && t->rows[k.at].pos <= txn)
        k.at++;
    must(spill_list(&l, &files, &count, NULL) == 0);
    for (size_t i = 0; i < count; i++)
        if (files[i].table_id == t->id)
            walk_file(&k, &files[i]);
    mem_free(files);
    meet(&k, UINT64_MAX);
}

/* ---- the lake of one table ---- */

void sim_spill_plan(struct world *w)
{
    if (w->m.table_count == 0 || !sim_one_in(w, 2))
        return;
    const struct sim_table *t = &w->m.tables[sim_below(w, w->m.table_count)];
    _cleanup_(mem_freep) char *location = catalog_location(t->name);
    _cleanup_(mem_freep) char *inside =
        mem_printf("%s/", location); /* not the folder of its drop */
    unsigned skip = (unsigned)sim_below(w, 30), count = (unsigned)sim_between(w, 2, 40);
    objstore_fake_order(w->lake, inside, OBJSTORE_FAIL, skip, count);
    w->r.faults[FAULT_LAKE_AWAY]++;
    if (w->arm.set && w->arm.events > 0 && sim_one_in(w, 2)) { /* a death where it comes by */
        w->arm.at_point = true;
        w->arm.passes = 1;
        w->arm.point = (enum sys_point)sim_between(w, SYS_POINT_SPILL_BEFORE_MKDIR,
                                                   SYS_POINT_SPILL_AFTER_REMOVE);
    }
    sim_trace(w, "the lake of %s is away for %u calls", t->name, count);
}

/* ---- bounds ---- */

void sim_check_spill_bounds(struct world *w, const struct compact_totals *t)
{
    if (t->spill_files > w->spill_files)
        w->r.faults[FAULT_SPILL] += t->spill_files - w->spill_files;
    w->spill_files = t->spill_files;
    uint64_t limit = w->spill_bytes == 0 ? 0 : w->spill_bytes + 2 * w->log_options.log_bytes_max;
    if (t->spill_bytes > limit)
        sim_violation(w, "I6", "spill files have %" PRIu64 " bytes, %" PRIu64 " are the limit",
                      t->spill_bytes, w->spill_bytes);
}
