/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log's record of the lake (rule D7): size and hash of what was written. A commit is recorded
 * when it is done; version 0, and what a life committed whose record did not become durable, when
 * the table is opened again: then the record says what the lake held at that moment.
 *
 * Runs on the worker.
 */
#include "compact/compact.h"

#include "base/bits.h"
#include "base/mem.h"
#include "base/must.h"
#include "store/keys.h"
#include "store/store.h"

#include "compact_priv.h"

/* Beyond so many, the oldest stay without a record: a store that was lost had them. */
#define MISSED_VERSIONS_MAX 1000

void compact__record_add(struct compact *c, struct compact_record *r)
{
    r->next = NULL;
    *c->records_end = r;
    c->records_end = &r->next;
    c->record_count++;
}

/* The newest version that the store has a record of; -1 = none. */
static int stored_version(struct compact *c, uint32_t table_id, int64_t *ret_version, struct err *e)
{
    uint8_t key[13] = {STORE_LAKE};
    put_be32(key + 1, table_id);
    put_be64(key + 5, INT64_MAX);
    struct store_iter *it = store_iter_new(c->d.store, NULL);
    store_iter_seek_back(it, slice_of(key, sizeof(key)));
    *ret_version = -1;
    int r = 0;
    if (store_iter_valid(it)) {
        struct slice found = store_iter_key(it);
        if (found.len == sizeof(key) && memcmp(found.data, key, 5) == 0)
            *ret_version = (int64_t)get_be64(found.data + 5);
    } else {
        r = store_iter_status(it, e);
    }
    (void)store_iter_free(it);
    return r < 0 ? r : 0;
}

static void take_file(void *ctx, const struct delta_entry *f)
{
    struct compact_record *r = ctx;
    struct catalog_lake_commit *k = &r->commit;
    if (f->removed || !f->has_tags || strlen(f->path) >= sizeof(r->data_file))
        return;
    memcpy(r->data_file, f->path, strlen(f->path) + 1);
    k->data_size = f->size;
    memcpy(k->data_hash, f->hash, sizeof(k->data_hash));
    k->row_count = f->row_count;
    k->first_pos = f->first_pos;
    k->last_pos = f->last_pos;
}

/* What stands behind the commit. Its absence is no failure. */
static int add_checkpoint(struct compact *c, const struct compact_table *t,
                          struct catalog_lake_commit *k, struct err *e)
{
    struct delta_seal file = {.size = 0}, hint = {.size = 0};
    TRY(delta_checkpoint_seals(c->d.lake, t->meta->location, k->delta_version, &file, &hint, e));
    k->checkpoint_size = file.size;
    k->hint_size = hint.size;
    memcpy(k->checkpoint_hash, file.hash, sizeof(file.hash));
    memcpy(k->hint_hash, hint.hash, sizeof(hint.hash));
    return 0;
}

static int record_version(struct compact *c, const struct compact_table *t, int64_t version,
                          struct err *e)
{
    struct compact_record *r = mem_zalloc(sizeof(*r));
    struct delta_version v = {.version = version, .app_id = t->app_id};
    r->commit.table_id = t->id;
    r->commit.delta_version = version;
    r->commit.data_file = r->data_file;
    int rc = delta_version_read(c->d.lake, t->meta->location, &v, take_file, r, e);
    if (rc == 0 && v.ours && version > 0)
        rc = add_checkpoint(c, t, &r->commit, e);
    if (rc < 0 || !v.ours) {
        mem_free(r);
        return rc;
    }
    r->commit.position = v.txn > 0 ? (bronze_pos)v.txn : 0;
    r->commit.commit_size = v.commit.size;
    memcpy(r->commit.commit_hash, v.commit.hash, sizeof(v.commit.hash));
    compact__record_add(c, r);
    return 0;
}

int compact__record_missed(struct compact *c, struct compact_table *t, struct err *e)
{
    int64_t stored, newest = delta_version(t->delta);
    TRY(stored_version(c, t->id, &stored, e));
    int64_t known = MAX(stored, catalog_lake_version(c->d.catalog, t->id));
    if (known < 0)
        TRY(record_version(c, t, 0, e));
    int64_t from = MAX(MAX(known + 1, 1), newest - MISSED_VERSIONS_MAX + 1);
    for (int64_t v = from; v <= newest; v++)
        TRY(record_version(c, t, v, e));
    return 0;
}
