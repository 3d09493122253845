/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A small real server for tests: log, catalog, store (the model), rpc on a loopback port without
 * TLS, and one admin token. The test adds the service that it is about between rig_open() and
 * rig_start().
 */

#include "auth/auth.h"
#include "base/mem.h"
#include "bronze/bronze.h"
#include "catalog/catalog.h"
#include "rpc/rpc.h"
#include "sluice/client.h"
#include "store/store.h"
#include "sys/sys.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rig {
    struct sys *sys;
    char path[64];
    struct catalog *catalog;
    struct bronze *log;
    struct store *store;
    struct rpc_server *server;
    char token[AUTH_TOKEN_LEN + 1];
    struct sluice_client *client;
};

static inline void rig_open(struct rig *x)
{
    struct err e = {0};
    *x = (struct rig){0};
    strcpy(x->path, "/tmp/sluice-rig-XXXXXX");
    cr_assert_not_null(mkdtemp(x->path));
    cr_assert_eq(sys_new_uring(&x->sys, &e), 0);
    cr_assert_eq(bronze_init(x->sys, x->path, &e), 0);
    struct bronze_options o = {x->path, 16u << 20, 128u << 20, 32u << 20, 0, false};
    x->catalog = catalog_new(x->sys);
    cr_assert_eq(bronze_open(x->sys, &o, catalog_on_control, x->catalog, &x->log, &e), 0);
    catalog_attach(x->catalog, x->log);
    x->store = store_open_model();
    struct rpc_options r = {.listen_plain = "127.0.0.1:0", .queue_count = 2, .tick_ms = 10};
    cr_assert_eq(rpc_server_new(x->sys, &r, &x->server, &e), 0);
}

static inline struct sluice_client *rig_client(const struct rig *x, const char *token)
{
    char endpoint[64];
    struct sluice_client *c;
    struct sluice_error se = {0};
    snprintf(endpoint, sizeof(endpoint), "127.0.0.1:%d", rpc_server_port_plain(x->server));
    struct sluice_options so = {.endpoint = endpoint, .token = token, .plain_text = true};
    cr_assert_eq(sluice_client_new(&so, &c, &se), 0);
    return c;
}

static inline void rig_start(struct rig *x)
{
    struct err e = {0};
    cr_assert_eq(bronze_start(x->log, &e), 0);
    auth_token_new(x->sys, x->token);
    char name[] = "admin";
    struct catalog_token t = {.name = name, .admin = true, .created_at_us = 1};
    auth_token_hash(slice_str(x->token), t.hash);
    cr_assert_eq(catalog_create_token(x->catalog, &t, &e), 0);
    cr_assert_eq(rpc_server_start(x->server, &e), 0);
    x->client = rig_client(x, x->token);
}

/* The server stops, then the log; services are freed after this. */
static inline void rig_stop(struct rig *x)
{
    x->client = sluice_client_free(x->client);
    rpc_server_stop(x->server, 1000);
    bronze_stop(x->log);
}

static inline void rig_close(struct rig *x)
{
    char command[128];
    x->server = rpc_server_free(x->server);
    x->catalog = catalog_free(x->catalog);
    x->log = bronze_close(x->log);
    x->store = store_close(x->store);
    x->sys = sys_free(x->sys);
    snprintf(command, sizeof(command), "rm -rf %s", x->path);
    cr_assert_eq(system(command), 0);
}
