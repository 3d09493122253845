/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalog's keys in the store: the records in force, each as it stands in the log, and what
 * went into the lake. Derived only; at start the log is the truth. Keys: docs/formats/store.md.
 * Apply thread.
 */
#include "catalog_priv.h"

#include "base/bits.h"
#include "base/mem.h"
#include "store/keys.h"
#include "store/store.h"

enum kind {
    KIND_TABLE = 't',
    KIND_VERSION = 'v',
    KIND_DESCRIPTOR = 'd',
    KIND_TOKEN = 'k',
    KIND_STREAM = 's'
};

static void key_start(struct buf *key, enum kind kind)
{
    buf_reset(key);
    buf_add_byte(key, STORE_CATALOG);
    buf_add_byte(key, (uint8_t)kind);
}

static void key_add32(struct buf *key, uint32_t v)
{
    put_be32(buf_reserve(key, 4), v);
    key->len += 4;
}

static void key_add64(struct buf *key, uint64_t v)
{
    put_be64(buf_reserve(key, 8), v);
    key->len += 8;
}

/* Position of the frame, then the record's bytes. */
static void put(struct store_batch *batch, const struct buf *key, const struct bronze_frame *f)
{
    size_t at = 0;
    struct slice bytes = SLICE_NULL;
    (void)bronze_frame_row(f, &at, &bytes);
    struct buf value = BUF_NULL;
    put_le64(buf_reserve(&value, 8), f->first_pos);
    value.len = 8;
    buf_add_slice(&value, bytes);
    store_batch_put(batch, buf_slice(key), buf_slice(&value));
    buf_deinit(&value);
}

/* All keys that begin with @kind's prefix and @table_id. */
static void delete_of_table(struct store_batch *batch, struct buf *from, uint32_t table_id)
{
    struct buf to = BUF_NULL;
    buf_add_slice(&to, buf_slice(from));
    key_add32(from, table_id);
    if (table_id == UINT32_MAX)
        to.data[to.len - 1]++;
    else
        key_add32(&to, table_id + 1);
    store_batch_delete_range(batch, buf_slice(from), buf_slice(&to));
    buf_deinit(&to);
}

static void table_dropped(struct store_batch *batch, struct buf *key, uint32_t id)
{
    key_start(key, KIND_TABLE);
    key_add32(key, id);
    store_batch_delete(batch, buf_slice(key));
    key_start(key, KIND_VERSION);
    delete_of_table(batch, key, id);
    key_start(key, KIND_DESCRIPTOR);
    delete_of_table(batch, key, id);
    buf_reset(key);
    buf_add_byte(key, STORE_LAKE);
    delete_of_table(batch, key, id);
}

static void persist_stream(const record *r, const struct bronze_frame *f, struct store_batch *batch,
                           struct buf *key)
{
    key_start(key, KIND_STREAM);
    switch (r->what_case) {
    case SLUICE__CONTROL__RECORD__WHAT_STREAM_OPENED:
        key_add64(key, r->stream_opened->stream_id);
        put(batch, key, f);
        return;
    case SLUICE__CONTROL__RECORD__WHAT_STREAM_CLOSED:
        key_add64(key, r->stream_closed->stream_id);
        store_batch_delete(batch, buf_slice(key));
        return;
    case SLUICE__CONTROL__RECORD__WHAT_SNAPSHOT_BEGUN: {
        /* Streams that no record closed went with an earlier life; the open ones follow. */
        struct buf to = BUF_NULL;
        key_start(&to, KIND_STREAM + 1);
        store_batch_delete_range(batch, buf_slice(key), buf_slice(&to));
        buf_deinit(&to);
        return;
    }
    default: return;
    }
}

static void persist(const record *r, const struct bronze_frame *f, struct store_batch *batch,
                    struct buf *key)
{
    switch (r->what_case) {
    case SLUICE__CONTROL__RECORD__WHAT_TABLE_CREATED:
        key_start(key, KIND_TABLE);
        key_add32(key, r->table_created->table_id);
        put(batch, key, f);
        return;
    case SLUICE__CONTROL__RECORD__WHAT_TABLE_ALTERED:
        key_start(key, KIND_VERSION);
        key_add32(key, r->table_altered->table_id);
        key_add32(key, r->table_altered->version);
        put(batch, key, f);
        return;
    case SLUICE__CONTROL__RECORD__WHAT_TABLE_DROPPED:
        table_dropped(batch, key, r->table_dropped->table_id);
        return;
    case SLUICE__CONTROL__RECORD__WHAT_TOKEN_CREATED:
        key_start(key, KIND_TOKEN);
        buf_add_str(key, r->token_created->name);
        put(batch, key, f);
        return;
    case SLUICE__CONTROL__RECORD__WHAT_TOKEN_REVOKED:
        key_start(key, KIND_TOKEN);
        buf_add_str(key, r->token_revoked->name);
        store_batch_delete(batch, buf_slice(key));
        return;
    case SLUICE__CONTROL__RECORD__WHAT_DESCRIPTOR_ADDED:
        key_start(key, KIND_DESCRIPTOR);
        key_add32(key, r->descriptor_added->table_id);
        key_add32(key, r->descriptor_added->descriptor_id);
        put(batch, key, f);
        return;
    case SLUICE__CONTROL__RECORD__WHAT_LAKE_COMMITTED:
        buf_reset(key);
        buf_add_byte(key, STORE_LAKE);
        key_add32(key, r->lake_committed->table_id);
        key_add64(key, (uint64_t)r->lake_committed->delta_version);
        put(batch, key, f);
        return;
    default: persist_stream(r, f, batch, key);
    }
}

void catalog_persist(struct catalog *c, const struct bronze_frame *f, struct store_batch *batch)
{
    (void)c;
    _cleanup_(catalog__record_freep) record *r = catalog__record_of(f);
    if (r == NULL)
        return; /* the log's own recovery refuses such a record; nothing to keep */
    struct buf key = BUF_NULL;
    persist(r, f, batch, &key);
    buf_deinit(&key);
}

uint32_t catalog_altered_table(const struct bronze_frame *f)
{
    _cleanup_(catalog__record_freep) record *r = catalog__record_of(f);
    if (r == NULL || r->what_case != SLUICE__CONTROL__RECORD__WHAT_TABLE_ALTERED)
        return 0;
    const Sluice__Control__TableCreated *m = r->table_altered;
    bool is_new = m->position == 0 && m->schema_version == m->version;
    return is_new ? m->table_id : 0;
}

uint32_t catalog_dropped_table(const struct bronze_frame *f)
{
    _cleanup_(catalog__record_freep) record *r = catalog__record_of(f);
    bool is_drop = r != NULL && r->what_case == SLUICE__CONTROL__RECORD__WHAT_TABLE_DROPPED;
    return is_drop ? r->table_dropped->table_id : 0;
}
