/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * serve over a real log and catalog, a store of the test's choice, and an rpc that is made up:
 * calls are put into it by the test, and what comes back stands in them. No serve thread runs
 * unless asked for: the test turns the apply thread by hand.
 */

#include "test.h"

#include "base/mem.h"
#include "serve_priv.h"

#include <stdio.h>
#include <stdlib.h>

enum rig_store { RIG_MODEL, RIG_ROCKSDB };

struct rig {
    char path[64];
    struct sys *sys;
    struct bronze *log;
    struct catalog *catalog;
    struct store *store;
    struct rpc_server *server;
    struct serve *serve;
    struct catalog_table *table; /* a.b.keyed: k STRING key, n BIGINT */
    struct err e;
};

void rig_up(struct rig *x, enum rig_store kind);
void rig_down(struct rig *x);
/* serve is made anew, over the same store and log, as after a restart of the process. */
int rig_renew(struct rig *x);
struct catalog_table *rig_table(struct rig *x, const char *name,
                                const char *key); /* key NULL = none */
/* Appends a row given as JSON and waits until it is durable. Its position. */
bronze_pos rig_put(struct rig *x, struct catalog_table *t, const char *json);
void rig_apply(struct rig *x); /* until all that is durable is applied */

/* ---- calls ---- */

struct rpc_call *rig_call(struct rig *x, const char *token, struct slice request, bool multi);
/* A Get of a.b.keyed by the reader's token. */
struct rpc_call *rig_get(struct rig *x, const char *key_json);
bool rig_is_answered(const struct rpc_call *c);
int rig_code(const struct rpc_call *c);
const char *rig_text(const struct rpc_call *c);
struct slice rig_reply(const struct rpc_call *c);
void rig_run_posts(struct rig *x);
size_t rig_wait_post(struct rig *x); /* until another thread has posted something, then runs it */
void rig_set_deadline(struct rig *x, int64_t left_us); /* of the calls that follow */
void rig_cancel(struct rpc_call *c);
void rig_end(struct rpc_call *c); /* on_close when it has not come, checks, frees */

void rig_request(struct buf *out, const char *table, const char *const *keys, size_t count);
/* A GetResponse taken apart. */
struct rig_row {
    bool found;
    struct slice row;
    uint64_t position;
};
struct rig_row rig_row_of(struct slice message);
/* A MultiGetResponse: rows into @rows (as many as there are), the snapshot's position. */
size_t rig_rows_of(struct slice message, struct rig_row *rows, uint64_t *ret_position);
