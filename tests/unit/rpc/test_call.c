/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "base/limits.h"
#include "base/mem.h"

#include "test.h"

#include <stdio.h>

/* ---- unary ---- */

Test(rpc_unary, answers_with_the_reply_and_ok)
{
    struct rig g;
    char out[64];
    rig_init(&g, RIG_PLAIN, 1);

    int status = unary(&g, "/t.T/Echo", slice_str("hello"), out, sizeof(out));

    cr_assert_eq(status, 0);
    cr_assert_str_eq(out, "hello");
    rig_await(&g, &g.seen.closed, 1);
    cr_assert_eq(g.seen.cancelled, 0);
    cr_assert_eq(g.seen.opened, 1);
    rig_deinit(&g);
}

Test(rpc_unary, takes_more_calls_than_it_has_accepts_posted)
{
    struct rig g;
    char out[64];
    rig_init(&g, RIG_PLAIN, 2);

    for (int i = 0; i < 200; i++)
        cr_assert_eq(unary(&g, "/t.T/Echo", slice_str("x"), out, sizeof(out)), 0);

    rig_await(&g, &g.seen.closed, 200);
    rig_deinit(&g);
}

Test(rpc_unary, carries_megabytes_and_nothing)
{
    struct rig g;
    size_t len = 3u << 20;
    uint8_t *data = mem_alloc(len);
    char *out = mem_alloc(len + 1);
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(i * 7 + (i >> 9));
    rig_init(&g, RIG_PLAIN, 1);

    int big = unary(&g, "/t.T/Echo", slice_of(data, len), out, len + 1);
    bool same = memcmp(data, out, len) == 0;
    int empty = unary(&g, "/t.T/Echo", slice_of("", 0), out, len);

    cr_assert_eq(big, 0);
    cr_assert(same);
    cr_assert_eq(empty, 0);
    cr_assert_eq(out[0], '\0');
    rig_deinit(&g);
    mem_free(data);
    mem_free(out);
}

Test(rpc_unary, shows_header_peer_and_deadline)
{
    struct rig g;
    struct ccall c;
    char out[128] = {0};
    rig_init(&g, RIG_PLAIN, 1);

    ccall_init_header(&c, &g, "/t.T/Facts", "x-fact", "water is wet");
    cr_assert(ccall_send(&c, slice_str("?")));
    cr_assert(ccall_half_close(&c));
    (void)ccall_recv(&c, out, sizeof(out) - 1);
    cr_assert_str_eq(out, "water is wet|ipv4|y");
    cr_assert_eq(ccall_status(&c), 0);
    ccall_deinit(&c);

    cr_assert_eq(unary(&g, "/t.T/Facts", slice_str("?"), out, sizeof(out)), 0);
    cr_assert_str_eq(out, "|ipv4|n");
    rig_deinit(&g);
}

Test(rpc_unary, ends_with_the_first_status_of_on_open_and_shows_no_message)
{
    struct rig g;
    char out[128];
    rig_init(&g, RIG_PLAIN, 1);

    int status = unary(&g, "/t.T/Deny", slice_str("secret"), out, sizeof(out));

    cr_assert_eq(status, err_grpc_status(ERR_DENIED));
    cr_assert_str_eq(out, "not for you");
    rig_await(&g, &g.seen.closed, 1);
    cr_assert_eq(g.seen.messages, 0);
    rig_deinit(&g);
}

Test(rpc_unary, without_a_message_is_invalid)
{
    struct rig g;
    struct ccall c;
    rig_init(&g, RIG_PLAIN, 1);

    ccall_init(&c, &g, "/t.T/Echo", NO_DEADLINE);
    (void)ccall_half_close(&c);

    cr_assert_eq(ccall_status(&c), err_grpc_status(ERR_INVALID));
    ccall_deinit(&c);
    rig_await(&g, &g.seen.closed, 1);
    cr_assert_eq(g.seen.messages, 0);
    rig_deinit(&g);
}

Test(rpc_unary, may_be_answered_later_from_a_post)
{
    struct rig g;
    struct ccall c;
    char out[16] = {0};
    rig_init(&g, RIG_PLAIN, 1);
    ccall_init(&c, &g, "/t.T/Later", NO_DEADLINE);
    cr_assert(ccall_send(&c, slice_str("?")));
    cr_assert(ccall_half_close(&c));
    rig_await(&g, &g.seen.messages, 1);

    rig_answer_later(&g);

    cr_assert_eq(ccall_recv(&c, out, sizeof(out) - 1), 5);
    cr_assert_str_eq(out, "later");
    cr_assert_eq(ccall_status(&c), 0);
    rig_await(&g, &g.seen.closed, 1);
    cr_assert_eq(g.seen.cancelled, 0);
    ccall_deinit(&c);
    rig_deinit(&g);
}

/* The client gives up while the service still thinks; the service's answer afterwards is
 * harmless. */
Test(rpc_unary, tells_of_a_cancellation_before_the_answer)
{
    struct rig g;
    struct ccall c;
    rig_init(&g, RIG_PLAIN, 1);
    ccall_init(&c, &g, "/t.T/Later", NO_DEADLINE);
    cr_assert(ccall_send(&c, slice_str("?")));
    rig_await(&g, &g.seen.messages, 1);

    ccall_deinit(&c);

    rig_await(&g, &g.seen.closed, 1);
    cr_assert_eq(g.seen.cancelled, 1);
    rig_answer_later(&g);
    rig_await(&g, &g.seen.ran, 1);
    cr_assert_eq(g.seen.closed, 1);
    rig_deinit(&g);
}

Test(rpc_unary, of_an_unknown_method_is_unimplemented_and_named)
{
    struct rig g;
    char out[128];
    rig_init(&g, RIG_PLAIN, 1);

    for (int i = 0; i < 40; i++) {
        int status = unary(&g, "/t.T/Nobody", slice_str("?"), out, sizeof(out));
        cr_assert_eq(status, err_grpc_status(ERR_UNSUPPORTED));
        cr_assert_str_eq(out, "unknown method /t.T/Nobody");
    }

    rig_deinit(&g);
}

Test(rpc_unary, beyond_the_transport_limit_is_refused_by_the_core)
{
    struct rig g;
    char out[256];
    size_t len = TRANSPORT_MESSAGE_BYTES_MAX + 1;
    uint8_t *data = mem_zalloc(len);
    rig_init(&g, RIG_PLAIN, 1);

    int status = unary(&g, "/t.T/Echo", slice_of(data, len), out, sizeof(out));

    cr_assert_eq(status, err_grpc_status(ERR_EXHAUSTED));
    cr_assert_eq(g.seen.messages, 0);
    cr_assert_eq(unary(&g, "/t.T/Echo", slice_str("next"), out, sizeof(out)), 0);
    rig_deinit(&g);
    mem_free(data);
}

/* ---- streams ---- */

Test(rpc_stream, echoes_many_messages_in_order)
{
    struct rig g;
    struct ccall c;
    rig_init(&g, RIG_PLAIN, 1);
    ccall_init(&c, &g, "/t.T/Chat", NO_DEADLINE);

    for (int i = 0; i < 5000; i++) {
        int back = -1;
        cr_assert(ccall_send(&c, slice_of(&i, sizeof(i))));
        cr_assert_eq(ccall_recv(&c, &back, sizeof(back)), sizeof(i));
        cr_assert_eq(back, i);
    }
    cr_assert(ccall_half_close(&c));

    cr_assert_eq(ccall_status(&c), 0);
    ccall_deinit(&c);
    rig_await(&g, &g.seen.closed, 1);
    cr_assert_eq(g.seen.cancelled, 0);
    cr_assert_eq(g.seen.half_closed, 1);
    cr_assert_eq(g.seen.last_count, 5000);
    rig_deinit(&g);
}

Test(rpc_stream, starts_with_zeroed_state_though_its_memory_was_used_before)
{
    struct rig g;
    rig_init(&g, RIG_PLAIN, 1);

    for (int i = 0; i < 20; i++) {
        struct ccall c;
        char back;
        ccall_init(&c, &g, "/t.T/Chat", NO_DEADLINE);
        cr_assert(ccall_send(&c, slice_str("x")));
        cr_assert_eq(ccall_recv(&c, &back, 1), 1);
        cr_assert_eq(g.seen.last_count, 1);
        ccall_deinit(&c);
        rig_await(&g, &g.seen.closed, i + 1);
    }

    rig_deinit(&g);
}

/* The Rust client sends nothing before the response headers; zerobus section 1.4. */
Test(rpc_stream, greets_before_anything_is_received)
{
    struct rig g;
    struct ccall c;
    rig_init(&g, RIG_PLAIN, 1);
    ccall_init(&c, &g, "/t.T/Mute", NO_DEADLINE);

    ccall_await_greeting(&c);

    rig_await(&g, &g.seen.opened, 1);
    cr_assert_eq(g.seen.messages, 0);
    ccall_deinit(&c);
    rig_deinit(&g);
}

Test(rpc_stream, sends_the_status_behind_the_message_in_flight)
{
    struct rig g;
    struct ccall c;
    char out[64] = {0};
    rig_init(&g, RIG_PLAIN, 1);
    ccall_init(&c, &g, "/t.T/Last", NO_DEADLINE);
    cr_assert(ccall_send(&c, slice_str("one")));

    cr_assert_eq(ccall_recv(&c, out, sizeof(out) - 1), 3);
    cr_assert_str_eq(out, "one");
    cr_assert_eq(ccall_recv(&c, out, sizeof(out)), -1);
    cr_assert_eq(ccall_status(&c), err_grpc_status(ERR_EXHAUSTED));
    cr_assert_str_eq(c.text, "that was the last");
    cr_assert(
        slice_eq(ccall_trailer(&c, "grpc-status-details-bin"), slice_of("\0\xff details", 10)));

    ccall_deinit(&c);
    rig_await(&g, &g.seen.closed, 1);
    cr_assert_eq(g.seen.cancelled, 0);
    cr_assert_eq(g.seen.sent, 0);
    rig_deinit(&g);
}

Test(rpc_stream, may_be_refused_in_on_open)
{
    struct rig g;
    struct ccall c;
    rig_init(&g, RIG_PLAIN, 1);
    ccall_init(&c, &g, "/t.T/Closed", NO_DEADLINE);

    cr_assert_eq(ccall_status(&c), err_grpc_status(ERR_DENIED));
    cr_assert_str_eq(c.text, "not for you");
    cr_assert_null(ccall_trailer(&c, "grpc-status-details-bin").data);

    ccall_deinit(&c);
    rig_await(&g, &g.seen.closed, 1);
    cr_assert_eq(g.seen.messages, 0);
    rig_deinit(&g);
}

/* A receive is open when the client goes: that is no half close. */
Test(rpc_stream, tells_a_cancellation_from_a_half_close)
{
    struct rig g;
    rig_init(&g, RIG_PLAIN, 1);

    for (int i = 0; i < 50; i++) {
        struct ccall c;
        char back;
        ccall_init(&c, &g, "/t.T/Chat", NO_DEADLINE);
        cr_assert(ccall_send(&c, slice_str("x")));
        cr_assert_eq(ccall_recv(&c, &back, 1), 1);
        ccall_deinit(&c);
    }

    rig_await(&g, &g.seen.closed, 50);
    cr_assert_eq(g.seen.cancelled, 50);
    cr_assert_eq(g.seen.half_closed, 0);
    rig_deinit(&g);
}

Test(rpc_stream, is_cancelled_when_its_deadline_passes)
{
    struct rig g;
    struct ccall c;
    rig_init(&g, RIG_PLAIN, 1);

    ccall_init(&c, &g, "/t.T/Chat", 50);

    cr_assert_eq(ccall_status(&c), err_grpc_status(ERR_TIMEOUT));
    ccall_deinit(&c);
    rig_deinit(&g);
}

Test(rpc_stream, beyond_the_transport_limit_is_refused_by_the_core)
{
    struct rig g;
    struct ccall c;
    size_t len = TRANSPORT_MESSAGE_BYTES_MAX + 1;
    uint8_t *data = mem_zalloc(len);
    rig_init(&g, RIG_PLAIN, 1);
    ccall_init(&c, &g, "/t.T/Chat", NO_DEADLINE);

    (void)ccall_send(&c, slice_of(data, len));

    cr_assert_eq(ccall_status(&c), err_grpc_status(ERR_EXHAUSTED));
    rig_await(&g, &g.seen.closed, 1);
    cr_assert_eq(g.seen.cancelled, 1);
    cr_assert_eq(g.seen.half_closed, 0);
    cr_assert_eq(g.seen.messages, 0);
    ccall_deinit(&c);
    rig_deinit(&g);
    mem_free(data);
}

/* Rule R6: what is not asked for stays with the client, but for the look-ahead. */
Test(rpc_stream, unread_holds_no_more_than_the_look_ahead)
{
    struct rig g;
    struct ccall c;
    uint8_t data[4096] = {0};
    rig_init(&g, RIG_PLAIN, 1);
    ccall_init(&c, &g, "/t.T/Mute", 500);
    ccall_await_greeting(&c);

    size_t accepted = 0;
    while (ccall_send(&c, slice_of(data, sizeof(data))))
        accepted += sizeof(data);

    cr_assert_geq(accepted, TRANSPORT_LOOKAHEAD_BYTES / 2);
    cr_assert_leq(accepted, TRANSPORT_LOOKAHEAD_BYTES);
    ccall_deinit(&c);
    rig_deinit(&g);
}

/* ---- messages and references that outlive their call ---- */

Test(rpc_message, outlives_its_call_and_is_freed_on_another_thread)
{
    struct rig g;
    char out[16];
    rig_init(&g, RIG_PLAIN, 1);

    cr_assert_eq(unary(&g, "/t.T/Keep", slice_str("keep me for a while"), out, sizeof(out)), 0);

    rig_await(&g, &g.seen.closed, 1);
    struct rpc_message *m = atomic_exchange(&g.seen.kept_message, NULL);
    cr_assert(slice_eq(rpc_message_bytes(m), slice_str("keep me for a while")));
    rpc_message_free(m);
    rig_deinit(&g);
}
