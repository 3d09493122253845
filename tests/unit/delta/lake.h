/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A lake in memory with faults on order, and a table in it. */

#include "base/buf.h"
#include "base/mem.h"
#include "delta/delta.h"
#include "objstore/objstore.h"
#include "sys/sys.h"

#include "test.h"

#include <stdio.h>
#include <string.h>

#define TABLE    "farm/quotes"
#define TABLE_ID "0f8b1c1e-7f5e-4a5e-9d0a-3c2a1b4d5e6f"
#define APP      "sluice/0/11111111-2222-4333-8444-555555555555/1/7"
#define NOW_US   1760000000000000ll

struct lake {
    struct sys *sys;
    struct objstore *store; /* a fake over a folder */
    struct row_schema *schema;
};

static inline void lake_open(struct lake *l, const char *ddl)
{
    l->sys = sys_new_sim(1);
    cr_assert_eq(objstore_open_folder(l->sys, "/lake", &l->store, NULL), 0);
    l->store = objstore_open_fake(l->store);
    cr_assert_eq(row_schema_parse(slice_str(ddl), NULL, 0, &l->schema, NULL), 0);
}

static inline void lake_close(struct lake *l)
{
    objstore_close(l->store);
    row_schema_unref(l->schema);
    sys_free(l->sys);
}

static inline int lake_create(struct lake *l, const char *delta_id)
{
    struct delta_create r = {
        .location = TABLE,
        .name = "main.farm.quotes",
        .delta_id = delta_id,
        .schema = l->schema,
        .now_us = NOW_US,
    };
    return delta_create(l->store, &r, NULL);
}

/* A lake with an empty table in it, opened. */
static inline struct delta_table *lake_table(struct lake *l)
{
    struct delta_table *t = NULL;
    lake_open(l, "id BIGINT NOT NULL, name STRING");
    cr_assert_eq(lake_create(l, TABLE_ID), 0);
    cr_assert_eq(delta_open(l->sys, l->store, TABLE, &t, NULL), 0);
    return t;
}

static inline struct delta_file lake_file(uint64_t first_pos, uint64_t last_pos)
{
    struct delta_file f = {
        .size = 1234,
        .row_count = last_pos - first_pos + 1,
        .first_pos = first_pos,
        .last_pos = last_pos,
        .stats = slice_str("{\"numRecords\":1}"),
    };
    (void)snprintf(f.path, sizeof(f.path), "sluice-%020llu-x.zstd.parquet",
                   (unsigned long long)first_pos);
    memset(f.hash, 0xab, sizeof(f.hash));
    return f;
}

/* Commit the file under APP at its last position. */
static inline int lake_commit(struct delta_table *t, const struct delta_file *f,
                              struct delta_commit *ret)
{
    int checkpoint = 0;
    *ret = (struct delta_commit){
        .app_id = APP,
        .txn_version = (int64_t)f->last_pos,
        .files = f,
        .file_count = 1,
        .now_us = NOW_US + 5000000,
    };
    return delta_commit(t, ret, &checkpoint, NULL);
}

static inline char *lake_read(struct lake *l, const char *name)
{
    struct buf b = BUF_NULL;
    if (objstore_get(l->store, name, 1u << 20, &b, NULL) < 0)
        return NULL;
    char *text = mem_strndup(buf_cstr(&b), b.len);
    buf_deinit(&b);
    return text;
}

static inline char *lake_log_name(int64_t version)
{
    return mem_printf(TABLE "/_delta_log/%020lld.json", (long long)version);
}

static inline char *lake_log(struct lake *l, int64_t version)
{
    char *name = lake_log_name(version);
    char *text = lake_read(l, name);
    mem_free(name);
    return text;
}

/* Another writer's commit. */
static inline void lake_foreign(struct lake *l, int64_t version, const char *text)
{
    char *name = lake_log_name(version);
    cr_assert_eq(objstore_put_absent(l->store, name, slice_str(text), NULL), 0);
    mem_free(name);
}

static inline bool lake_has(struct lake *l, const char *name)
{
    char *text = lake_read(l, name);
    bool has = text != NULL;
    mem_free(text);
    return has;
}
