/* SPDX-License-Identifier: Apache-2.0 */
/* The client against the null sink and the echo, over loopback in one process. */
#include "loadgen.h"

#include "test.h"

#include <stdio.h>

#define WAIT_MS 20000

struct pair {
    struct bare *server;
    struct sluice_client *client;
};

static struct pair pair_open(struct bare_options o)
{
    struct pair p;
    int port = 0;
    o.listen = "127.0.0.1:0";
    p.server = bare_open(&o, &port);
    cr_assert_not_null(p.server);
    char endpoint[40];
    snprintf(endpoint, sizeof(endpoint), "127.0.0.1:%d", port);
    struct sluice_options c = {.endpoint = endpoint, .plain_text = true, .token = "secret"};
    cr_assert_eq(sluice_client_new(&c, &p.client, NULL), SLUICE_OK);
    return p;
}

static void pair_close(struct pair *p)
{
    sluice_client_free(p->client);
    bare_close(p->server);
}

static struct sluice_stream *stream_of(struct pair *p, struct sluice_stream_options o)
{
    struct sluice_stream *s = NULL;
    o.table = "a.b.c";
    o.record = SLUICE_JSON;
    cr_assert_eq(sluice_stream_open(p->client, &o, &s, NULL), SLUICE_OK);
    return s;
}

static const struct sluice_bytes row = {"{\"a\":1}", 7};

Test(client_stream, gets_an_id_and_an_ack_for_every_row)
{
    struct pair p = pair_open((struct bare_options){0});
    struct sluice_stream *s = stream_of(&p, (struct sluice_stream_options){0});

    int64_t offset = -1;
    for (int i = 0; i < 50000; i++) {
        cr_assert_eq(sluice_stream_append(s, row, WAIT_MS, &offset), SLUICE_OK);
        cr_assert_eq(offset, i);
    }
    int flushed = sluice_stream_flush(s, WAIT_MS);

    cr_assert_eq(flushed, SLUICE_OK);
    cr_assert_eq(sluice_stream_acked(s), 49999);
    cr_assert_eq(sluice_stream_unacked(s), 50000);
    cr_assert_eq(strlen(sluice_stream_id(s)), 36);
    cr_assert_not(sluice_stream_error(s, NULL));
    cr_assert_eq(sluice_stream_close(s, WAIT_MS, NULL), SLUICE_OK);
    pair_close(&p);
}

Test(client_stream, sends_what_is_queued_before_it_closes)
{
    struct pair p = pair_open((struct bare_options){0});
    struct sluice_stream *s = stream_of(&p, (struct sluice_stream_options){0});
    for (int i = 0; i < 3000; i++)
        cr_assert_eq(sluice_stream_append(s, row, WAIT_MS, NULL), SLUICE_OK);

    struct sluice_error e;
    int closed = sluice_stream_close(s, WAIT_MS, &e);

    cr_assert_eq(closed, SLUICE_OK);
    cr_assert_eq(e.status, 0);
    pair_close(&p);
}

Test(client_stream, gives_a_batch_one_offset)
{
    struct pair p = pair_open((struct bare_options){0});
    struct sluice_stream *s = stream_of(&p, (struct sluice_stream_options){0});
    struct sluice_bytes rows[100];
    for (int i = 0; i < 100; i++)
        rows[i] = row;

    int64_t first, second;
    cr_assert_eq(sluice_stream_append_batch(s, rows, 100, 0, &first), SLUICE_OK);
    cr_assert_eq(sluice_stream_append_batch(s, rows, 100, 0, &second), SLUICE_OK);

    cr_assert_eq(first, 0);
    cr_assert_eq(second, 1);
    cr_assert_eq(sluice_stream_close(s, WAIT_MS, NULL), SLUICE_OK);
    pair_close(&p);
}

Test(client_stream, sends_a_large_row)
{
    struct pair p = pair_open((struct bare_options){0});
    struct sluice_stream *s = stream_of(&p, (struct sluice_stream_options){0});
    size_t len = SLUICE_REQUEST_BYTES_MAX;
    char *large = calloc(1, len + 1);

    int fits = sluice_stream_append(s, (struct sluice_bytes){large, len}, 0, NULL);
    int too_large = sluice_stream_append(s, (struct sluice_bytes){large, len + 1}, 0, NULL);

    cr_assert_eq(fits, SLUICE_OK);
    cr_assert_eq(too_large, SLUICE_INVALID);
    cr_assert_eq(sluice_stream_close(s, WAIT_MS, NULL), SLUICE_OK);
    free(large);
    pair_close(&p);
}

Test(client_stream, refuses_rows_above_its_limit_and_waits_no_longer_than_told)
{
    struct pair p = pair_open((struct bare_options){.mute = true});
    struct sluice_stream *s =
        stream_of(&p, (struct sluice_stream_options){.rows_in_flight_max = 4});
    for (int i = 0; i < 4; i++)
        cr_assert_eq(sluice_stream_append(s, row, 0, NULL), SLUICE_OK);

    int at_once = sluice_stream_append(s, row, 0, NULL);
    int later = sluice_stream_append(s, row, 20, NULL);
    int waited = sluice_stream_wait(s, 0, 20);

    cr_assert_eq(at_once, SLUICE_AGAIN);
    cr_assert_eq(later, SLUICE_AGAIN);
    cr_assert_eq(waited, SLUICE_TIMEOUT);
    cr_assert_eq(sluice_stream_unacked(s), 0);
    cr_assert_neq(sluice_stream_close(s, WAIT_MS, NULL), SLUICE_OK);
    pair_close(&p);
}

Test(client_stream, ends_at_an_ack_for_a_row_that_was_not_sent)
{
    struct pair p = pair_open((struct bare_options){.ack_ahead = 1000000});
    struct sluice_stream *s = stream_of(&p, (struct sluice_stream_options){0});

    cr_assert_eq(sluice_stream_append(s, row, 0, NULL), SLUICE_OK);
    int waited = sluice_stream_wait(s, 0, WAIT_MS);

    struct sluice_error e;
    cr_assert_eq(waited, SLUICE_FAILED);
    cr_assert(sluice_stream_error(s, &e));
    cr_assert_eq(e.status, 13);
    cr_assert_not_null(strstr(e.text, "1000000"));
    cr_assert_eq(sluice_stream_append(s, row, 0, NULL), SLUICE_FAILED);
    cr_assert_eq(sluice_stream_close(s, WAIT_MS, NULL), SLUICE_FAILED);
    pair_close(&p);
}

Test(client_stream, says_so_when_the_server_goes_away)
{
    struct pair p = pair_open((struct bare_options){.mute = true});
    struct sluice_stream *s = stream_of(&p, (struct sluice_stream_options){0});
    cr_assert_eq(sluice_stream_append(s, row, 0, NULL), SLUICE_OK);

    p.server = bare_close(p.server);
    int waited = sluice_stream_wait(s, 0, WAIT_MS);

    struct sluice_error e;
    cr_assert_eq(waited, SLUICE_FAILED);
    cr_assert(sluice_stream_error(s, &e));
    cr_assert_neq(e.status, 0);
    cr_assert_eq(sluice_stream_unacked(s), 0);
    cr_assert_eq(sluice_stream_close(s, WAIT_MS, NULL), SLUICE_FAILED);
    pair_close(&p);
}

Test(client_stream, cannot_be_opened_where_nobody_listens)
{
    struct pair p = pair_open((struct bare_options){0});
    p.server = bare_close(p.server);
    struct sluice_stream_options o = {.table = "a.b.c", .record = SLUICE_JSON};

    struct sluice_stream *s = NULL;
    struct sluice_error e = {0};
    int opened = sluice_stream_open(p.client, &o, &s, &e);

    cr_assert_eq(opened, SLUICE_FAILED);
    cr_assert_eq(e.status, 14);
    cr_assert_gt(strlen(e.text), 0);
    pair_close(&p);
}

Test(client_stream, needs_a_descriptor_for_protobuf)
{
    struct pair p = pair_open((struct bare_options){0});
    struct sluice_stream_options o = {.table = "a.b.c", .record = SLUICE_PROTO};

    struct sluice_stream *s = NULL;
    struct sluice_error e = {0};

    cr_assert_eq(sluice_stream_open(p.client, &o, &s, &e), SLUICE_INVALID);
    cr_assert_eq(e.status, 3);
    pair_close(&p);
}

struct tally {
    int64_t last;
    int acks, ends, wrong;
};

static void tally_ack(void *ctx, struct sluice_stream *s, int64_t offset)
{
    struct tally *t = ctx;
    t->wrong += offset <= t->last;
    t->last = offset;
    t->acks++;
    if (offset < 500)
        t->wrong += sluice_stream_append(s, row, 0, NULL) != SLUICE_OK;
}

static void tally_end(void *ctx, struct sluice_stream *s)
{
    (void)s;
    ((struct tally *)ctx)->ends++;
}

Test(client_callbacks, may_append_the_next_row)
{
    struct pair p = pair_open((struct bare_options){0});
    struct tally t = {.last = -1};
    struct sluice_stream *s = stream_of(
        &p, (struct sluice_stream_options){.on_ack = tally_ack, .on_end = tally_end, .ctx = &t});

    cr_assert_eq(sluice_stream_append(s, row, 0, NULL), SLUICE_OK);
    int waited = sluice_stream_wait(s, 500, WAIT_MS);

    cr_assert_eq(waited, SLUICE_OK);
    cr_assert_eq(sluice_stream_close(s, WAIT_MS, NULL), SLUICE_OK);
    cr_assert_eq(t.acks, 501);
    cr_assert_eq(t.ends, 1);
    cr_assert_eq(t.wrong, 0);
    pair_close(&p);
}

Test(client_call, brings_the_answer)
{
    struct pair p = pair_open((struct bare_options){0});

    struct sluice_message m;
    struct sluice_request r = {.method = ECHO_UNARY, .body = {"hello", 5}};
    int called = sluice_call(p.client, &r, &m, NULL);

    cr_assert_eq(called, SLUICE_OK);
    cr_assert_eq(m.len, 5);
    cr_assert_arr_eq(m.data, "hello", 5);
    sluice_message_free(&m);
    pair_close(&p);
}

Test(client_call, brings_the_status_of_a_method_that_is_not_there)
{
    struct pair p = pair_open((struct bare_options){0});

    struct sluice_message m;
    struct sluice_error e;
    struct sluice_request r = {.method = "/no.Such/Method"};
    int called = sluice_call(p.client, &r, &m, &e);

    cr_assert_eq(called, SLUICE_FAILED);
    cr_assert_eq(e.status, 12);
    pair_close(&p);
}

Test(client_new, names_a_ca_file_that_is_not_there)
{
    struct sluice_options o = {.endpoint = "localhost:1", .ca_pem_path = "/no/such/ca.pem"};

    struct sluice_client *c = NULL;
    struct sluice_error e = {0};

    cr_assert_eq(sluice_client_new(&o, &c, &e), SLUICE_SYSTEM);
    cr_assert_not_null(strstr(e.text, "/no/such/ca.pem"));
}
