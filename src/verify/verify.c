/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of things, and how findings are told.
 *
 *   lock the folder, or see that a server has it
 *     ► the log: chain, checksums, what the catalog says, what went into the lake     log.c
 *     ► the store: its files, its keys, its positions                                  state.c
 *     ► the lake: commits, checkpoints, data files against the log's record            lake.c
 *     ► spill files: rows that left the log, whole and all there                      spill.c
 *     ► rows: log against Delta, keyed rows against the store, ledgers against both    rows.c …
 *     ► nobody may be ahead of whom it follows                                         order.c
 *
 * V1  Nothing is written, nothing removed.
 * V2  What is not proved is told, as a note: a check that could not be made is not a passed one.
 */
#include "verify/verify.h"
#include "verify_priv.h"

#include "base/mem.h"
#include "base/must.h"
#include "objstore/objstore.h"
#include "store/store.h"
#include "sys/sys.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX 768

/* ---- telling ---- */

static void tell(struct verify *v, enum verify_kind kind, const struct verify_place *at,
                 const char *fmt, va_list args)
{
    char text[TEXT_MAX];
    (void)vsnprintf(text, sizeof(text), fmt, args);
    _cleanup_(mem_freep) char *file = at->folder == NULL ? mem_strdup("")
                                      : at->file == NULL
                                          ? mem_strdup(at->folder)
                                          : mem_printf("%s/%s", at->folder, at->file);
    struct verify_finding f = {
        .kind = kind,
        .what = at->what,
        .table = at->table != NULL ? at->table : "",
        .file = file,
        .offset = at->offset,
        .has_offset = at->has_offset,
        .position = at->position,
        .text = text,
    };
    if (v->o->on_finding != NULL)
        v->o->on_finding(v->o->ctx, &f);
}

void verify__fault(struct verify *v, const struct verify_place *at, const char *fmt, ...)
{
    va_list args;
    v->report->faults++;
    va_start(args, fmt);
    tell(v, VERIFY_FAULT, at, fmt, args);
    va_end(args);
}

void verify__note(struct verify *v, const struct verify_place *at, const char *fmt, ...)
{
    va_list args;
    v->report->notes++;
    va_start(args, fmt);
    tell(v, VERIFY_NOTE, at, fmt, args);
    va_end(args);
}

void verify__stage(struct verify *v, const char *name, uint64_t total)
{
    v->stage = name;
    v->stage_done = 0;
    v->stage_total = total;
    verify__progress(v, 0);
}

void verify__progress(struct verify *v, uint64_t more)
{
    v->stage_done += more;
    if (v->o->on_progress != NULL)
        v->o->on_progress(v->o->ctx, v->stage, v->stage_done, v->stage_total);
}

uint64_t verify__details(const struct verify *v)
{
    return v->o->details_max != 0 ? v->o->details_max : VERIFY_DETAILS;
}

/* ---- tables ---- */

struct verify_table *verify__table(struct verify *v, uint32_t id)
{
    return map_get(&v->tables_by_id, slice_of(&id, sizeof(id)));
}

static int compare_records(const void *a, const void *b)
{
    const struct verify_record *x = *(struct verify_record *const *)a;
    const struct verify_record *y = *(struct verify_record *const *)b;
    if (x->commit.delta_version != y->commit.delta_version)
        return x->commit.delta_version < y->commit.delta_version ? -1 : 1;
    return (x->pos > y->pos) - (x->pos < y->pos);
}

static void add_to_table(struct verify *v, struct verify_record *r)
{
    struct verify_table *t = verify__table(v, r->commit.table_id);
    if (t == NULL)
        return; /* dropped: its folder is aside */
    if (t->record_count == t->record_cap) {
        t->record_cap = t->record_cap != 0 ? t->record_cap * 2 : 16;
        t->records = mem_realloc(t->records, t->record_cap * sizeof(struct verify_record *));
    }
    t->records[t->record_count++] = r;
}

static void make_tables(struct verify *v)
{
    struct catalog_table **metas = NULL;
    v->table_count = catalog_tables(v->catalog, &metas);
    v->tables = mem_calloc(v->table_count + 1, sizeof(struct verify_table *));
    for (size_t i = 0; i < v->table_count; i++) {
        struct verify_table *t = mem_zalloc(sizeof(*t));
        t->meta = metas[i];
        t->version = -1;
        v->tables[i] = t;
        (void)map_put(&v->tables_by_id, slice_of(&t->meta->id, sizeof(t->meta->id)), t);
    }
    mem_free(metas);
    v->report->tables = v->table_count;
}

/* The records come from the log first, then from the store: tables are known in between. */
static void sort_records(struct verify *v)
{
    for (size_t i = 0; i < v->record_count; i++)
        add_to_table(v, &v->records[i]);
    for (size_t i = 0; i < v->table_count; i++)
        if (v->tables[i]->record_count > 0)
            qsort(v->tables[i]->records, v->tables[i]->record_count, sizeof(struct verify_record *),
                  compare_records);
}

static void free_table(struct verify_table *t)
{
    for (size_t i = 0; i < t->file_count; i++)
        mem_free(t->files[i].path);
    mem_free(t->files);
    mem_free(t->records);
    map_deinit(&t->paths);
    catalog_table_unref(t->meta);
    mem_free(t);
}

/* ---- the run ---- */

/* ERR_BUSY is no failure: a server has the folder. */
static int take_lock(struct verify *v, struct err *e)
{
    char *path = mem_printf("%s/LOCK", v->o->data);
    bool there = false;
    int r = sys_exists(v->sys, path, &there, e);
    if (r == 0 && there)
        r = sys_open(v->sys, path, SYS_READ, &v->lock_file, e);
    if (r == 0 && there)
        r = sys_lock(v->lock_file, 0, e);
    mem_free(path);
    v->report->live = r == ERR_BUSY;
    return r == ERR_BUSY ? 0 : r;
}

static int open_lake(struct verify *v, struct err *e)
{
    bool there = false;
    if (v->o->lake == NULL)
        return 0;
    TRY(sys_exists(v->sys, v->o->lake, &there, e));
    if (!there)
        return err_set(e, ERR_NOT_FOUND, "there is no lake in %s", v->o->lake);
    return objstore_open_folder(v->sys, v->o->lake, &v->lake, e);
}

/* Tables that were dropped or replaced are nobody's promise any more: said, not looked at. */
static int tell_dropped(struct verify *v, struct err *e)
{
    _cleanup_(mem_freep) char *path =
        v->o->lake != NULL ? mem_printf("%s/dropped", v->o->lake) : NULL;
    bool there = false;
    if (path != NULL)
        TRY(sys_exists(v->sys, path, &there, e));
    if (there || v->dropped_rows > 0)
        verify__note(v, AT(.what = "unchecked", .folder = path),
                     "not checked: tables that were dropped or replaced; %llu of their rows are in "
                     "the log, and their folders were not opened",
                     (unsigned long long)v->dropped_rows);
    return 0;
}

static int run(struct verify *v, struct err *e)
{
    TRY(take_lock(v, e));
    TRY(open_lake(v, e));
    TRY(verify__log(v, e));
    make_tables(v);
    TRY(verify__store(v, e));
    sort_records(v);
    if (v->lake != NULL)
        TRY(verify__lake(v, e));
    else
        verify__note(v, AT(.what = "unchecked"),
                     "no lake was named: the Delta tables were not "
                     "looked at");
    TRY(verify__spill(v, e));
    TRY(verify__rows(v, e));
    verify__order(v);
    return tell_dropped(v, e);
}

static void clean_up(struct verify *v)
{
    for (size_t i = 0; i < v->table_count; i++)
        free_table(v->tables[i]);
    for (size_t i = 0; i < v->record_count; i++)
        mem_free((void *)(uintptr_t)v->records[i].commit.data_file);
    mem_free(v->tables);
    mem_free(v->records);
    mem_free(v->spills);
    map_deinit(&v->tables_by_id);
    v->store = store_close(v->store);
    v->lake = objstore_close(v->lake);
    v->catalog = catalog_free(v->catalog);
    v->lock_file = sys_close(v->lock_file);
}

int verify_run(struct sys *s, const struct verify_options *o, struct verify_report *ret,
               struct err *e)
{
    struct verify v = {.sys = s, .o = o, .report = ret, .stage = ""};
    must(o->data != NULL);
    *ret = (struct verify_report){.live = false};
    v.catalog = catalog_new(s);
    int r = run(&v, e);
    clean_up(&v);
    return r;
}
