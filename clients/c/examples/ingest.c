/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Send the lines of standard input, one JSON object each, into a table, and wait until all are
 * durable.
 *
 *   ./ingest localhost:7443 ca.pem TOKEN_FILE main.default.airports < airports.ndjson
 *
 * With "-" for ca.pem the connection is plain text (loopback only).
 * Exit status: 0 every row is durable; 1 not; 2 wrong arguments.
 */
#include "sluice/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Called on the client's thread; one number, read by main() after the stream is closed. */
static void on_ack(void *ctx, struct sluice_stream *s, int64_t offset)
{
    (void)s;
    *(int64_t *)ctx = offset + 1;
}

static int send_lines(struct sluice_stream *s)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    int r = SLUICE_OK;
    while (r == SLUICE_OK && (len = getline(&line, &cap, stdin)) >= 0) {
        if (len > 0 && line[len - 1] == '\n')
            len--;
        if (len > 0) /* waits for room when too many rows are unacknowledged */
            r = sluice_stream_append(s, (struct sluice_bytes){line, (size_t)len}, SLUICE_FOREVER,
                                     NULL);
    }
    free(line);
    return r;
}

static int ingest(struct sluice_client *client, const char *table)
{
    int64_t durable = 0;
    struct sluice_error e;
    struct sluice_stream_options o = {
        .table = table, .record = SLUICE_JSON, .on_ack = on_ack, .ctx = &durable};
    struct sluice_stream *s;
    if (sluice_stream_open(client, &o, &s, &e) != SLUICE_OK) {
        fprintf(stderr, "cannot open a stream into %s: status %d: %s\n", table, e.status, e.text);
        return 1;
    }
    printf("stream %s\n", sluice_stream_id(s));
    int sent = send_lines(s);
    int closed = sluice_stream_close(s, 60000, &e);
    printf("%lld rows are durable\n", (long long)durable);
    if (sent == SLUICE_OK && closed == SLUICE_OK)
        return 0;
    fprintf(stderr, "the stream broke: status %d: %s; go on with row %lld\n", e.status, e.text,
            (long long)durable);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: %s HOST:PORT CA.PEM|- TOKEN_FILE|- TABLE < ROWS.ndjson\n", argv[0]);
        return 2;
    }
    char token[8192] = "";
    if (strcmp(argv[3], "-") != 0) {
        FILE *f = fopen(argv[3], "re");
        if (f == NULL || fgets(token, sizeof(token), f) == NULL) {
            fprintf(stderr, "cannot read the token from %s\n", argv[3]);
            return 2;
        }
        fclose(f);
        token[strcspn(token, "\r\n")] = '\0';
    }
    bool plain = strcmp(argv[2], "-") == 0;
    struct sluice_options o = {
        .endpoint = argv[1],
        .ca_pem_path = plain ? NULL : argv[2],
        .token = token,
        .plain_text = plain,
    };
    struct sluice_client *client;
    struct sluice_error e;
    if (sluice_client_new(&o, &client, &e) != SLUICE_OK) {
        fprintf(stderr, "%s\n", e.text);
        return 2;
    }
    int code = ingest(client, argv[4]);
    sluice_client_free(client);
    return code;
}
