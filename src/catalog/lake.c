/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What went into the lake (rule D7): the record of a commit, written, read back, and how far the
 * recovered log has them for each table. Any thread.
 */
#include "catalog_priv.h"

#include "base/bits.h"
#include "base/mem.h"
#include "store/keys.h"
#include "store/store.h"

static ProtobufCBinaryData hash_of(const uint8_t hash[16], uint64_t size)
{
    return (ProtobufCBinaryData){size > 0 ? 16 : 0, (uint8_t *)(uintptr_t)hash};
}

static Sluice__Control__LakeCommitted message_of(const struct catalog_lake_commit *k)
{
    Sluice__Control__LakeCommitted m = SLUICE__CONTROL__LAKE_COMMITTED__INIT;
    m.table_id = k->table_id;
    m.delta_version = k->delta_version;
    m.position = k->position;
    m.first_position = k->first_pos;
    m.last_position = k->last_pos;
    m.commit_hash = hash_of(k->commit_hash, k->commit_size);
    m.commit_size = k->commit_size;
    m.data_file = (char *)(uintptr_t)k->data_file;
    m.data_size = k->data_size;
    m.data_hash = hash_of(k->data_hash, k->data_size);
    m.row_count = k->row_count;
    m.checkpoint_hash = hash_of(k->checkpoint_hash, k->checkpoint_size);
    m.checkpoint_size = k->checkpoint_size;
    m.hint_hash = hash_of(k->hint_hash, k->hint_size);
    m.hint_size = k->hint_size;
    return m;
}

int catalog_log_commit(struct catalog *c, const struct catalog_lake_commit *k)
{
    Sluice__Control__LakeCommitted m = message_of(k);
    record r = SLUICE__CONTROL__RECORD__INIT;
    r.what_case = SLUICE__CONTROL__RECORD__WHAT_LAKE_COMMITTED;
    r.lake_committed = &m;
    struct appended a;
    return catalog__append(c, &r, &a, NULL);
}

void catalog_persist_lake(const struct catalog_lake_commit *k, struct store_batch *batch)
{
    Sluice__Control__LakeCommitted m = message_of(k);
    record r = SLUICE__CONTROL__RECORD__INIT;
    r.what_case = SLUICE__CONTROL__RECORD__WHAT_LAKE_COMMITTED;
    r.lake_committed = &m;
    struct buf value = BUF_NULL;
    put_le64(buf_reserve(&value, 8), 0);
    value.len = 8;
    catalog__record_pack(&r, &value);
    uint8_t key[13] = {STORE_LAKE};
    put_be32(key + 1, k->table_id);
    put_be64(key + 5, (uint64_t)k->delta_version);
    store_batch_put(batch, slice_of(key, sizeof(key)), buf_slice(&value));
    buf_deinit(&value);
}

/* ---- reading it back ---- */

static void take_hash(uint8_t to[16], const ProtobufCBinaryData *from)
{
    if (from->len == 16)
        memcpy(to, from->data, 16);
}

bool catalog_lake_commit_of(struct slice bytes, char name[CATALOG_FILE_NAME_MAX],
                            struct catalog_lake_commit *ret)
{
    _cleanup_(catalog__record_freep) record *r =
        sluice__control__record__unpack(NULL, bytes.len, bytes.data);
    if (r == NULL || r->what_case != SLUICE__CONTROL__RECORD__WHAT_LAKE_COMMITTED)
        return false;
    const Sluice__Control__LakeCommitted *m = r->lake_committed;
    size_t len = strnlen(m->data_file, CATALOG_FILE_NAME_MAX - 1);
    memcpy(name, m->data_file, len);
    name[len] = '\0';
    *ret = (struct catalog_lake_commit){
        .table_id = m->table_id,
        .delta_version = m->delta_version,
        .position = m->position,
        .first_pos = m->first_position,
        .last_pos = m->last_position,
        .commit_size = m->commit_size,
        .data_size = m->data_size,
        .row_count = m->row_count,
        .data_file = name,
        .checkpoint_size = m->checkpoint_size,
        .hint_size = m->hint_size,
    };
    take_hash(ret->commit_hash, &m->commit_hash);
    take_hash(ret->data_hash, &m->data_hash);
    take_hash(ret->checkpoint_hash, &m->checkpoint_hash);
    take_hash(ret->hint_hash, &m->hint_hash);
    return true;
}

/* ---- how far the log has them ---- */

void catalog__lake_committed(struct catalog *c, const Sluice__Control__LakeCommitted *m)
{
    int64_t *known = map_get(&c->lake_versions, catalog__key32(&m->table_id));
    if (known == NULL) {
        known = mem_alloc(sizeof(*known));
        *known = -1;
        (void)map_put(&c->lake_versions, catalog__key32(&m->table_id), known); /* was not there */
    }
    *known = MAX(*known, m->delta_version);
}

int64_t catalog_lake_version(struct catalog *c, uint32_t table_id)
{
    sys_mutex_lock(&c->lock);
    const int64_t *known = map_get(&c->lake_versions, catalog__key32(&table_id));
    int64_t version = known != NULL ? *known : -1;
    sys_mutex_unlock(&c->lock);
    return version;
}

void catalog__lake_free(struct catalog *c)
{
    int64_t *v;
    for (size_t i = 0; (v = map_next(&c->lake_versions, &i)) != NULL;)
        mem_free(v);
    map_deinit(&c->lake_versions);
}
