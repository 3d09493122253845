/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "pem.h"

#include "test.h"

#include <stdio.h>

Test(rpc_server, speaks_tls_with_the_given_certificate)
{
    struct rig g;
    struct ccall c;
    char out[64];
    rig_init(&g, RIG_TLS, 1);

    cr_assert_eq(unary(&g, "/t.T/Echo", slice_str("secret"), out, sizeof(out)), 0);
    cr_assert_str_eq(out, "secret");
    ccall_init(&c, &g, "/t.T/Chat", NO_DEADLINE);
    cr_assert(ccall_send(&c, slice_str("x")));
    cr_assert_eq(ccall_recv(&c, out, sizeof(out)), 1);
    cr_assert(ccall_half_close(&c));
    cr_assert_eq(ccall_status(&c), 0);

    ccall_deinit(&c);
    cr_assert_eq(rpc_server_port_plain(g.server), 0);
    rig_deinit(&g);
}

static int start_on(struct sys *s, const struct rpc_options *o, struct err *e)
{
    struct rpc_server *r;
    cr_assert_eq(rpc_server_new(s, o, &r, e), 0);
    int code = rpc_server_start(r, e);
    rpc_server_stop(r, 0);
    rpc_server_free(r);
    return code;
}

Test(rpc_server, says_that_a_certificate_is_not_usable)
{
    struct sys *s;
    struct err e = {0};
    cr_assert_eq(sys_new_uring(&s, NULL), 0);
    struct rpc_options o = {.listen_tls = "127.0.0.1:0",
                            .tls_cert_pem = "no certificate",
                            .tls_key_pem = test_key_pem,
                            .queue_count = 2};

    cr_assert_eq(start_on(s, &o, &e), ERR_INVALID);
    cr_assert_not_null(strstr(e.text, "certificate"));
    sys_free(s);
}

Test(rpc_server, does_not_share_its_port_with_a_second_one)
{
    struct rig g;
    struct err e = {0};
    char address[64];
    rig_init(&g, RIG_TLS, 1);
    (void)snprintf(address, sizeof(address), "127.0.0.1:%d", rpc_server_port_tls(g.server));
    struct rpc_options tls = {.listen_tls = address,
                              .tls_cert_pem = test_cert_pem,
                              .tls_key_pem = test_key_pem,
                              .queue_count = 1};
    struct rpc_options plain = {.listen_plain = address, .queue_count = 1};

    cr_assert_eq(start_on(g.sys, &tls, &e), ERR_UNAVAILABLE);
    cr_assert_not_null(strstr(e.text, address));
    cr_assert_eq(start_on(g.sys, &plain, &e), ERR_UNAVAILABLE);
    rig_deinit(&g);
}

Test(rpc_server, refuses_options_that_make_no_server)
{
    struct sys *s;
    struct rpc_server *r = NULL;
    cr_assert_eq(sys_new_uring(&s, NULL), 0);
    struct rpc_options no_queue = {.listen_plain = "127.0.0.1:0"};
    struct rpc_options no_address = {.queue_count = 1};
    struct rpc_options no_key = {
        .listen_tls = "127.0.0.1:0", .tls_cert_pem = test_cert_pem, .queue_count = 1};

    cr_assert_eq(rpc_server_new(s, &no_queue, &r, NULL), ERR_INVALID);
    cr_assert_eq(rpc_server_new(s, &no_address, &r, NULL), ERR_INVALID);
    cr_assert_eq(rpc_server_new(s, &no_key, &r, NULL), ERR_INVALID);
    cr_assert_null(r);
    sys_free(s);
}

static void drop_message(struct rpc_call *c, void *ctx, struct rpc_message *m)
{
    (void)ctx;
    rpc_message_free(m);
    rpc_finish(c, 0, NULL);
}

Test(rpc_server, refuses_a_method_twice)
{
    struct sys *s;
    struct rpc_server *r;
    struct err e = {0};
    static const struct rpc_method m = {.path = "/t.T/Twice", .on_message = drop_message};
    cr_assert_eq(sys_new_uring(&s, NULL), 0);
    struct rpc_options o = {.listen_plain = "127.0.0.1:0", .queue_count = 1};
    cr_assert_eq(rpc_server_new(s, &o, &r, &e), 0);
    rpc_server_add(r, &m, NULL);
    rpc_server_add(r, &m, NULL);

    cr_assert_eq(rpc_server_start(r, &e), ERR_EXISTS);
    cr_assert_not_null(strstr(e.text, "/t.T/Twice"));
    rpc_server_free(r);
    sys_free(s);
}

Test(rpc_server, may_be_freed_without_a_start)
{
    struct sys *s;
    struct rpc_server *r;
    cr_assert_eq(sys_new_uring(&s, NULL), 0);
    struct rpc_options o = {.listen_plain = "127.0.0.1:0", .queue_count = 3};
    cr_assert_eq(rpc_server_new(s, &o, &r, NULL), 0);

    rpc_server_stop(r, 0);
    cr_assert_null(rpc_server_free(r));
    cr_assert_null(rpc_server_free(NULL));
    sys_free(s);
}

Test(rpc_server, stop_cancels_what_is_still_open)
{
    struct rig g;
    struct ccall c[10];
    rig_init(&g, RIG_TLS, 2);
    for (int i = 0; i < 10; i++)
        ccall_init(&c[i], &g, i % 2 ? "/t.T/Chat" : "/t.T/Mute", NO_DEADLINE);
    rig_await(&g, &g.seen.opened, 10);

    rpc_server_stop(g.server, 0);

    cr_assert_eq(g.seen.closed, 10);
    cr_assert_eq(g.seen.cancelled, 10);
    for (int i = 0; i < 10; i++) {
        cr_assert_neq(ccall_status(&c[i]), 0);
        ccall_deinit(&c[i]);
    }
    rig_deinit(&g);
}

static void stop_with_grace(void *arg)
{
    struct rig *g = arg;
    rpc_server_stop(g->server, 20000);
}

/* Within a time: the core may forget a call that reaches it in the very moment of its shutdown. */
static bool is_served(struct rig *g)
{
    struct ccall c;
    char out[16];
    ccall_init(&c, g, "/t.T/Echo", 5000);
    (void)ccall_send(&c, slice_str("still there?"));
    (void)ccall_half_close(&c);
    (void)ccall_recv(&c, out, sizeof(out));
    int status = ccall_status(&c);
    ccall_deinit(&c);
    return status == 0;
}

/* A call that ends within the grace ends as it would have; stop comes back then, not after. */
Test(rpc_server, stop_waits_for_calls_within_the_grace)
{
    struct rig g;
    struct ccall c;
    struct sys_thread *t;
    char out[16];
    rig_init(&g, RIG_PLAIN, 1);
    ccall_init(&c, &g, "/t.T/Chat", NO_DEADLINE);
    ccall_await_greeting(&c);
    uint64_t begin_ns = sys_mono_ns(g.sys);
    cr_assert_eq(sys_thread_start(g.sys, "stopper", stop_with_grace, &g, &t), 0);
    while (is_served(&g)) {
    }
    int closed = atomic_load(&g.seen.closed); /* by the questions */

    cr_assert(ccall_send(&c, slice_str("bye")));
    cr_assert_eq(ccall_recv(&c, out, sizeof(out)), 3);
    cr_assert(ccall_half_close(&c));
    cr_assert_eq(ccall_status(&c), 0);
    ccall_deinit(&c);
    sys_thread_join(t);

    cr_assert_lt(sys_mono_ns(g.sys) - begin_ns, 15000000000ull);
    cr_assert_eq(g.seen.cancelled, 0);
    cr_assert_geq(g.seen.closed, closed + 1);
    rig_deinit(&g);
}

Test(rpc_server, counts)
{
    struct rig g;
    struct rpc_counters n;
    struct ccall c;
    char out[16];
    rig_init(&g, RIG_PLAIN, 2);
    cr_assert_eq(unary(&g, "/t.T/Echo", slice_str("12345"), out, sizeof(out)), 0);
    rig_await(&g, &g.seen.closed, 1);
    ccall_init(&c, &g, "/t.T/Mute", NO_DEADLINE);
    rig_await(&g, &g.seen.opened, 2);

    rpc_server_counters(g.server, &n);

    cr_assert_eq(n.calls_opened, 2);
    cr_assert_leq(n.calls_open, 2);
    cr_assert_eq(n.messages_received, 1);
    cr_assert_eq(n.messages_sent, 1);
    cr_assert_eq(n.bytes_received, 5);
    ccall_deinit(&c);
    rig_deinit(&g);
}
