/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a control record does to memory. The same code runs at start, over the records of the log,
 * and in service, once a record is durable. Every effect is idempotent and tolerates what it
 * refers to being unknown: the log below the newest snapshot may have been trimmed in the middle
 * of a table's story, and a snapshot states again what earlier records said (rule L7).
 */
#include "catalog_priv.h"

#include "base/must.h"

static void snapshot_begun(struct catalog *c, bronze_pos pos,
                           const Sluice__Control__SnapshotBegun *m)
{
    c->begun_pos = pos;
    c->next_table_id = MAX(c->next_table_id, m->next_table_id);
    c->next_descriptor_id = MAX(c->next_descriptor_id, m->next_descriptor_id);
    c->next_stream_id = MAX(c->next_stream_id, m->next_stream_id);
}

/* An end without its begin belongs to a snapshot whose head has been trimmed: no news. */
static void snapshot_ended(struct catalog *c)
{
    if (c->begun_pos != 0)
        c->snapshot_pos = c->begun_pos;
    c->begun_pos = 0;
}

static int apply_to_streams(struct catalog *c, const record *r)
{
    switch (r->what_case) {
    case SLUICE__CONTROL__RECORD__WHAT_DESCRIPTOR_ADDED:
        return catalog__descriptor_added(c, r->descriptor_added);
    case SLUICE__CONTROL__RECORD__WHAT_STREAM_OPENED:
        catalog__stream_opened(c, r->stream_opened);
        return 0;
    case SLUICE__CONTROL__RECORD__WHAT_STREAM_CLOSED:
        catalog__stream_closed(c, r->stream_closed->stream_id);
        return 0;
    default: return ERR_DAMAGED;
    }
}

int catalog__apply(struct catalog *c, bronze_pos pos, const record *r)
{
    switch (r->what_case) {
    case SLUICE__CONTROL__RECORD__WHAT_TABLE_CREATED:
        return catalog__table_created(c, pos, r->table_created, NULL);
    case SLUICE__CONTROL__RECORD__WHAT_TABLE_ALTERED:
        return catalog__table_altered(c, pos, r->table_altered);
    case SLUICE__CONTROL__RECORD__WHAT_TABLE_DROPPED:
        catalog__table_dropped(c, r->table_dropped->table_id);
        return 0;
    case SLUICE__CONTROL__RECORD__WHAT_TOKEN_CREATED:
        if (r->token_created->hash.len != CATALOG_HASH_BYTES)
            return ERR_DAMAGED;
        catalog__token_created(c, r->token_created);
        return 0;
    case SLUICE__CONTROL__RECORD__WHAT_TOKEN_REVOKED:
        catalog__token_revoked(c, r->token_revoked->name);
        return 0;
    case SLUICE__CONTROL__RECORD__WHAT_SNAPSHOT_BEGUN:
        snapshot_begun(c, pos, r->snapshot_begun);
        return 0;
    case SLUICE__CONTROL__RECORD__WHAT_SNAPSHOT_ENDED: snapshot_ended(c); return 0;
    case SLUICE__CONTROL__RECORD__WHAT_LAKE_COMMITTED:
        catalog__lake_committed(c, r->lake_committed);
        return 0;
    default: return apply_to_streams(c, r);
    }
}
