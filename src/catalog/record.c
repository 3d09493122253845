/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control records on their way into the log: packing, appending, waiting, and the gate that lets
 * one control operation through at a time (rule L7: one owner). A record whose durability nobody
 * could await stays "pending": the next operation first waits for it and applies it, so that what
 * is in force is always what the log says, in its order. When no operation comes, catalog_settle()
 * does.
 */
#include "catalog_priv.h"

#include "base/mem.h"
#include "base/must.h"

record *catalog__record_of(const struct bronze_frame *f)
{
    size_t at = 0;
    struct slice bytes;
    if (!bronze_frame_row(f, &at, &bytes))
        return NULL;
    record *r = sluice__control__record__unpack(NULL, bytes.len, bytes.data);
    if (r != NULL && r->what_case == SLUICE__CONTROL__RECORD__WHAT__NOT_SET) {
        catalog__record_free(r); /* a kind that this build does not know */
        return NULL;
    }
    return r;
}

void catalog__record_free(record *r)
{
    if (r != NULL)
        sluice__control__record__free_unpacked(r, NULL);
}

void catalog__record_pack(const record *r, struct buf *out)
{
    size_t len = sluice__control__record__get_packed_size(r);
    size_t written = sluice__control__record__pack(r, buf_reserve(out, len));
    must(written == len);
    out->len += len;
}

static int append_bytes(struct catalog *c, struct slice bytes, struct appended *ret)
{
    must(c->log != NULL);
    struct bronze_append a = {.kind = BRONZE_CONTROL, .rows = &bytes, .row_count = 1};
    int rc = bronze_append(c->log, &a);
    if (rc == 0)
        *ret = (struct appended){.pos = a.first_pos, .ticket = a.ticket};
    return rc;
}

static int too_large(int rc, struct err *e)
{
    return err_set(e, rc, "the control record does not fit into a block of the log");
}

int catalog__append(struct catalog *c, const record *r, struct appended *ret, struct err *e)
{
    struct buf bytes = BUF_NULL;
    catalog__record_pack(r, &bytes);
    int rc = append_bytes(c, buf_slice(&bytes), ret);
    buf_deinit(&bytes);
    return rc < 0 ? too_large(rc, e) : rc;
}

int catalog__full(int outcome, struct err *e)
{
    if (outcome == BRONZE_NO_SPACE)
        return err_set(e, ERR_NO_SPACE,
                       "the log has no space for a control record: the disk or the log's limit is "
                       "full; free space, or wait until the followers have caught up");
    return err_set(e, ERR_EXHAUSTED, "the log takes no records at the moment; try again");
}

int catalog__append_wait(struct catalog *c, const record *r, struct appended *ret, struct err *e)
{
    struct buf bytes = BUF_NULL;
    catalog__record_pack(r, &bytes);
    int rc = append_bytes(c, buf_slice(&bytes), ret);
    for (uint32_t ms = 0; rc > 0 && ms < APPEND_RETRY_MS_MAX; ms += APPEND_RETRY_STEP_MS) {
        sys_sleep_ms(c->sys, APPEND_RETRY_STEP_MS);
        rc = append_bytes(c, buf_slice(&bytes), ret);
    }
    buf_deinit(&bytes);
    if (rc > 0)
        return catalog__full(rc, e);
    return rc < 0 ? too_large(rc, e) : 0;
}

/* Wait for the pending record and apply it. Gate held. */
static int settle(struct catalog *c, struct err *e)
{
    if (c->pending.len == 0)
        return 0;
    if (bronze_wait(c->log, c->pending_ticket, DURABLE_WAIT_MS_MAX) < 0)
        return err_set(e, ERR_UNAVAILABLE,
                       "the log has not made a control record durable for %d s; it takes effect as "
                       "soon as it is: look at the result before you ask again",
                       DURABLE_WAIT_MS_MAX / 1000);
    record *r = sluice__control__record__unpack(NULL, c->pending.len, c->pending.data);
    must(r != NULL);
    buf_deinit(&c->pending);
    sys_mutex_lock(&c->lock);
    int rc = catalog__apply(c, c->pending_pos, r);
    sys_mutex_unlock(&c->lock);
    catalog__record_free(r);
    must(rc == 0);
    return 0;
}

int catalog__commit(struct catalog *c, const record *r, struct err *e)
{
    must(c->pending.len == 0);
    struct appended a;
    TRY(catalog__append_wait(c, r, &a, e));
    catalog__record_pack(r, &c->pending);
    c->pending_pos = a.pos;
    c->pending_ticket = a.ticket;
    return settle(c, e);
}

int catalog__enter(struct catalog *c, struct err *e)
{
    for (;;) {
        uint32_t seen = sys_event_read(&c->gate);
        sys_mutex_lock(&c->lock);
        bool mine = !c->busy;
        c->busy = true;
        sys_mutex_unlock(&c->lock);
        if (mine)
            break;
        sys_event_wait(&c->gate, seen, 1000 * 1000);
    }
    int rc = settle(c, e);
    if (rc < 0)
        catalog__leave(c);
    return rc;
}

bool catalog_settle(struct catalog *c)
{
    sys_mutex_lock(&c->lock);
    bool waits = c->busy || c->pending.len > 0;
    bool mine = !c->busy && waits && bronze_durable_ticket(c->log) >= c->pending_ticket;
    c->busy = c->busy || mine;
    sys_mutex_unlock(&c->lock);
    if (!mine)
        return waits;
    int rc = settle(c, NULL);
    must(rc == 0); /* there is nothing to wait for */
    catalog__leave(c);
    return false;
}

void catalog__leave(struct catalog *c)
{
    sys_mutex_lock(&c->lock);
    must(c->busy);
    c->busy = false;
    sys_mutex_unlock(&c->lock);
    sys_event_signal(&c->gate);
}
