/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Creating a table and committing to it, by put-if-absent of the next version.
 *
 * Exactly once (I3) rests on three things. The cut of an attempt never changes (rule D3, the
 * caller's). The next version is tried only when the present one exists, so a put whose answer was
 * lost can still land only where a later try finds it. And whoever stands in a version we wanted is
 * read: if it carries our txn at our position and our files, it is our own earlier attempt.
 */
#include "delta/delta.h"

#include "base/mem.h"
#include "base/must.h"
#include "base/uuid.h"
#include "objstore/objstore.h"
#include "sys/bug.h"
#include "sys/sys.h"

#include "delta_priv.h"

#include <string.h>

enum winner { WINNER_OTHER = 0, WINNER_OURS = 1 };

/* Is version 0 that stands at @location the one that @r asks for? */
static int check_existing(struct objstore *o, const struct delta_create *r, struct err *e)
{
    _cleanup_(delta__commit_deinit) struct delta__commit k = {0};
    int x = delta__commit_read(o, r->location, 0, &k, e);
    if (x == ERR_NOT_FOUND)
        return err_set(e, ERR_EXISTS, "%s is not empty, and not a Delta table", r->location);
    TRY(x);
    const char *id = delta__commit_table_id(&k);
    if (id && strcmp(id, r->delta_id) == 0)
        return 0;
    return err_set(e, ERR_EXISTS, "another Delta table (id %s) is in %s", id ? id : "?",
                   r->location);
}

int delta_create(struct objstore *o, const struct delta_create *r, struct err *e)
{
    bool empty = false;
    _cleanup_(mem_freep) char *folder = mem_printf("%s/_delta_log", r->location);
    TRY(objstore_settle(o, folder, e)); /* folders that a killed life made */
    TRY(objstore_is_empty(o, r->location, &empty, e));
    if (!empty)
        return check_existing(o, r, e);
    _cleanup_(buf_deinit) struct buf text = BUF_NULL;
    _cleanup_(mem_freep) char *name = delta__commit_name(r->location, 0);
    delta__create_write(r, &text);
    int x = objstore_put_absent(o, name, buf_slice(&text), e);
    return x == ERR_EXISTS ? check_existing(o, r, e) : x;
}

/* Somebody's commit stands at @version. Ours from an earlier attempt, harmless, or the end? */
static int judge_winner(struct delta_table *t, const struct delta_commit *c,
                        const struct delta__commit *k, int64_t version, struct err *e)
{
    bool changes = delta__commit_changes_table(k);
    int64_t txn = delta__commit_txn(k, c->app_id);
    if (changes && (txn < 0 || c->schema == NULL))
        return err_set(e, ERR_PRECONDITION,
                       "%s: version %lld, by another writer, changes protocol or metaData",
                       t->location, (long long)version);
    if (txn < 0 || sys_bug(t->sys, SYS_BUG_CUT_WIDENED)) /* not looked at: against D3 */
        return WINNER_OTHER;
    bool same = txn == c->txn_version && changes == (c->schema != NULL);
    for (size_t i = 0; same && i < c->file_count; i++)
        same = delta__commit_adds(k, c->files[i].path);
    if (!same)
        return err_set(e, ERR_PRECONDITION,
                       "%s: version %lld was committed for the same log (position %lld, ours is "
                       "%lld) by somebody "
                       "else: two servers on copies of one data folder?",
                       t->location, (long long)version, (long long)txn, (long long)c->txn_version);
    return WINNER_OURS;
}

/* The version after the newest is taken: learn from it. Returns WINNER_… or an error. */
static int take_winner(struct delta_table *t, struct delta_commit *c, struct err *e)
{
    int64_t version = t->version + 1;
    _cleanup_(delta__commit_deinit) struct delta__commit k = {0};
    TRY(delta__commit_read(t->lake, t->location, version, &k, e));
    int winner = judge_winner(t, c, &k, version, e);
    TRY(winner);
    t->version = version;
    t->last_ict_ms = MAX(t->last_ict_ms, delta__commit_ict_ms(&k));
    delta__txns_note(t, &k, true);
    if (winner == WINNER_OURS) {
        c->version = version;
        c->size = k.size;
        c->was_there = true;
        memcpy(c->hash, k.hash, sizeof(c->hash));
    }
    return winner;
}

int delta_check_there(struct delta_table *t, struct err *e)
{
    _cleanup_(mem_freep) char *name = delta__commit_name(t->location, t->version);
    _cleanup_(buf_deinit) struct buf byte = BUF_NULL;
    int r = objstore_get_tail(t->lake, name, 1, &byte, e);
    if (r == ERR_NOT_FOUND)
        return err_set(e, ERR_UNAVAILABLE,
                       "%s/%s is not there any more: is the lake another one, or "
                       "not mounted? (When another writer has tidied it away: restart.)",
                       objstore_root(t->lake), name);
    return r;
}

/* Try the next version once. 0: it is ours. ERR_EXISTS: taken. */
static int try_version(struct delta_table *t, struct delta_commit *c, struct slice evolution,
                       struct err *e)
{
    uint8_t random[16];
    char txn_id[UUID_TEXT_LEN + 1];
    sys_random(t->sys, random, sizeof(random));
    struct uuid u = uuid_from_random(random);
    uuid_format(&u, txn_id);
    int64_t ict_ms = MAX(MAX(c->now_us, c->arrived_us) / 1000, t->last_ict_ms + 1);
    _cleanup_(buf_deinit) struct buf text = BUF_NULL;
    delta__commit_write(c, ict_ms, txn_id, evolution, &text);
    _cleanup_(mem_freep) char *name = delta__commit_name(t->location, t->version + 1);
    TRY(objstore_put_absent(t->lake, name, buf_slice(&text), e));
    t->version++;
    t->last_ict_ms = ict_ms;
    delta__txn_note(t, c->app_id, &(struct delta__txn){c->txn_version, ict_ms}, true);
    c->version = t->version;
    c->size = text.len;
    c->was_there = false;
    delta_hash(buf_slice(&text), c->hash);
    return 0;
}

static int commit_somewhere(struct delta_table *t, struct delta_commit *c, struct err *e)
{
    /* it holds for the whole call: who else changes the table ends it */
    _cleanup_(buf_deinit) struct buf evolution = BUF_NULL;
    if (c->schema != NULL)
        TRY(delta__evolve(t, c->schema, &evolution, e));
    TRY(delta_check_there(t, e));
    for (unsigned races = 0; races < DELTA_RACES_MAX; races++) {
        int r = try_version(t, c, buf_slice(&evolution), e);
        if (r != ERR_EXISTS)
            return r;
        r = take_winner(t, c, e);
        TRY(r);
        if (r == WINNER_OURS)
            return 0;
    }
    return err_set(e, ERR_UNAVAILABLE, "%s: other writers took %d versions in a row", t->location,
                   DELTA_RACES_MAX);
}

int delta_commit(struct delta_table *t, struct delta_commit *c, int *ret_checkpoint, struct err *e)
{
    *ret_checkpoint = 0;
    c->checkpoint_file = c->hint_file = (struct delta_seal){.size = 0};
    c->checkpoint = false;
    TRY(commit_somewhere(t, c, e));
    if (t->version < t->checkpoint_next)
        return 0;
    *ret_checkpoint = delta__checkpoint_write(t, c, e);
    c->checkpoint = *ret_checkpoint == 0;
    t->checkpoint_next =
        t->version + (c->checkpoint ? DELTA_CHECKPOINT_EVERY : DELTA_CHECKPOINT_RETRY);
    return 0;
}
