/* SPDX-License-Identifier: Apache-2.0 */
/* See rig.h. */
#include "rig.h"

#define MIB (1024u * 1024)

static void start(struct rig *x)
{
    struct bronze_options o = {x->path, 16 * MIB, 128 * MIB, 32 * MIB, 0, false};
    x->c = catalog_new(x->sys);
    int rc = bronze_open(x->sys, &o, catalog_on_control, x->c, &x->log, &x->e);
    cr_assert_eq(rc, 0, "%s", x->e.text);
    catalog_attach(x->c, x->log);
    cr_assert_eq(bronze_start(x->log, &x->e), 0);
}

static void stop(struct rig *x)
{
    bronze_stop(x->log);
    x->c = catalog_free(x->c);
    x->log = bronze_close(x->log);
}

void rig_up(struct rig *x)
{
    *x = (struct rig){.path = "/tmp/catalog-test-XXXXXX"};
    cr_assert_not_null(mkdtemp(x->path));
    cr_assert_eq(sys_new_uring(&x->sys, &x->e), 0);
    cr_assert_eq(bronze_init(x->sys, x->path, &x->e), 0);
    start(x);
}

void rig_down(struct rig *x)
{
    stop(x);
    x->sys = sys_free(x->sys);
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", x->path);
    cr_assert_eq(system(command), 0);
}

void rig_restart(struct rig *x)
{
    stop(x);
    start(x);
}

struct rig_frames rig_controls(struct rig *x)
{
    struct rig_frames all = {mem_calloc(1000, sizeof(struct bronze_frame)), 0};
    struct bronze_reader *r;
    cr_assert_eq(bronze_reader_open(x->log, "test", 1, &r, &x->e), 0);
    bronze_pos end = bronze_appended_pos(x->log);
    bronze_pos seen = 0;
    struct bronze_block b;
    while (seen < end) {
        int rc = bronze_reader_next(r, &b, &x->e);
        cr_assert(rc >= 0);
        if (rc == BRONZE_END) {
            bronze_reader_wait(r, 10 * 1000);
            continue;
        }
        size_t at = 0;
        struct bronze_frame f;
        while (bronze_block_frame(&b, &at, &f)) {
            if (f.kind != BRONZE_CONTROL)
                continue;
            uint8_t *copy = mem_alloc(f.payload.len);
            memcpy(copy, f.payload.data, f.payload.len);
            f.payload.data = copy;
            cr_assert_lt(all.count, 1000);
            all.frames[all.count++] = f;
        }
        seen = b.end_pos - 1;
    }
    bronze_reader_close(r);
    return all;
}

void rig_frames_free(struct rig_frames *f)
{
    for (size_t i = 0; i < f->count; i++)
        mem_free((void *)(uintptr_t)f->frames[i].payload.data);
    mem_free(f->frames);
}

size_t rig_find(const struct rig_frames *f, size_t at, Sluice__Control__Record__WhatCase what)
{
    for (; at < f->count; at++) {
        record *r = catalog__record_of(&f->frames[at]);
        bool found = r != NULL && r->what_case == what;
        catalog__record_free(r);
        if (found)
            return at;
    }
    cr_assert_fail("no such record");
    return 0;
}

struct catalog *rig_replay(struct rig *x, const struct rig_frames *f, size_t from, size_t to)
{
    struct catalog *c = catalog_new(x->sys);
    for (size_t i = from; i < to; i++)
        cr_assert_eq(catalog_on_control(c, &f->frames[i]), 0);
    return c;
}

struct catalog_table *rig_table(struct rig *x, const char *name)
{
    const char *keys[] = {"icao"};
    struct catalog_create r = {.name = name, .ddl = RIG_DDL, .keys = keys, .key_count = 1};
    struct catalog_table *t = NULL;
    int rc = catalog_create_table(x->c, &r, &t, &x->e);
    cr_assert_eq(rc, 0, "%s", x->e.text);
    return t;
}

void rig_token(struct rig *x, const char *name, const char *grant, uint8_t secret)
{
    struct catalog_grant g = {(char *)(uintptr_t)grant, true, false};
    struct catalog_token t = {.name = (char *)(uintptr_t)name, .grants = &g, .grant_count = 1};
    memset(t.hash, secret, sizeof(t.hash));
    int rc = catalog_create_token(x->c, &t, &x->e);
    cr_assert_eq(rc, 0, "%s", x->e.text);
}

void rig_descriptor(struct rig *x, const char *message_name, struct buf *out)
{
    struct row_schema *s;
    const char *keys[] = {"icao"};
    cr_assert_eq(row_schema_parse(slice_str(RIG_DDL), keys, 1, &s, &x->e), 0);
    codec_table_descriptor(s, message_name, out);
    row_schema_unref(s);
}
