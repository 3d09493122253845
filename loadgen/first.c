/* SPDX-License-Identifier: Apache-2.0 */
/*
 * first-ack: wait for a server that is starting, send it one row, and say when the ack came, on the
 * clock that all processes of the machine share. The port is tried with bare connects, every few
 * milliseconds: the C core would wait longer and longer between its tries.
 */
#include "loadgen.h"
#include "rowset.h"

#include "base/json.h"
#include "base/mem.h"

#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECONDS_DEFAULT 60
#define TRY_MS          2
#define OPEN_MS_MAX     60000
#define HOST_BYTES_MAX  256

/* Does somebody listen at --endpoint? */
static bool is_listening(const char *endpoint)
{
    char host[HOST_BYTES_MAX];
    const char *colon = strrchr(endpoint, ':');
    if (colon == NULL || (size_t)(colon - endpoint) >= sizeof(host))
        return false;
    memcpy(host, endpoint, (size_t)(colon - endpoint));
    host[colon - endpoint] = '\0';
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        return false;
    bool connected = false;
    for (const struct addrinfo *a = found; a != NULL && !connected; a = a->ai_next) {
        int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd < 0)
            continue;
        connected = connect(fd, a->ai_addr, a->ai_addrlen) == 0;
        (void)close(fd);
    }
    freeaddrinfo(found);
    return connected;
}

/* One row: when its ack came, or 0 with a sentence on stderr. */
static uint64_t send_one(const struct options *o, const struct rowset *set, const char *table)
{
    struct buf descriptor = BUF_NULL;
    struct rows *rows = rows_new(&(struct rows_options){set, false, o->first_stream, 0, 0});
    struct sluice_client *client = client_of(o);
    struct sluice_stream *stream = NULL;
    struct sluice_error e = {0};
    uint64_t acked_ns = 0;
    rowset_descriptor(set, &descriptor);
    struct sluice_stream_options so = {
        .table = table,
        .record = SLUICE_PROTO,
        .descriptor = {descriptor.data, descriptor.len},
        .open_timeout_ms = OPEN_MS_MAX,
    };
    if (client != NULL && sluice_stream_open(client, &so, &stream, &e) == SLUICE_OK) {
        struct slice row = rows_next(rows, wall_us());
        if (sluice_stream_append(stream, (struct sluice_bytes){row.data, row.len}, SLUICE_FOREVER,
                                 NULL) == SLUICE_OK &&
            sluice_stream_wait(stream, 0, OPEN_MS_MAX) == SLUICE_OK)
            acked_ns = now_ns();
        else
            (void)sluice_stream_error(stream, &e);
        (void)sluice_stream_close(stream, 1000, NULL); /* the ack is what counted */
    }
    if (acked_ns == 0)
        fprintf(stderr, "no ack: status %d: %s\n", e.status, e.text);
    sluice_client_free(client);
    rows_free(rows);
    buf_deinit(&descriptor);
    return acked_ns;
}

int cmd_first_ack(const struct options *o)
{
    const struct rowset_group *group = rowset_find(o->rows);
    if (group == NULL || o->endpoint == NULL) {
        fprintf(stderr, "first-ack needs --endpoint, and --rows of %s\n", rowset_names());
        return EXIT_USAGE;
    }
    _cleanup_(mem_freep) char *named = mem_printf("%s.%s", group->schema, group->sets[0]->name);
    uint64_t begun_ns = now_ns();
    uint64_t end_ns = begun_ns + (o->seconds > 0 ? o->seconds : SECONDS_DEFAULT) * 1000000000;
    while (!is_listening(o->endpoint)) {
        if (is_interrupted() || now_ns() > end_ns) {
            fputs("nobody listens there\n", stderr);
            return EXIT_SYSTEM;
        }
        pause_ms(TRY_MS);
    }
    uint64_t listening_ns = now_ns();
    uint64_t acked_ns = send_one(o, group->sets[0], o->table != NULL ? o->table : named);
    if (acked_ns == 0)
        return EXIT_WRONG;
    printf("listening after %.1f ms, first ack after %.1f ms\n",
           (double)(listening_ns - begun_ns) / 1e6, (double)(acked_ns - begun_ns) / 1e6);
    struct buf report = BUF_NULL;
    struct json j = json_on(&report);
    json_open(&j, '{');
    json_key(&j, "listening_ns");
    json_u64(&j, listening_ns);
    json_key(&j, "acked_ns");
    json_u64(&j, acked_ns);
    json_close(&j, '}');
    int code = report_write(o, &report);
    buf_deinit(&report);
    return code;
}
