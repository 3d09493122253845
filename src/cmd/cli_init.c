/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sluice init: the data folder, and its first admin token. Offline: the token is the first record
 * of the log, and nobody can do anything on a new server without it.
 */
#include "cli_priv.h"

#include "auth/auth.h"
#include "base/must.h"
#include "bronze/bronze.h"
#include "catalog/catalog.h"
#include "sys/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MIB (1024ull * 1024)

static int log_admin(struct sys *s, const char *data, const char *token, struct err *e)
{
    struct bronze_options o = {data, 16 * MIB, 128 * MIB, 32 * MIB, 0, false};
    struct catalog *cat = catalog_new(s);
    struct bronze *log = NULL;
    int r = bronze_open(s, &o, catalog_on_control, cat, &log, e);
    if (r == 0)
        r = bronze_start(log, e);
    if (r == 0) {
        catalog_attach(cat, log);
        struct catalog_token t = {
            .name = (char *)(uintptr_t) "admin", .admin = true, .created_at_us = sys_now_us(s)};
        static_assert(CATALOG_HASH_BYTES == AUTH_HASH_BYTES, "one kind of hash");
        auth_token_hash(slice_str(token), t.hash);
        r = catalog_create_token(cat, &t, e);
        bronze_stop(log);
    }
    cat = catalog_free(cat);
    log = bronze_close(log);
    return r;
}

/* Readable by its owner only. */
static int write_token(const char *path, const char *token)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    char line[AUTH_TOKEN_LEN + 2];
    int len = snprintf(line, sizeof(line), "%s\n", token);
    if (fd < 0 || write(fd, line, (size_t)len) != len || fsync(fd) != 0 || close(fd) != 0) {
        fprintf(stderr, "sluice: %s cannot be written: %s\n", path, strerror(errno));
        return EXIT_FAILED;
    }
    return EXIT_OK;
}

/* @token NULL: it is in a file. */
static void print_json(const char *data, const char *token)
{
    struct buf out = BUF_NULL;
    struct json j = json_on(&out);
    json_open(&j, '{');
    json_key(&j, "data");
    json_str(&j, data);
    if (token != NULL) {
        json_key(&j, "admin_token");
        json_str(&j, token);
    }
    json_close(&j, '}');
    cli_json_print(&out);
}

int cli_init(struct cli *c)
{
    if (c->data == NULL || c->word_count != 1)
        return cli_usage(
            "init takes --data DIR, and --admin-token-file FILE to write the token to");
    struct err e = {0};
    struct sys *s;
    char token[AUTH_TOKEN_LEN + 1];
    int r = sys_new_uring(&s, &e);
    if (r == 0) {
        r = bronze_init(s, c->data, &e);
        if (r == 0) {
            auth_token_new(s, token);
            r = log_admin(s, c->data, token, &e);
        }
        s = sys_free(s);
    }
    if (r < 0) {
        fprintf(stderr, "sluice: %s\n", e.text);
        return EXIT_FAILED;
    }
    if (c->admin_token_file != NULL) {
        int status = write_token(c->admin_token_file, token);
        if (status != EXIT_OK)
            return status;
        if (c->json)
            print_json(c->data, NULL);
        else
            printf("%s is ready; the admin token is in %s\n", c->data, c->admin_token_file);
        return EXIT_OK;
    }
    if (c->json) {
        print_json(c->data, token);
    } else {
        printf("%s\n", token);
        fprintf(stderr, "%s is ready. The line above is its admin token: it is shown once.\n",
                c->data);
    }
    return EXIT_OK;
}
