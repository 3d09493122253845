/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalog's life: built from the log's control records at start, then kept by control
 * operations.
 *
 * Invariants
 *   C1  memory holds what the durable records of the log say, in their order; streams and
 *       descriptors are there from the moment their record is appended (their rows stand behind it
 *       in the log)
 *   C2  ids are never used twice, also after a restart: the log says which were given out
 *   C3  the lock is never held across I/O; appending (which copies) under it keeps C1's order
 *
 * A crash loses nothing that was answered: an operation is answered when its record is durable.
 */
#include "catalog_priv.h"

#include "base/mem.h"
#include "base/must.h"

struct catalog *catalog_new(struct sys *s)
{
    struct catalog *c = mem_zalloc(sizeof(*c));
    c->sys = s;
    c->lock = SYS_MUTEX_INIT;
    c->gate = SYS_EVENT_INIT;
    c->next_table_id = c->next_descriptor_id = 1;
    c->next_stream_id = 1;
    TAILQ_INIT(&c->open);
    TAILQ_INIT(&c->ended);
    return c;
}

struct catalog *catalog_free(struct catalog *c)
{
    if (c == NULL)
        return NULL;
    catalog__streams_free(c);
    catalog__tokens_free(c);
    catalog__tables_free(c);
    catalog__lake_free(c);
    buf_deinit(&c->pending);
    mem_free(c->replacing);
    mem_free(c);
    return NULL;
}

int catalog_on_control(void *ctx, const struct bronze_frame *f)
{
    struct catalog *c = ctx;
    _cleanup_(catalog__record_freep) record *r = catalog__record_of(f);
    if (r == NULL)
        return ERR_DAMAGED;
    sys_mutex_lock(&c->lock);
    int rc = catalog__apply(c, f->first_pos, r);
    sys_mutex_unlock(&c->lock);
    return rc;
}

/*
 * Streams end with the process that served them. Where a table's last row stands is not known
 * without reading the log, so lookups wait until all that was recovered is applied.
 */
void catalog_attach(struct catalog *c, struct bronze *log)
{
    must(c->log == NULL);
    sys_mutex_lock(&c->lock);
    c->log = log;
    c->begun_pos = 0;
    catalog__streams_end_all(c);
    bronze_pos end = bronze_appended_pos(log);
    struct entry *en;
    for (size_t i = 0; (en = map_next(&c->tables_by_id, &i)) != NULL;)
        atomic_store(&en->table->live->last_pos, end);
    sys_mutex_unlock(&c->lock);
}

bronze_pos catalog_snapshot_pos(struct catalog *c)
{
    sys_mutex_lock(&c->lock);
    bronze_pos pos = c->snapshot_pos;
    sys_mutex_unlock(&c->lock);
    return pos;
}
