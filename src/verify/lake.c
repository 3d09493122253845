/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lake against the log's record of it (rule D7). For each table in force:
 *
 *   _delta_log    versions without a hole; each of ours with the size and hash recorded;
 *                 checkpoints and _last_checkpoint likewise; the txn of our application grows
 *   data files    each that a commit of ours adds: there, and unchanged
 *   the rest      files of other writers, and files that no commit names: named, not judged
 *
 * A commit of ours that no record speaks of (a life was killed too early, and none came after it)
 * is noted: its own bytes cannot be checked, its data file by the tag it carries.
 */
#include "verify/verify.h"
#include "verify_priv.h"

#include "base/mem.h"
#include "base/must.h"
#include "base/uuid.h"
#include "objstore/objstore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOREIGN   1 /* in the table's paths: another writer's file; above it ours, by index */
#define HINT_NAME "_last_checkpoint"

struct walk {
    struct verify *v;
    struct verify_table *t;
    char app_id[DELTA_NAME_MAX];
    const struct verify_record *record; /* of the version just read; NULL = none */
    struct delta_version *version;
    const struct verify_record *hint; /* the newest that speaks of _last_checkpoint */
    int64_t newest_unrecorded;        /* checkpoint, of no record that we know; -1 = none */
};

/* ---- places ---- */

static void lake_fault(const struct walk *w, const char *what, const char *name, const char *text)
{
    _cleanup_(mem_freep) char *file = mem_printf("%s/%s", w->t->meta->location, name);
    verify__fault(
        w->v, AT(.what = what, .table = w->t->meta->name, .folder = w->v->o->lake, .file = file),
        "%s", text);
}

static void lake_note(const struct walk *w, const char *what, const char *name, const char *text)
{
    _cleanup_(mem_freep) char *file = mem_printf("%s/%s", w->t->meta->location, name);
    verify__note(w->v,
                 AT(.what = what, .table = w->t->meta->name, .folder = w->v->o->lake, .file = file),
                 "%s", text);
}

static bool seal_fits(const struct delta_seal *seal, uint64_t size, const uint8_t hash[16])
{
    return seal->size == size && memcmp(seal->hash, hash, 16) == 0;
}

int verify__read_file(struct verify *v, const struct verify_table *t, const char *name,
                      struct buf *out, struct err *e)
{
    _cleanup_(mem_freep) char *path = mem_printf("%s/%s", t->meta->location, name);
    return objstore_get(v->lake, path, VERIFY_FILE_BYTES, out, e);
}

/* Size and hash of an object of the table. 0, ERR_NOT_FOUND, or another failure. */
static int read_seal(const struct walk *w, const char *name, struct delta_seal *ret, struct err *e)
{
    _cleanup_(buf_deinit) struct buf data = BUF_NULL;
    TRY(verify__read_file(w->v, w->t, name, &data, e));
    ret->size = data.len;
    delta_hash(buf_slice(&data), ret->hash);
    w->v->report->lake_bytes += data.len;
    verify__progress(w->v, data.len);
    return 0;
}

/* ---- records ---- */

/* The records of @version; two that differ are a fault. NULL = none. */
static struct verify_record *find_record(const struct walk *w, int64_t version)
{
    size_t low = 0, high = w->t->record_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (w->t->records[mid]->commit.delta_version < version)
            low = mid + 1;
        else
            high = mid;
    }
    struct verify_record *first = NULL;
    for (; low < w->t->record_count && w->t->records[low]->commit.delta_version == version; low++) {
        struct verify_record *r = w->t->records[low];
        r->seen = true;
        if (first == NULL || first->commit.checkpoint_size == 0)
            first = r;
        if (memcmp(r->commit.commit_hash, first->commit.commit_hash, 16) != 0)
            verify__fault(w->v,
                          AT(.what = "different", .table = w->t->meta->name, .position = r->pos),
                          "two records of the log differ about version %lld", (long long)version);
    }
    return first;
}

/* ---- commits ---- */

static struct verify_file *find_file(const struct verify_table *t, const char *path)
{
    void *token = map_get(&t->paths, slice_str(path));
    size_t index = (size_t)(uintptr_t)token;
    return index > FOREIGN ? &t->files[index - FOREIGN - 1] : NULL;
}

static void know_path(struct verify_table *t, const char *path, size_t index)
{
    (void)map_put(&t->paths, slice_str(path), (void *)(uintptr_t)(index + FOREIGN + 1));
}

static void add_file(struct walk *w, const struct delta_entry *f)
{
    struct verify_table *t = w->t;
    if (find_file(t, f->path) != NULL)
        lake_fault(w, "doubled", f->path, "two commits add this file");
    if (t->file_count == t->file_cap) {
        t->file_cap = t->file_cap != 0 ? t->file_cap * 2 : 16;
        t->files = mem_realloc(t->files, t->file_cap * sizeof(*t->files));
    }
    struct verify_file *x = &t->files[t->file_count];
    *x = (struct verify_file){
        .path = mem_strdup(f->path),
        .version = w->version->version,
        .size = f->size,
        .row_count = f->row_count,
        .first_pos = f->first_pos,
        .last_pos = f->last_pos,
    };
    memcpy(x->hash, f->hash, sizeof(x->hash));
    const struct catalog_lake_commit *k = w->record != NULL ? &w->record->commit : NULL;
    x->recorded = k != NULL && strcmp(k->data_file, f->path) == 0 && k->data_size > 0;
    if (x->recorded) {
        x->size = k->data_size;
        memcpy(x->hash, k->data_hash, sizeof(x->hash));
    }
    know_path(t, f->path, t->file_count++);
}

static void on_entry(void *ctx, const struct delta_entry *f)
{
    struct walk *w = ctx;
    struct verify_file *known = find_file(w->t, f->path);
    if (known != NULL)
        known->removed = f->removed; /* RESTORE adds it again */
    if (!f->removed && w->version->ours && f->has_tags) {
        add_file(w, f);
    } else if (!f->removed && known == NULL) {
        (void)map_put(&w->t->paths, slice_str(f->path), (void *)(uintptr_t)FOREIGN);
        w->v->report->foreign_files++;
    }
}

static char *commit_name(int64_t version)
{
    return mem_printf("_delta_log/%020lld.json", (long long)version);
}

static void check_txn(struct walk *w, const char *name)
{
    const struct delta_version *d = w->version;
    if (d->txn <= 0)
        return;
    if ((bronze_pos)d->txn < w->t->txn)
        lake_fault(w, "order", name, "its txn is below that of an earlier version");
    w->t->txn = MAX(w->t->txn, (bronze_pos)d->txn);
    if (w->record != NULL && w->record->commit.position != (uint64_t)d->txn)
        lake_fault(w, "different", name, "its txn is not the position that the log has recorded");
}

static void check_commit(struct walk *w, const char *name)
{
    const struct delta_version *d = w->version;
    const struct verify_record *r = w->record;
    bool ours = d->ours || r != NULL;
    w->v->report->commits++;
    w->v->report->lake_bytes += d->commit.size;
    if (r != NULL && !seal_fits(&d->commit, r->commit.commit_size, r->commit.commit_hash))
        lake_fault(w, "damaged", name, "size or hash is not what the log has recorded");
    if (r == NULL && ours) {
        w->v->report->unrecorded_commits++;
        lake_note(w, "unrecorded", name,
                  "the log has no record of this commit: its bytes could not be checked");
    }
    if (!ours) {
        w->v->report->foreign_files++;
        lake_note(w, "foreign", name, "not ours: another writer's commit");
    }
    if (d->version == 0 && strcmp(d->table_id, w->t->meta->delta_id) != 0)
        lake_fault(w, "different", name, "it is of another Delta table");
    if (d->version > 0 && d->changes_table)
        lake_note(w, "foreign", name, "another writer has changed protocol or metaData");
    check_txn(w, name);
}

static int read_version(struct walk *w, int64_t version, struct err *e)
{
    _cleanup_(mem_freep) char *name = commit_name(version);
    struct delta_version d = {.version = version, .app_id = w->app_id};
    w->version = &d;
    w->record = find_record(w, version);
    int r = delta_version_read(w->v->lake, w->t->meta->location, &d, on_entry, w, e);
    if (r == ERR_DAMAGED || r == ERR_EXHAUSTED || r == ERR_NOT_FOUND) {
        lake_fault(w, r == ERR_NOT_FOUND ? "missing" : "damaged", name, e->text);
        return 0;
    }
    TRY(r);
    check_commit(w, name);
    w->t->version = version;
    if (w->record != NULL && w->record->commit.hint_size > 0)
        w->hint = w->record;
    return 0;
}

/* ---- the folder of commits ---- */

/* The version in "<20 digits><suffix>"; -1 = another name. */
static int64_t version_of(const char *name, const char *suffix)
{
    if (strspn(name, "0123456789") != 20 || strcmp(name + 20, suffix) != 0)
        return -1;
    return strtoll(name, NULL, 10);
}

static int read_versions(struct walk *w, const struct objstore_list *l, struct err *e)
{
    int64_t expected = 0;
    for (size_t i = 0; i < l->count; i++) {
        int64_t version = version_of(l->entries[i].name, ".json");
        if (version < 0)
            continue;
        for (; expected < version; expected++) {
            _cleanup_(mem_freep) char *name = commit_name(expected);
            (void)find_record(w, expected);
            lake_fault(w, "missing", name, "the commit is missing: the Delta log has a hole");
        }
        TRY(read_version(w, version, e));
        expected = version + 1;
    }
    for (size_t i = 0; i < w->t->record_count; i++) {
        const struct verify_record *r = w->t->records[i];
        _cleanup_(mem_freep) char *name = commit_name(r->commit.delta_version);
        if (!r->seen && !(w->v->report->live && r->commit.delta_version > w->t->version))
            lake_fault(w, "missing", name, "the log has recorded this commit, but it is not there");
    }
    return 0;
}

static int check_checkpoint(struct walk *w, const char *entry, int64_t version, struct err *e)
{
    _cleanup_(mem_freep) char *name = mem_printf("_delta_log/%s", entry);
    const struct verify_record *r = find_record(w, version);
    struct delta_seal seal;
    if (r == NULL || r->commit.checkpoint_size == 0) {
        lake_note(w, "foreign", name, "not ours, or not recorded: a checkpoint of another writer");
        w->newest_unrecorded = MAX(w->newest_unrecorded, version);
        w->v->report->foreign_files++;
        return 0;
    }
    TRY(read_seal(w, name, &seal, e));
    w->v->report->checkpoints++;
    if (!seal_fits(&seal, r->commit.checkpoint_size, r->commit.checkpoint_hash))
        lake_fault(w, "damaged", name, "size or hash is not what the log has recorded");
    return 0;
}

static int check_hint(struct walk *w, struct err *e)
{
    struct delta_seal seal;
    int r = read_seal(w, "_delta_log/" HINT_NAME, &seal, e);
    if (r == ERR_NOT_FOUND) {
        if (w->hint != NULL)
            lake_fault(w, "missing", "_delta_log/" HINT_NAME, "it is missing");
        return 0;
    }
    TRY(r);
    /* Whoever wrote a checkpoint that no record speaks of may have written this too. */
    if (w->hint == NULL || w->newest_unrecorded > w->hint->commit.delta_version ||
        w->v->report->live)
        lake_note(w, "unchecked", "_delta_log/" HINT_NAME, "not ours, or not recorded (yet)");
    else if (!seal_fits(&seal, w->hint->commit.hint_size, w->hint->commit.hint_hash))
        lake_fault(w, "damaged", "_delta_log/" HINT_NAME,
                   "size or hash is not what the log has recorded");
    return 0;
}

/* It carries its own hash, and that of the commit it stands for. */
static int check_state(struct walk *w, const char *name, struct err *e)
{
    int r = delta_state_check(w->v->lake, w->t->meta->location, e);
    if (r == ERR_DAMAGED)
        lake_fault(w, "damaged", name, e->text);
    return r == ERR_DAMAGED || r == ERR_NOT_FOUND ? 0 : r;
}

static bool is_checkpoint_there(const struct objstore_list *l, int64_t version)
{
    for (size_t i = 0; i < l->count; i++)
        if (version_of(l->entries[i].name, ".checkpoint.parquet") == version)
            return true;
    return false;
}

static int check_log_folder(struct walk *w, const struct objstore_list *l, struct err *e)
{
    for (size_t i = 0; i < l->count; i++) {
        const char *entry = l->entries[i].name;
        int64_t checkpoint = version_of(entry, ".checkpoint.parquet");
        _cleanup_(mem_freep) char *name = mem_printf("_delta_log/%s", entry);
        if (checkpoint >= 0)
            TRY(check_checkpoint(w, entry, checkpoint, e));
        else if (strcmp(entry, DELTA_STATE_NAME) == 0)
            TRY(check_state(w, name, e));
        else if (version_of(entry, ".json") < 0 && strcmp(entry, HINT_NAME) != 0)
            lake_note(w, "foreign", name, "not ours");
    }
    for (size_t i = 0; i < w->t->record_count; i++) {
        const struct catalog_lake_commit *k = &w->t->records[i]->commit;
        _cleanup_(mem_freep) char *name =
            mem_printf("_delta_log/%020lld.checkpoint.parquet", (long long)k->delta_version);
        if (k->checkpoint_size > 0 && !is_checkpoint_there(l, k->delta_version))
            lake_fault(w, "missing", name, "the log has recorded this checkpoint");
    }
    return check_hint(w, e);
}

/* ---- data files ---- */

static int by_position(const void *a, const void *b)
{
    const struct verify_file *x = a, *y = b;
    return (x->first_pos > y->first_pos) - (x->first_pos < y->first_pos);
}

static int check_data_file(struct walk *w, struct verify_file *f, struct err *e)
{
    struct delta_seal seal;
    int r = read_seal(w, f->path, &seal, e);
    if (r == ERR_NOT_FOUND) {
        f->missing = true;
        if (!f->removed)
            lake_fault(w, "missing", f->path, "the data file is missing");
        return 0;
    }
    TRY(r);
    w->v->report->data_files++;
    if (!seal_fits(&seal, f->size, f->hash)) {
        f->damaged = true;
        lake_fault(w, "damaged", f->path,
                   f->recorded ? "size or hash is not what the log has recorded"
                               : "size or hash is not what its commit says");
    }
    return 0;
}

/* Each position of a table may be in one file only (I3). */
static void check_positions(struct walk *w)
{
    const struct verify_file *before = NULL;
    struct verify_table *t = w->t;
    if (t->file_count > 0)
        qsort(t->files, t->file_count, sizeof(*t->files), by_position);
    for (size_t i = 0; i < t->file_count; i++) {
        struct verify_file *f = &t->files[i];
        know_path(t, f->path, i);
        t->rewritten |= f->removed;
        if (f->removed)
            continue;
        if (f->row_count == 0 || f->last_pos < f->first_pos ||
            f->last_pos - f->first_pos + 1 < f->row_count)
            lake_fault(w, "order", f->path, "its positions do not fit its number of rows");
        if (before != NULL && f->first_pos <= before->last_pos)
            lake_fault(w, "doubled", f->path,
                       "its positions are in another file of the table too: rows stand twice");
        if (f->last_pos > t->txn)
            lake_fault(w, "order", f->path, "its last position is above the table's txn");
        before = f;
    }
}

static int name_the_rest(struct walk *w, struct err *e)
{
    _cleanup_(objstore_list_deinit) struct objstore_list l = {NULL, 0};
    TRY(objstore_list(w->v->lake, w->t->meta->location, "", &l, e));
    for (size_t i = 0; i < l.count; i++) {
        const char *name = l.entries[i].name;
        uint64_t pos = delta_data_name_pos(name);
        if (find_file(w->t, name) != NULL)
            continue;
        bool young = w->v->report->live && pos > w->t->txn; /* its commit came, or comes, later */
        if (map_get(&w->t->paths, slice_str(name)) == NULL && young)
            continue;
        if (map_get(&w->t->paths, slice_str(name)) == NULL && pos > 0) {
            w->v->report->orphan_files++;
            lake_note(w, "orphan", name, "an orphan: no commit adds it");
        } else {
            lake_note(w, "foreign", name, "not ours: another writer's file");
        }
    }
    return 0;
}

/* ---- a table ---- */

static void make_app_id(struct walk *w)
{
    delta_app_id(&w->v->log.uuid, w->v->log.timeline, w->t->meta->id, w->app_id);
}

static int check_table(struct verify *v, struct verify_table *t, struct err *e)
{
    struct walk w = {.v = v, .t = t, .newest_unrecorded = -1};
    _cleanup_(mem_freep) char *folder = mem_printf("%s/_delta_log", t->meta->location);
    _cleanup_(objstore_list_deinit) struct objstore_list l = {NULL, 0};
    make_app_id(&w);
    TRY(objstore_list(v->lake, folder, "", &l, e));
    TRY(read_versions(&w, &l, e));
    TRY(check_log_folder(&w, &l, e));
    check_positions(&w);
    return 0;
}

int verify__lake(struct verify *v, struct err *e)
{
    verify__stage(v, "lake", 0);
    for (size_t i = 0; i < v->table_count; i++)
        TRY(check_table(v, v->tables[i], e));
    return 0;
}

int verify__lake_files(struct verify *v, struct err *e)
{
    verify__stage(v, "data files", 0);
    for (size_t i = 0; i < v->table_count; i++) {
        struct verify_table *t = v->tables[i];
        struct walk w = {.v = v, .t = t};
        for (size_t k = 0; k < t->file_count; k++)
            TRY(check_data_file(&w, &t->files[k], e));
        TRY(name_the_rest(&w, e));
    }
    return 0;
}
