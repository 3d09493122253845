/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operator: makes tables and tokens at the start, and now and then makes, alters, drops or
 * makes again a table, as the admin service does it. What a call answered is certain; what it could
 * not answer (the log was full, or the server died in it) is looked up in the next life.
 */
#include "sim.h"

#include "auth/auth.h"
#include "base/mem.h"
#include "base/must.h"
#include "compact/compact.h"

#include <stdio.h>
#include <string.h>

/* What a failing disk or lake refuses is tried again, in the next life too. */
#define FIRST_TRIES  6
#define TABLES_LEAST 2

#define DDL "k STRING NOT NULL, u BIGINT NOT NULL, n BIGINT, pad STRING"

static void note_table(struct sim_table *t, const struct catalog_table *c)
{
    t->id = c->id;
    (void)snprintf(t->delta_id, sizeof(t->delta_id), "%s", c->delta_id);
}

static void create_table(struct world *w, uint32_t index)
{
    struct sim_table *t = &w->m.tables[index];
    const char *key = "k";
    struct catalog_create r = {.name = t->name, .ddl = DDL, .keys = &key, .key_count = t->keyed};
    struct catalog_table *made = NULL;
    struct err e = {0};
    char *location = catalog_location(t->name);
    int rc = compact_check_location(w->lake, location, &e);
    mem_free(location);
    t->created = FATE_UNKNOWN;
    if (rc < 0) {
        t->created = FATE_NO;
        t->dropped = FATE_YES; /* nothing will come of it */
    } else {
        rc = catalog_create_table(w->catalog, &r, &made, &e);
    }
    sim_trace(w, "create %s: %d %s", t->name, rc, rc < 0 ? e.text : "");
    if (rc == 0) {
        t->created = FATE_YES;
        note_table(t, made);
        w->r.tables++;
    } else if (rc == ERR_EXISTS) {
        t->created = FATE_NO; /* the name is another one's */
        t->dropped = FATE_YES;
    }
    made = catalog_table_unref(made);
}

static void drop_table(struct world *w, uint32_t index)
{
    struct sim_table *t = &w->m.tables[index];
    struct err e = {0};
    t->dropped = FATE_UNKNOWN;
    int rc = catalog_drop_table(w->catalog, t->name, &e);
    sim_trace(w, "drop %s: %d %s", t->name, rc, rc < 0 ? e.text : "");
    if (rc == 0)
        t->dropped = FATE_YES;
    else if (rc != ERR_UNAVAILABLE)
        t->dropped = FATE_NO;
}

/* One more column, or the newest one wider: what rows say does not change. */
static void alter_table(struct world *w, uint32_t index)
{
    const struct sim_table *t = &w->m.tables[index];
    struct catalog_table *now = NULL, *next = NULL;
    struct err e = {0};
    char text[32];
    const char *word = text;
    struct catalog_alter r = {.name = t->name};
    if (catalog_table_by_name(w->catalog, t->name, &now, &e) < 0)
        return;
    const struct row_column *last = &now->schema->columns[now->schema->column_count - 1];
    if (last->type == ROW_INT) {
        (void)snprintf(text, sizeof(text), "%.16s BIGINT", last->name);
        r.change = (struct row_change){.widens = &word, .widen_count = 1};
    } else {
        (void)snprintf(text, sizeof(text), "x%u INT", now->schema->column_count);
        r.change = (struct row_change){.adds = &word, .add_count = 1};
    }
    bool full = last->type != ROW_INT && now->schema->column_count == SIM_COLUMNS_MAX;
    int rc = full ? 0 : catalog_alter_table(w->catalog, &r, &next, &e);
    sim_trace(w, "alter %s: %s: %d %s", t->name, text, rc, rc < 0 ? e.text : "");
    catalog_table_unref(now);
    catalog_table_unref(next);
}

static uint32_t add_table(struct world *w, const char *name, bool keyed)
{
    struct sim_table *t = &w->m.tables[w->m.table_count];
    *t = (struct sim_table){.keyed = keyed};
    (void)snprintf(t->name, sizeof(t->name), "%s", name);
    return w->m.table_count++;
}

static void create_token(struct world *w, const char *name, const char *text, const char *table)
{
    struct catalog_grant g = {(char *)(uintptr_t)table, true, true};
    struct catalog_token t = {.name = (char *)(uintptr_t)name, .grants = &g, .grant_count = 1};
    struct err e = {0};
    auth_token_hash(slice_str(text), t.hash);
    int rc = catalog_create_token(w->catalog, &t, &e);
    must(rc == 0 || rc == ERR_EXISTS);
}

static bool is_live(const struct sim_table *t)
{
    return t->created == FATE_YES && t->dropped == FATE_NO;
}

static uint32_t count_live(const struct world *w)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < w->m.table_count; i++)
        live += is_live(&w->m.tables[i]);
    return live;
}

bool sim_admin_start(struct world *w)
{
    if (w->first_tables == 0)
        w->first_tables = (uint32_t)sim_between(w, 2, 5);
    create_token(w, "producer", SIM_TOKEN, "sim.*");
    create_token(w, "stranger", SIM_STRANGER, "elsewhere.*");
    w->tokens_done = true;
    for (unsigned try = 0; try < FIRST_TRIES; try++) {
        uint32_t live = count_live(w); /* a life may have ended in here: then some are there */
        if (live >= w->first_tables || w->m.table_count + 1 >= SIM_TABLES_MAX)
            break;
        char name[32];
        (void)snprintf(name, sizeof(name), "sim.t.table_%u", w->m.table_count);
        uint32_t t = add_table(w, name, live == 0 || (live > 1 && sim_one_in(w, 2)));
        create_table(w, t);
    }
    return count_live(w) >= TABLES_LEAST;
}

void sim_admin_turn(struct world *w)
{
    uint32_t live = count_live(w);
    uint32_t any = (uint32_t)sim_below(w, w->m.table_count);
    if (is_live(&w->m.tables[any]) && sim_one_in(w, 3)) {
        alter_table(w, any);
        return;
    }
    if (w->m.table_count + 1 < SIM_TABLES_MAX && (live < 3 || sim_one_in(w, 2))) {
        char name[32]; /* names come back: a dropped table's name may be taken again */
        (void)snprintf(name, sizeof(name), "sim.t.table_%u", (unsigned)sim_below(w, 8));
        for (uint32_t i = 0; i < w->m.table_count; i++)
            if (strcmp(w->m.tables[i].name, name) == 0 &&
                (w->m.tables[i].dropped != FATE_YES || w->m.tables[i].created == FATE_UNKNOWN))
                return;
        create_table(w, add_table(w, name, sim_one_in(w, 2)));
        return;
    }
    uint32_t i = (uint32_t)sim_below(w, w->m.table_count);
    if (live > 2 && i >= 2 && is_live(&w->m.tables[i]))
        drop_table(w, i);
}

/* ---- what the catalog of a new life says ---- */

static void settle(struct world *w, struct sim_table *t)
{
    struct catalog_table *c = NULL;
    struct err e;
    int rc = catalog_table_by_name(w->catalog, t->name, &c, &e);
    bool mine = rc == 0 && (t->id == 0 || c->id == t->id);
    if (t->created == FATE_UNKNOWN) {
        t->created = mine ? FATE_YES : FATE_NO;
        w->r.tables += mine;
        if (mine)
            note_table(t, c);
        else
            t->dropped = FATE_YES;
    } else if (t->dropped == FATE_UNKNOWN) {
        t->dropped = mine ? FATE_NO : FATE_YES;
    } else if (is_live(t) && !mine) {
        sim_violation(w, "I4", "table %s (id %u) was created and is not in the catalog", t->name,
                      t->id);
    } else if (t->created == FATE_YES && t->dropped == FATE_YES && mine && t->id != 0) {
        sim_violation(w, "I4", "table %s (id %u) was dropped and is in the catalog", t->name,
                      t->id);
    }
    c = catalog_table_unref(c);
}

void sim_check_catalog(struct world *w)
{
    struct catalog_token *token = NULL;
    uint8_t hash[AUTH_HASH_BYTES];
    struct err e = {0};
    for (uint32_t i = 0; i < w->m.table_count; i++) /* unknown fates last: a name may have two */
        if (w->m.tables[i].created != FATE_NO)
            settle(w, &w->m.tables[i]);
    if (!w->tokens_done)
        return;
    auth_token_hash(slice_str(SIM_TOKEN), hash);
    if (catalog_token_by_hash(w->catalog, hash, sys_now_us(w->sys), &token, &e) < 0)
        sim_violation(w, "I4", "the producer's token is gone: %s", e.text);
    else if (catalog_may(token, CATALOG_WRITE, "sim.t.table_0", &e) < 0)
        sim_violation(w, "I4", "the producer's grant is gone: %s", e.text);
    token = catalog_token_unref(token);
}
