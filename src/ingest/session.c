/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The session's state machine (session_priv.h). Pure: no I/O, no clock, no allocation but the end's
 * sentence and details. On a crash of the process nothing of it survives; the client resends what
 * was not acknowledged.
 */
#include "session_priv.h"

#include "base/mem.h"
#include "base/must.h"

void session_init(struct session *s)
{
    s->acked = s->durable_offset = -1;
}

void session_deinit(struct session *s)
{
    mem_free(s->end_text);
    s->end_text = NULL;
    buf_deinit(&s->end_details);
}

void session_created(struct session *s, uint64_t ticket)
{
    must(s->phase == SESSION_OPENED);
    s->phase = SESSION_CREATING;
    s->create_ticket = ticket;
    s->create_waits = true;
}

int session_accept(const struct session *s, bool has_offset, int64_t offset, struct err *e)
{
    if (s->phase == SESSION_OPENED)
        return err_set(e, ERR_INVALID, "the first message of a stream must be create_stream");
    if (!has_offset)
        return err_set(e, ERR_INVALID, "a request has no offset_id; expected %lld",
                       (long long)s->next_offset);
    if (offset != s->next_offset)
        return err_set(
            e, ERR_INVALID,
            "offset %lld is out of order: expected %lld (offsets of a stream start at 0 and "
            "grow by one per request)",
            (long long)offset, (long long)s->next_offset);
    return 0;
}

void session_appended(struct session *s, uint64_t ticket, uint64_t now_ns)
{
    int64_t offset = s->next_offset++;
    if (s->count > 0) {
        struct session_pending *last = &s->pending[(s->first + s->count - 1) % SESSION_PENDING_MAX];
        must(ticket >= last->ticket);
        /* Same block; or no place left: then the newer ticket speaks for both, an ack later than
         * it could be. */
        if (last->ticket == ticket || s->count == SESSION_PENDING_MAX) {
            last->ticket = ticket;
            last->offset = offset;
            return;
        }
    }
    s->pending[(s->first + s->count) % SESSION_PENDING_MAX] =
        (struct session_pending){ticket, offset, now_ns};
    s->count++;
}

void session_half_closed(struct session *s)
{
    s->half_closed = true;
    session_end(s, 0, "", SLICE_NULL);
}

void session_end(struct session *s, int code, const char *text, struct slice details)
{
    if (s->phase >= SESSION_ENDING)
        return;
    s->phase = SESSION_ENDING;
    s->end_code = code;
    s->end_text = mem_strdup(text);
    buf_add_slice(&s->end_details, details);
}

/* Take in the durable end; returns when the oldest newly durable request arrived, 0 = none. */
static uint64_t take_durable(struct session *s, uint64_t durable_ticket)
{
    uint64_t oldest = 0;
    while (s->count > 0 && s->pending[s->first].ticket <= durable_ticket) {
        const struct session_pending *p = &s->pending[s->first];
        must(p->offset > s->durable_offset); /* S2 */
        s->durable_offset = p->offset;
        if (oldest == 0)
            oldest = p->arrived_ns;
        s->first = (s->first + 1) % SESSION_PENDING_MAX;
        s->count--;
    }
    return oldest;
}

void session_abandon(struct session *s, uint64_t durable_ticket, int code, const char *text)
{
    must(s->phase >= SESSION_ENDING);
    (void)take_durable(s, durable_ticket); /* what is durable is acknowledged yet (R8) */
    if (!session_waits(s))
        return;
    if (s->end_code == 0) {
        mem_free(s->end_text);
        s->end_code = code;
        s->end_text = mem_strdup(text);
    }
    s->count = 0;
    s->create_waits = false;
}

void session_signal(struct session *s, uint32_t grace_ms)
{
    s->grace_ms = s->signal_wanted ? MIN(s->grace_ms, grace_ms) : grace_ms;
    s->signal_wanted = true;
}

void session_sent(struct session *s)
{
    must(s->sending);
    s->sending = false;
}

struct session_action session_step(struct session *s, uint64_t durable_ticket)
{
    struct session_action a = {DO_NOTHING, 0, 0, 0};
    if (s->sending || s->phase == SESSION_ENDED || s->phase == SESSION_OPENED)
        return a;
    if (s->create_waits) {
        if (s->create_ticket > durable_ticket)
            return a;
        s->create_waits = false;
        if (s->phase == SESSION_CREATING)
            s->phase = SESSION_STREAMING;
        s->sending = true;
        a.what = DO_SEND_CREATED;
        return a;
    }
    uint64_t arrived = take_durable(s, durable_ticket);
    if (s->durable_offset > s->acked) {
        must(s->durable_offset < s->next_offset); /* S1 */
        s->acked = s->durable_offset;
        s->sending = true;
        return (struct session_action){DO_SEND_ACK, s->acked, arrived, 0};
    }
    if (s->phase == SESSION_ENDING && s->count == 0) {
        s->phase = SESSION_ENDED;
        a.what = DO_FINISH;
    } else if (s->signal_wanted && !s->signal_sent && s->phase == SESSION_STREAMING) {
        s->signal_sent = true;
        s->sending = true;
        a.what = DO_SEND_SIGNAL;
        a.grace_ms = s->grace_ms;
    }
    return a;
}
