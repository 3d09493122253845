/* SPDX-License-Identifier: Apache-2.0 */
/* The connection to the server: settings, calls, and failures told to people with what to do
 * next. */
#include "cli_priv.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TOKEN_BYTES_MAX 4096

int cli_usage(const char *sentence)
{
    fprintf(stderr, "sluice: %s\nTry `sluice --help`.\n", sentence);
    return EXIT_USAGE;
}

int cli_failed(const struct cli *c, const struct sluice_error *e)
{
    fprintf(stderr, "sluice: %s\n", e->text);
    switch (e->status) {
    case 5: return EXIT_NOT_FOUND;
    case 7:
    case 16:
        fprintf(stderr, "  token: %s. An admin makes tokens with `sluice token create`.\n",
                c->token_file != NULL ? c->token_file
                                      : "none given (--token-file or SLUICE_TOKEN_FILE)");
        return EXIT_DENIED;
    case 14:
        fprintf(stderr,
                "  If nothing answered: is sluiced running at %s, and is %s the CA of its "
                "certificate?\n"
                "  If the server itself says so: try again later.\n",
                c->endpoint, c->ca != NULL ? c->ca : "the system's trust store");
        return EXIT_UNREACHABLE;
    default: return EXIT_FAILED;
    }
}

/* The first line of a file, terminated; *ret is given. */
static int read_token(const char *path, char **ret)
{
    char line[TOKEN_BYTES_MAX];
    FILE *f = fopen(path, "re");
    if (f == NULL || fgets(line, sizeof(line), f) == NULL) {
        fprintf(stderr, "sluice: the token file %s cannot be read\n", path);
        if (f != NULL)
            (void)fclose(f); /* only read */
        return EXIT_USAGE;
    }
    (void)fclose(f); /* only read */
    line[strcspn(line, "\r\n")] = '\0';
    *ret = mem_strdup(line);
    return EXIT_OK;
}

int cli_connect(struct cli *c)
{
    if (c->client != NULL)
        return EXIT_OK;
    char *token = NULL;
    if (c->token_file != NULL) {
        int r = read_token(c->token_file, &token);
        if (r != EXIT_OK)
            return r;
    }
    struct sluice_options o = {
        .endpoint = c->endpoint,
        .ca_pem_path = c->ca,
        .server_name = c->server_name,
        .token = token,
        .plain_text = c->plain,
    };
    struct sluice_error e = {0};
    int r = sluice_client_new(&o, &c->client, &e);
    mem_free(token);
    if (r == 0)
        return EXIT_OK;
    fprintf(stderr, "sluice: %s\n", e.text);
    return r == SLUICE_INVALID ? EXIT_USAGE : EXIT_FAILED;
}

void *cli_call(struct cli *c, const char *method, const ProtobufCMessage *request,
               const ProtobufCMessageDescriptor *answer, int *ret_exit)
{
    *ret_exit = cli_connect(c);
    if (*ret_exit != EXIT_OK)
        return NULL;
    size_t len = protobuf_c_message_get_packed_size(request);
    uint8_t *body = mem_alloc(len + 1);
    (void)protobuf_c_message_pack(request, body);
    struct sluice_request r = {method, {body, len}, c->timeout_ms};
    struct sluice_message reply = {0};
    struct sluice_error e = {0};
    int rc = sluice_call(c->client, &r, &reply, &e);
    mem_free(body);
    if (rc < 0) {
        *ret_exit = cli_failed(c, &e);
        return NULL;
    }
    void *message = protobuf_c_message_unpack(answer, NULL, reply.len, reply.data);
    sluice_message_free(&reply);
    if (message == NULL) {
        fprintf(stderr,
                "sluice: the server's answer to %s cannot be read; is it of another version?\n",
                method);
        *ret_exit = EXIT_FAILED;
    }
    return message;
}

void cli_time(int64_t us, char out[32])
{
    time_t seconds = (time_t)(us / 1000000);
    struct tm tm;
    if (us == 0 || gmtime_r(&seconds, &tm) == NULL)
        memcpy(out, "-", 2);
    else
        (void)strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}
