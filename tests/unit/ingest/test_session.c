/* SPDX-License-Identifier: Apache-2.0 */
#include "session_priv.h"

#include "test.h"

#include <stdlib.h>

static struct session created(void)
{
    struct session s = {0};
    session_init(&s);
    session_created(&s, 1);
    cr_assert_eq(session_step(&s, 1).what, DO_SEND_CREATED);
    session_sent(&s);
    return s;
}

Test(ingest_session, answers_create_only_when_its_record_is_durable)
{
    struct session s = {0};
    session_init(&s);
    session_created(&s, 5);

    cr_assert_eq(session_step(&s, 4).what, DO_NOTHING);
    cr_assert_eq(session_step(&s, 5).what, DO_SEND_CREATED);
    cr_assert_eq(session_step(&s, 5).what, DO_NOTHING);
}

Test(ingest_session, refuses_rows_before_create)
{
    struct session s = {0};
    struct err e = {0};
    session_init(&s);

    cr_assert_eq(session_accept(&s, true, 0, &e), ERR_INVALID);
    cr_assert_not_null(strstr(e.text, "create_stream"));
}

Test(ingest_session, takes_each_offset_once_and_in_order)
{
    struct session s = created();
    struct err e = {0};

    cr_assert_eq(session_accept(&s, false, 0, &e), ERR_INVALID);
    cr_assert_eq(session_accept(&s, true, 1, &e), ERR_INVALID);
    cr_assert_eq(session_accept(&s, true, 0, &e), 0);
    session_appended(&s, 2, 0);
    cr_assert_eq(session_accept(&s, true, 0, &e), ERR_INVALID);
    cr_assert_not_null(strstr(e.text, "expected 1"));
    cr_assert_eq(session_accept(&s, true, 1, &e), 0);
}

Test(ingest_session, acknowledges_up_to_the_durable_block_and_no_further)
{
    struct session s = created();
    for (int i = 0; i < 10; i++)
        session_appended(&s, 2 + i / 5, 0); /* offsets 0-4 in block 2, 5-9 in block 3 */

    cr_assert_eq(session_step(&s, 1).what, DO_NOTHING);
    struct session_action a = session_step(&s, 2);
    cr_assert_eq(a.what, DO_SEND_ACK);
    cr_assert_eq(a.offset, 4);
    cr_assert_eq(session_step(&s, 3).what, DO_NOTHING); /* one send at a time */
    session_sent(&s);
    a = session_step(&s, 3);
    cr_assert_eq(a.offset, 9);
    session_sent(&s);
    cr_assert_eq(session_step(&s, 100).what, DO_NOTHING); /* never twice */
}

/* Rule R8: a poison row does not hide the fate of its neighbours. */
Test(ingest_session, ends_with_an_error_only_after_the_last_ack)
{
    struct session s = created();
    session_appended(&s, 2, 0);

    session_end(&s, ERR_INVALID, "bad row", SLICE_NULL);

    cr_assert_eq(session_step(&s, 1).what, DO_NOTHING);
    cr_assert_eq(session_step(&s, 2).what, DO_SEND_ACK);
    cr_assert_eq(session_step(&s, 2).what, DO_NOTHING);
    session_sent(&s);
    cr_assert_eq(session_step(&s, 2).what, DO_FINISH);
    cr_assert_eq(s.end_code, ERR_INVALID);
    cr_assert_str_eq(s.end_text, "bad row");
    session_deinit(&s);
}

/* The log stands still: the status comes without the acks that cannot be given. */
Test(ingest_session, ends_without_the_acks_that_it_abandons)
{
    struct session s = created();
    session_appended(&s, 2, 0);
    session_appended(&s, 3, 0);
    session_end(&s, ERR_EXHAUSTED, "no room", SLICE_NULL);
    cr_assert_eq(session_step(&s, 2).offset, 0);
    session_sent(&s);
    cr_assert_eq(session_step(&s, 2).what, DO_NOTHING);

    session_abandon(&s, 0, ERR_INTERNAL, "not this");

    cr_assert_eq(session_step(&s, 2).what, DO_FINISH);
    cr_assert_eq(s.acked, 0);
    cr_assert_str_eq(s.end_text, "no room");
    session_deinit(&s);
}

/* OK would claim that the second row is stored. */
Test(ingest_session, that_was_half_closed_does_not_end_in_order_without_its_acks)
{
    struct session s = created();
    session_appended(&s, 2, 0);
    session_half_closed(&s);
    cr_assert_eq(session_step(&s, 1).what, DO_NOTHING);

    session_abandon(&s, 0, ERR_EXHAUSTED, "the log stands still");

    cr_assert_eq(session_step(&s, 1).what, DO_FINISH);
    cr_assert_eq(s.end_code, ERR_EXHAUSTED);
    session_deinit(&s);
}

/* Its client did not take the ack before, so the durable end was not looked at for long. */
Test(ingest_session, that_is_abandoned_acknowledges_what_is_durable)
{
    struct session s = created();
    session_appended(&s, 2, 0);
    session_appended(&s, 3, 0);
    session_half_closed(&s);
    cr_assert_eq(session_step(&s, 2).offset, 0); /* on its way, and stays there */

    session_abandon(&s, 3, ERR_EXHAUSTED, "the log stands still");
    session_sent(&s);

    struct session_action last = session_step(&s, 3);
    cr_assert_eq(last.what, DO_SEND_ACK);
    cr_assert_eq(last.offset, 1);
    session_sent(&s);
    cr_assert_eq(session_step(&s, 3).what, DO_FINISH);
    cr_assert_eq(s.end_code, 0);
    session_deinit(&s);
}

Test(ingest_session, that_waits_for_nothing_is_not_abandoned)
{
    struct session s = created();
    session_half_closed(&s);

    session_abandon(&s, 0, ERR_EXHAUSTED, "the log stands still");

    cr_assert_eq(session_step(&s, 1).what, DO_FINISH);
    cr_assert_eq(s.end_code, 0);
    session_deinit(&s);
}

Test(ingest_session, announces_its_close_once_with_the_shortest_grace_and_behind_the_acks)
{
    struct session s = created();
    session_appended(&s, 2, 0);

    session_signal(&s, 5000);
    session_signal(&s, 1000);
    session_signal(&s, 3000);

    cr_assert_eq(session_step(&s, 2).what, DO_SEND_ACK);
    cr_assert_eq(session_step(&s, 2).what, DO_NOTHING); /* one send at a time */
    session_sent(&s);
    struct session_action a = session_step(&s, 2);
    cr_assert_eq(a.what, DO_SEND_SIGNAL);
    cr_assert_eq(a.grace_ms, 1000);
    session_sent(&s);
    session_signal(&s, 500);
    cr_assert_eq(session_step(&s, 2).what, DO_NOTHING);
}

/* What the log gets between signal and end is acknowledged all the same. */
Test(ingest_session, acknowledges_behind_its_signal_and_then_ends)
{
    struct session s = created();
    session_appended(&s, 2, 0);
    session_signal(&s, 1000);
    cr_assert_eq(session_step(&s, 1).what, DO_SEND_SIGNAL);
    session_sent(&s);

    session_end(&s, ERR_INVALID, "its table was replaced", SLICE_NULL);

    cr_assert_eq(session_step(&s, 1).what, DO_NOTHING);
    cr_assert_eq(session_step(&s, 2).what, DO_SEND_ACK);
    session_sent(&s);
    cr_assert_eq(session_step(&s, 2).what, DO_FINISH);
    session_deinit(&s);
}

Test(ingest_session, announces_no_close_before_its_create_reply_nor_when_it_ends_already)
{
    struct session s = {0};
    session_init(&s);
    session_signal(&s, 1000);
    cr_assert_eq(session_step(&s, 1).what, DO_NOTHING);
    session_created(&s, 1);
    cr_assert_eq(session_step(&s, 1).what, DO_SEND_CREATED);
    session_sent(&s);

    session_half_closed(&s);

    cr_assert_eq(session_step(&s, 1).what, DO_FINISH);
    session_deinit(&s);
}

Test(ingest_session, answers_create_even_when_the_client_has_half_closed_already)
{
    struct session s = {0};
    session_init(&s);
    session_created(&s, 1);
    session_appended(&s, 1, 0);

    session_half_closed(&s);

    cr_assert_eq(session_step(&s, 1).what, DO_SEND_CREATED);
    session_sent(&s);
    cr_assert_eq(session_step(&s, 1).what, DO_SEND_ACK);
    session_sent(&s);
    cr_assert_eq(session_step(&s, 1).what, DO_FINISH);
    cr_assert_eq(s.end_code, 0);
    session_deinit(&s);
}

/* More blocks in flight than places: an ack may come later, never too early, never be lost. */
Test(ingest_session, stays_right_when_more_blocks_wait_than_it_has_places_for)
{
    struct session s = created();
    unsigned seed = 7;
    uint64_t ticket_of[3000];
    uint64_t ticket = 2;
    for (int i = 0; i < 3000; i++) {
        session_appended(&s, ticket, 0);
        ticket_of[i] = ticket;
        ticket += (uint64_t)(rand_r(&seed) % 3);
    }

    int64_t acked = -1;
    for (uint64_t durable = 1; durable <= ticket; durable++) {
        struct session_action a = session_step(&s, durable);
        if (a.what != DO_SEND_ACK)
            continue;
        cr_assert_gt(a.offset, acked);
        acked = a.offset;
        cr_assert_leq(ticket_of[acked], durable);
        session_sent(&s);
    }

    cr_assert_eq(acked, 2999);
    cr_assert_not(session_waits(&s));
}
