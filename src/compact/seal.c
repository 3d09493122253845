/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a table's log what we made it (rule D7)? When the table is opened, the newest commit files,
 * and the newest checkpoint among them, are compared with the records that the store keeps: JSON
 * has no checksum of its own, and a changed byte may still parse. All of it is `sluice verify`'s
 * work; this is what a start can afford.
 *
 * Runs on the worker.
 */
#include "compact/compact.h"

#include "base/bits.h"
#include "base/mem.h"
#include "objstore/objstore.h"
#include "store/keys.h"
#include "store/store.h"

#include "compact_priv.h"

#define COMMITS_CHECKED 16
#define RECORDS_LOOKED  128 /* a checkpoint stands behind every 100th version */

static void take_nothing(void *ctx, const struct delta_entry *f)
{
    (void)ctx;
    (void)f;
}

static int differs(const struct compact *c, const char *name, const struct delta_seal *is,
                   uint64_t size, const uint8_t hash[16], struct err *e)
{
    if (size == 0 || (is->size == size && memcmp(is->hash, hash, sizeof(is->hash)) == 0))
        return 0;
    return err_set(e, ERR_DAMAGED,
                   "%s/%s is damaged: it has %llu bytes, the log recorded %llu%s; restore it from "
                   "a copy, or see `sluice verify`",
                   objstore_root(c->d.lake), name, (unsigned long long)is->size,
                   (unsigned long long)size, is->size == size ? " and another hash" : "");
}

static int check_commit(struct compact *c, const struct compact_table *t,
                        const struct catalog_lake_commit *k, struct err *e)
{
    _cleanup_(mem_freep) char *name =
        mem_printf("%s/_delta_log/%020lld.json", t->meta->location, (long long)k->delta_version);
    struct delta_version v = {.version = k->delta_version};
    TRY(delta_version_read(c->d.lake, t->meta->location, &v, take_nothing, NULL, e));
    return differs(c, name, &v.commit, k->commit_size, k->commit_hash, e);
}

/* One that is gone may have been cleaned up by another writer. */
static int check_checkpoint(struct compact *c, const struct compact_table *t,
                            const struct catalog_lake_commit *k, struct err *e)
{
    _cleanup_(mem_freep) char *name = mem_printf("%s/_delta_log/%020lld.checkpoint.parquet",
                                                 t->meta->location, (long long)k->delta_version);
    struct delta_seal file, hint;
    TRY(delta_checkpoint_seals(c->d.lake, t->meta->location, k->delta_version, &file, &hint, e));
    return file.size == 0 ? 0 : differs(c, name, &file, k->checkpoint_size, k->checkpoint_hash, e);
}

/* The record of the newest version at or below @version; STORE_ABSENT. */
static int record_at(struct compact *c, uint32_t table_id, int64_t version,
                     char name[CATALOG_FILE_NAME_MAX], struct catalog_lake_commit *ret,
                     struct err *e)
{
    uint8_t key[13] = {STORE_LAKE};
    put_be32(key + 1, table_id);
    put_be64(key + 5, (uint64_t)version);
    struct store_iter *it = store_iter_new(c->d.store, NULL);
    int r = STORE_ABSENT;
    store_iter_seek_back(it, slice_of(key, sizeof(key)));
    if (store_iter_valid(it)) {
        struct slice found = store_iter_key(it), value = store_iter_value(it);
        bool same = found.len == sizeof(key) && memcmp(found.data, key, 5) == 0 && value.len > 8;
        if (same && catalog_lake_commit_of(slice_of(value.data + 8, value.len - 8), name, ret))
            r = STORE_FOUND;
    } else {
        r = store_iter_status(it, e);
        r = r < 0 ? r : STORE_ABSENT;
    }
    (void)store_iter_free(it);
    return r;
}

int compact__seals_check(struct compact *c, const struct compact_table *t, struct err *e)
{
    int64_t version = delta_version(t->delta);
    bool checkpoint_seen = false;
    for (unsigned i = 0; i < RECORDS_LOOKED && version >= 0; i++) {
        char name[CATALOG_FILE_NAME_MAX];
        struct catalog_lake_commit k;
        int r = record_at(c, t->id, version, name, &k, e);
        if (r != STORE_FOUND)
            return 0; /* a store that cannot be read is not the table's fault, and told elsewhere */
        if (i < COMMITS_CHECKED)
            TRY(check_commit(c, t, &k, e));
        if (!checkpoint_seen && k.checkpoint_size > 0) {
            checkpoint_seen = true;
            TRY(check_checkpoint(c, t, &k, e));
        }
        version = k.delta_version - 1;
    }
    return 0;
}
