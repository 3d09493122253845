/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at a table's log without being its writer: what one commit says of files, and the seals
 * (size, hash) of what lies behind it. Nothing is judged here.
 */
#include "delta/delta.h"

#include "base/mem.h"
#include "base/must.h"
#include "objstore/objstore.h"

#include "delta_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECKPOINT_BYTES_MAX (1u << 30)

int delta_version_read(struct objstore *o, const char *location, struct delta_version *v,
                       delta_entry_fn *fn, void *ctx, struct err *e)
{
    _cleanup_(delta__commit_deinit) struct delta__commit k = {0};
    TRY(delta__commit_read(o, location, v->version, &k, e));
    const char *id = delta__commit_table_id(&k), *engine = delta__commit_engine(&k);
    v->ours = delta__commit_is_ours(&k);
    v->changes_table = delta__commit_changes_table(&k) && !delta__commit_is_evolution(&k);
    v->txn = v->app_id ? delta__commit_txn(&k, v->app_id) : -1;
    v->commit.size = k.size;
    memcpy(v->commit.hash, k.hash, sizeof(k.hash));
    (void)snprintf(v->table_id, sizeof(v->table_id), "%s", id ? id : "");
    (void)snprintf(v->engine, sizeof(v->engine), "%s", engine ? engine : "");
    delta__commit_entries(&k, fn, ctx);
    return 0;
}

static int seal_read(struct objstore *o, const char *name, struct delta_seal *ret, struct err *e)
{
    _cleanup_(buf_deinit) struct buf data = BUF_NULL;
    *ret = (struct delta_seal){.size = 0};
    int r = objstore_get(o, name, CHECKPOINT_BYTES_MAX, &data, e);
    if (r == ERR_NOT_FOUND)
        return 0;
    TRY(r);
    ret->size = data.len;
    delta_hash(buf_slice(&data), ret->hash);
    return 0;
}

int delta_checkpoint_seals(struct objstore *o, const char *location, int64_t version,
                           struct delta_seal *ret_file, struct delta_seal *ret_hint, struct err *e)
{
    _cleanup_(mem_freep) char *file =
        mem_printf("%s/_delta_log/%020lld.checkpoint.parquet", location, (long long)version);
    _cleanup_(mem_freep) char *hint = mem_printf("%s/_delta_log/_last_checkpoint", location);
    TRY(seal_read(o, file, ret_file, e));
    *ret_hint = (struct delta_seal){.size = 0};
    if (ret_file->size > 0 && delta__hint_read(o, location) == version)
        TRY(seal_read(o, hint, ret_hint, e));
    return 0;
}
