/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ingest step function under a random list of events, as its driver may feed them, against a
 * model that remembers the ticket of every request. Invariants S1 to S4 and rule R8 of
 * session_priv.h; at the end the log becomes durable and the stream must come to rest.
 *
 * Input: bytes, each an event with its argument.
 */
#include "fuzz.h"

#include "session_priv.h"

#define REQUESTS_MAX 4096

struct model {
    struct session s;
    uint64_t ticket, durable; /* the block that is open; the newest durable one */
    uint64_t tickets[REQUESTS_MAX];
    int64_t requests; /* appended */
    int64_t acked;
    bool created_sent, signal_sent, sending, finished, abandoned, half_closed;
    uint32_t grace_ms; /* the shortest that was wanted; UINT32_MAX = none */
    int code;          /* the first end's */
    bool has_end;
};

static void on_ack(struct model *m, int64_t offset)
{
    FUZZ_CHECK(m->created_sent);                           /* the create reply comes first */
    FUZZ_CHECK(offset > m->acked && offset < m->requests); /* S2 */
    FUZZ_CHECK(m->tickets[offset] <= m->durable);          /* S1 */
    m->acked = offset;
}

static void on_finish(struct model *m)
{
    FUZZ_CHECK(m->has_end && m->s.end_code == m->code);
    FUZZ_CHECK(m->abandoned || m->acked == m->requests - 1); /* R8 */
    m->finished = true;
}

/* One turn of the driver. True: something was done. */
static bool step(struct model *m)
{
    struct session_action a = session_step(&m->s, m->durable);
    if (a.what == DO_NOTHING)
        return false;
    FUZZ_CHECK(!m->sending && !m->finished); /* S3 */
    m->sending = a.what != DO_FINISH;
    switch (a.what) {
    case DO_SEND_CREATED:
        FUZZ_CHECK(!m->created_sent && m->s.create_ticket <= m->durable);
        m->created_sent = true;
        break;
    case DO_SEND_ACK: on_ack(m, a.offset); break;
    case DO_SEND_SIGNAL:
        FUZZ_CHECK(!m->signal_sent && m->created_sent && !m->has_end);
        FUZZ_CHECK(a.grace_ms == m->grace_ms && a.grace_ms != UINT32_MAX);
        m->signal_sent = true;
        break;
    default: on_finish(m); break;
    }
    FUZZ_CHECK(m->sending == m->s.sending);
    return true;
}

static void sent(struct model *m)
{
    if (!m->sending)
        return;
    session_sent(&m->s);
    m->sending = false;
}

static void end(struct model *m, int code)
{
    if (!m->has_end)
        m->code = code;
    m->has_end = true;
    session_end(&m->s, code, "the reason", SLICE_NULL);
}

static void request(struct model *m, uint8_t argument)
{
    if (m->s.phase >= SESSION_ENDING || m->requests == REQUESTS_MAX)
        return;
    bool has_offset = argument % 16 != 0;
    int64_t offset = m->requests + (argument % 16 == 1 ? 1 : argument % 16 == 2 ? -1 : 0);
    struct err e = {0};
    int r = session_accept(&m->s, has_offset, offset, &e);
    bool fine = has_offset && offset == m->requests && m->s.phase != SESSION_OPENED; /* S4 */
    FUZZ_CHECK((r == 0) == fine && (fine || e.text[0] != '\0'));
    if (r < 0) {
        end(m, ERR_INVALID);
        return;
    }
    m->ticket += argument >> 6;
    m->tickets[m->requests++] = m->ticket;
    session_appended(&m->s, m->ticket, 1);
}

static void event(struct model *m, uint8_t what, uint8_t argument)
{
    switch (what % 10) {
    case 0:
        if (m->s.phase == SESSION_OPENED)
            session_created(&m->s, m->ticket);
        break;
    case 1:
    case 2:
    case 3: request(m, argument); break;
    case 4:
        if (m->durable + argument % 8 <= m->ticket)
            m->durable += argument % 8;
        break;
    case 5: sent(m); break;
    case 6:
        if (argument % 16 == 0 && m->s.phase != SESSION_OPENED && !m->half_closed) {
            m->half_closed = true;
            if (!m->has_end)
                m->code = 0;
            m->has_end = true;
            session_half_closed(&m->s);
        }
        break;
    case 7:
        if (argument % 16 == 0)
            end(m, ERR_UNAVAILABLE);
        else if (argument % 16 == 1 && m->s.phase >= SESSION_ENDING) {
            m->abandoned = m->abandoned || session_waits(&m->s);
            if (session_waits(&m->s) && m->code == 0)
                m->code = ERR_EXHAUSTED;
            session_abandon(&m->s, 0, ERR_EXHAUSTED, "the log stands still");
        }
        break;
    case 8:
        if (!m->signal_sent && argument < m->grace_ms)
            m->grace_ms = argument;
        session_signal(&m->s, argument);
        break;
    default: break;
    }
    (void)step(m); /* the driver does so after every event */
}

/* All is durable and every send goes out: what was appended is acknowledged, an end is told. */
static void come_to_rest(struct model *m)
{
    m->durable = m->ticket;
    for (int turns = 0; turns < 8; turns++) {
        sent(m);
        if (!step(m))
            break;
    }
    FUZZ_CHECK(!m->sending && !session_waits(&m->s));
    FUZZ_CHECK(m->abandoned || m->acked == m->requests - 1);
    FUZZ_CHECK(m->finished == m->has_end);
    FUZZ_CHECK(!step(m));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct model m; /* large; cleared each time */
    struct fuzz_in in = fuzz_in(data, size);
    m = (struct model){.acked = -1, .ticket = 1, .grace_ms = UINT32_MAX};
    session_init(&m.s);
    for (unsigned i = 0; i < 8192 && fuzz_left(&in) > 0; i++) {
        uint8_t what = fuzz_u8(&in);
        event(&m, what, fuzz_u8(&in));
    }
    come_to_rest(&m);
    session_deinit(&m.s);
    return 0;
}
