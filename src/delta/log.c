/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table's log as a writer sees it: which version is the newest, which positions are in it.
 *
 * Opening lists the commit files (from the version that _last_checkpoint hints at, when that
 * holds), refuses holes, checks version 0's protocol, and reads backwards to the newest commit of
 * ours. Each of our commits vouches for those below it, because delta_commit() looks at every
 * commit it loses a race to; so nothing below needs to be read again. Transactions are looked up
 * backwards the same way and remembered.
 */
#include "delta/delta.h"

#include "base/mem.h"
#include "base/must.h"
#include "objstore/objstore.h"
#include "sys/sys.h"

#include "delta_priv.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

void delta_hash(struct slice data, uint8_t ret_hash[16])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(data.data, data.len));
    memcpy(ret_hash, canonical.digest, 16);
}

/* The version of "<20 digits>.json", or -1. */
static int64_t version_of(const char *name)
{
    if (strlen(name) != 25 || strspn(name, "0123456789") != 20 || strcmp(name + 20, ".json") != 0)
        return -1;
    return strtoll(name, NULL, 10);
}

/* Commit files from @from on must follow each other without a hole; *ret_newest = -1: none. */
static int find_newest(struct objstore *o, const char *location, int64_t from, int64_t *ret_newest,
                       struct err *e)
{
    _cleanup_(mem_freep) char *folder = mem_printf("%s/_delta_log", location);
    _cleanup_(mem_freep) char *after =
        from > 0 ? mem_printf("%020lld.json", (long long)(from - 1)) : mem_strdup("");
    _cleanup_(objstore_list_deinit) struct objstore_list l = {NULL, 0};
    TRY(objstore_list(o, folder, after, &l, e));
    int64_t expected = from;
    for (size_t i = 0; i < l.count; i++) {
        int64_t v = version_of(l.entries[i].name);
        if (v < 0)
            continue;
        if (v != expected)
            return err_set(e, ERR_DAMAGED, "%s has a hole: version %lld is missing", folder,
                           (long long)expected);
        expected++;
    }
    *ret_newest = expected > from ? expected - 1 : -1;
    return 0;
}

void delta__txn_note(struct delta_table *t, const char *app_id, const struct delta__txn *x,
                     bool newest)
{
    struct delta__txn *known = map_get(&t->txns, slice_str(app_id));
    if (known && newest)
        *known = *x;
    if (known)
        return;
    known = mem_alloc(sizeof(*known));
    *known = *x;
    (void)map_put(&t->txns, slice_str(app_id), known); /* nothing stood there */
}

struct note {
    struct delta_table *table;
    bool newest;
};

static void note_txn(void *ctx, const char *app_id, const struct delta__txn *x)
{
    struct note *n = ctx;
    delta__txn_note(n->table, app_id, x, n->newest);
}

void delta__txns_note(struct delta_table *t, const struct delta__commit *k, bool newest)
{
    struct note n = {t, newest};
    delta__commit_txns(k, note_txn, &n);
}

static int read_first(struct delta_table *t, struct err *e)
{
    _cleanup_(delta__commit_deinit) struct delta__commit k = {0};
    int r = delta__commit_read(t->lake, t->location, 0, &k, e);
    if (r == ERR_NOT_FOUND)
        return err_set(e, ERR_DAMAGED, "%s has no version 0", t->location);
    TRY(r);
    TRY(delta__commit_protocol_check(&k, e));
    const char *id = delta__commit_table_id(&k);
    if (!id)
        return err_set(e, ERR_DAMAGED, "version 0 of %s has no metaData", t->location);
    t->id = mem_strdup(id);
    t->last_ict_ms = MAX(t->last_ict_ms, delta__commit_ict_ms(&k));
    return 0;
}

/* Reads version txns_from - 1. *ret_ours: it is a commit of ours. */
static int read_back(struct delta_table *t, bool *ret_ours, struct err *e)
{
    int64_t version = t->txns_from - 1;
    must(version >= 0);
    _cleanup_(delta__commit_deinit) struct delta__commit k = {0};
    int r = delta__commit_read(t->lake, t->location, version, &k, e);
    if (r == ERR_NOT_FOUND)
        return err_set(e, ERR_DAMAGED, "%s has a hole: version %lld is missing", t->location,
                       (long long)version);
    TRY(r);
    if (version > 0 && delta__commit_changes_table(&k) && !delta__commit_is_evolution(&k))
        return err_set(e, ERR_UNSUPPORTED,
                       "%s: version %lld, by another writer, changes protocol or metaData",
                       t->location, (long long)version);
    delta__txns_note(t, &k, false);
    t->last_ict_ms = MAX(t->last_ict_ms, delta__commit_ict_ms(&k));
    t->txns_from = version;
    *ret_ours = delta__commit_is_ours(&k);
    return 0;
}

static int open_at(struct delta_table *t, struct err *e)
{
    int64_t hint = delta__hint_read(t->lake, t->location);
    int64_t newest = -1;
    if (hint > 0 && find_newest(t->lake, t->location, hint, &newest, NULL) < 0)
        newest = -1;
    if (newest < 0) {
        hint = 0;
        TRY(find_newest(t->lake, t->location, 0, &newest, e));
    }
    if (newest < 0)
        return err_set(e, ERR_NOT_FOUND, "%s has no Delta log", t->location);
    t->version = newest;
    t->txns_from = newest + 1;
    t->checkpoint_next = hint + DELTA_CHECKPOINT_EVERY;
    _cleanup_(mem_freep) char *folder = mem_printf("%s/_delta_log", t->location);
    TRY(objstore_settle(t->lake, folder, e)); /* what was seen is built upon (D4) */
    TRY(read_first(t, e));
    for (bool ours = false; !ours && t->txns_from > 0;)
        TRY(read_back(t, &ours, e));
    return 0;
}

int delta_open(struct sys *s, struct objstore *o, const char *location,
               struct delta_table **ret_table, struct err *e)
{
    struct delta_table *t = mem_zalloc(sizeof(*t));
    t->sys = s;
    t->lake = o;
    t->location = mem_strdup(location);
    t->txns = MAP_NULL;
    t->last_ict_ms = -1;
    int r = open_at(t, e);
    if (r < 0) {
        delta_close(t);
        return r;
    }
    *ret_table = t;
    return 0;
}

struct delta_table *delta_close(struct delta_table *t)
{
    if (!t)
        return NULL;
    struct delta__txn *x;
    for (size_t i = 0; (x = map_next(&t->txns, &i)) != NULL;)
        mem_free(x);
    map_deinit(&t->txns);
    mem_free(t->location);
    mem_free(t->id);
    mem_free(t);
    return NULL;
}

int64_t delta_version(const struct delta_table *t)
{
    return t->version;
}

const char *delta_id(const struct delta_table *t)
{
    return t->id;
}

int delta_txn(struct delta_table *t, const char *app_id, int64_t *ret_version, struct err *e)
{
    const struct delta__txn *known;
    while (!(known = map_get(&t->txns, slice_str(app_id))) && t->txns_from > 0) {
        bool ours;
        TRY(read_back(t, &ours, e));
    }
    *ret_version = known ? known->version : -1;
    return 0;
}

int64_t delta_txn_ms(const struct delta_table *t, const char *app_id)
{
    const struct delta__txn *known = map_get(&t->txns, slice_str(app_id));
    return known ? known->updated_ms : -1;
}
