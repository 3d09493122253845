/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens and what they may do. A token is in force until it is revoked; an expired one no longer
 * counts and gives its name free, and the next snapshot leaves it out. Whoever holds a reference
 * to a revoked one sees the mark.
 */
#include "catalog_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>

struct catalog_token *catalog_token_ref(struct catalog_token *t)
{
    uint32_t before = atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    must(before > 0);
    return t;
}

struct catalog_token *catalog_token_unref(struct catalog_token *t)
{
    if (t == NULL)
        return NULL;
    uint32_t before = atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel);
    must(before > 0);
    if (before > 1)
        return NULL;
    for (size_t i = 0; i < t->grant_count; i++)
        mem_free(t->grants[i].table);
    mem_free(t->grants);
    mem_free(t->name);
    mem_free(t);
    return NULL;
}

void catalog__tokens_free(struct catalog *c)
{
    struct catalog_token *t;
    for (size_t i = 0; (t = map_next(&c->tokens_by_name, &i)) != NULL;)
        catalog_token_unref(t);
    map_deinit(&c->tokens_by_name);
    map_deinit(&c->tokens_by_hash);
}

static struct slice hash_key(const uint8_t hash[CATALOG_HASH_BYTES])
{
    return slice_of(hash, CATALOG_HASH_BYTES);
}

static bool is_expired(const struct catalog_token *t, int64_t now_us)
{
    return t->expires_at_us != 0 && now_us >= t->expires_at_us;
}

/* ---- the record ---- */

void catalog__token_record(const struct catalog_token *t, struct token_record *ret)
{
    *ret = (struct token_record){.m = SLUICE__CONTROL__TOKEN_CREATED__INIT};
    ret->grants = mem_calloc(t->grant_count + 1, sizeof(*ret->grants));
    ret->grant_ptrs = mem_calloc(t->grant_count + 1, sizeof(Sluice__Control__Grant *));
    for (size_t i = 0; i < t->grant_count; i++) {
        ret->grants[i] = (Sluice__Control__Grant)SLUICE__CONTROL__GRANT__INIT;
        ret->grants[i].table = t->grants[i].table;
        ret->grants[i].read = t->grants[i].read;
        ret->grants[i].write = t->grants[i].write;
        ret->grant_ptrs[i] = &ret->grants[i];
    }
    ret->m.name = t->name;
    ret->m.hash = (ProtobufCBinaryData){CATALOG_HASH_BYTES, (uint8_t *)(uintptr_t)t->hash};
    ret->m.n_grants = t->grant_count;
    ret->m.grants = ret->grant_ptrs;
    ret->m.admin = t->admin;
    ret->m.created_at_us = t->created_at_us;
    ret->m.expires_at_us = t->expires_at_us;
}

void catalog__token_record_deinit(struct token_record *r)
{
    mem_free(r->grants);
    mem_free(r->grant_ptrs);
}

void catalog__token_created(struct catalog *c, const Sluice__Control__TokenCreated *m)
{
    struct catalog_token *there = map_get(&c->tokens_by_name, slice_str(m->name));
    if (there != NULL && memcmp(there->hash, m->hash.data, CATALOG_HASH_BYTES) == 0)
        return; /* stated again by a snapshot */
    if (map_get(&c->tokens_by_hash, hash_key(m->hash.data)) != NULL)
        return; /* the same secret under two names cannot be */
    catalog__token_revoked(c, m->name);
    struct catalog_token *t = mem_zalloc(sizeof(*t));
    atomic_store(&t->refs, 1);
    t->name = mem_strdup(m->name);
    memcpy(t->hash, m->hash.data, CATALOG_HASH_BYTES);
    t->grants = mem_calloc(m->n_grants + 1, sizeof(*t->grants));
    t->grant_count = m->n_grants;
    for (size_t i = 0; i < m->n_grants; i++)
        t->grants[i] = (struct catalog_grant){mem_strdup(m->grants[i]->table), m->grants[i]->read,
                                              m->grants[i]->write};
    t->admin = m->admin;
    t->created_at_us = m->created_at_us;
    t->expires_at_us = m->expires_at_us;
    map_put(&c->tokens_by_name, slice_str(t->name), t);
    map_put(&c->tokens_by_hash, hash_key(t->hash), t);
}

void catalog__token_revoked(struct catalog *c, const char *name)
{
    struct catalog_token *t = map_remove(&c->tokens_by_name, slice_str(name));
    if (t == NULL)
        return;
    map_remove(&c->tokens_by_hash, hash_key(t->hash));
    atomic_store(&t->revoked, true);
    catalog_token_unref(t);
}

/* ---- who and what ---- */

int catalog_token_by_hash(struct catalog *c, const uint8_t hash[CATALOG_HASH_BYTES], int64_t now_us,
                          struct catalog_token **ret_token, struct err *e)
{
    sys_mutex_lock(&c->lock);
    struct catalog_token *t = map_get(&c->tokens_by_hash, hash_key(hash));
    if (t != NULL)
        catalog_token_ref(t);
    sys_mutex_unlock(&c->lock);
    if (t == NULL)
        return err_set(e, ERR_UNAUTHENTICATED,
                       "the token is not known here: it was never made by this server, or revoked");
    if (is_expired(t, now_us)) {
        int rc =
            err_set(e, ERR_UNAUTHENTICATED, "token %s has expired; ask for a new one", t->name);
        catalog_token_unref(t);
        return rc;
    }
    *ret_token = t;
    return 0;
}

/* Does the grant's pattern cover the table? "a.b.*" covers what begins with "a.b.". */
static bool covers(const char *pattern, const char *table)
{
    size_t len = strlen(pattern);
    if (len > 0 && pattern[len - 1] == '*')
        return strncmp(pattern, table, len - 1) == 0;
    return strcmp(pattern, table) == 0;
}

int catalog_may(const struct catalog_token *t, enum catalog_verb verb, const char *table,
                struct err *e)
{
    if (t->admin)
        return 0;
    if (verb == CATALOG_ADMIN)
        return err_set(e, ERR_DENIED, "token %s is not an admin token; this call needs one",
                       t->name);
    for (size_t i = 0; i < t->grant_count; i++) {
        const struct catalog_grant *g = &t->grants[i];
        if ((verb == CATALOG_READ ? g->read : g->write) && covers(g->table, table))
            return 0;
    }
    return err_set(e, ERR_DENIED,
                   "token %s may not %s table %.255s: it has no %s grant that covers it", t->name,
                   verb == CATALOG_READ ? "read" : "write to", table,
                   verb == CATALOG_READ ? "read" : "write");
}

bool catalog_may_see(const struct catalog_token *t, const char *table)
{
    return catalog_may(t, CATALOG_READ, table, NULL) == 0 ||
           catalog_may(t, CATALOG_WRITE, table, NULL) == 0;
}

static int by_token_name(const void *a, const void *b)
{
    const struct catalog_token *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

size_t catalog_tokens(struct catalog *c, struct catalog_token ***ret_tokens)
{
    sys_mutex_lock(&c->lock);
    struct catalog_token **tokens =
        mem_calloc(c->tokens_by_name.len + 1, sizeof(struct catalog_token *));
    size_t count = 0;
    struct catalog_token *t;
    for (size_t i = 0; (t = map_next(&c->tokens_by_name, &i)) != NULL;)
        tokens[count++] = catalog_token_ref(t);
    sys_mutex_unlock(&c->lock);
    qsort(tokens, count, sizeof(struct catalog_token *), by_token_name);
    *ret_tokens = tokens;
    return count;
}

/* ---- create and revoke ---- */

/* "*", or one or two parts and ".*", or a table's full name. */
int catalog_grant_check(const char *table, struct err *e)
{
    if (strcmp(table, "*") == 0)
        return 0;
    size_t len = strlen(table);
    if (len > TABLE_NAME_BYTES_MAX)
        return err_set(e, ERR_INVALID, "the grant's table has %zu bytes, at most %d are taken", len,
                       TABLE_NAME_BYTES_MAX);
    bool is_prefix = len >= 2 && strcmp(table + len - 2, ".*") == 0;
    unsigned dots = 0;
    for (size_t i = 0; i < len; i++)
        dots += table[i] == '.';
    /* A prefix is filled up to a full name, so that one rule says what a part may hold. */
    char full[TABLE_NAME_BYTES_MAX + 8];
    (void)snprintf(full, sizeof(full), "%.*s%s", (int)(is_prefix ? len - 2 : len), table,
                   !is_prefix  ? ""
                   : dots == 1 ? ".s.t"
                               : ".t");
    if ((is_prefix && dots > 2) || row_table_name_check(full, NULL) < 0)
        return err_set(
            e, ERR_INVALID,
            "the grant's table \"%s\" is none of a.b.c, a.b.*, a.* or * (parts of letters, "
            "digits, _ and -)",
            table);
    return 0;
}

static int check_token(const struct catalog_token *t, struct err *e)
{
    size_t len = strlen(t->name);
    if (len == 0 || len > TOKEN_NAME_BYTES_MAX)
        return err_set(e, ERR_INVALID, "a token's name has 1 to %d bytes, this one %zu",
                       TOKEN_NAME_BYTES_MAX, len);
    for (size_t i = 0; i < len; i++)
        if ((uint8_t)t->name[i] < 0x21 || (uint8_t)t->name[i] > 0x7e)
            return err_set(e, ERR_INVALID,
                           "a token's name holds printable ASCII characters without spaces only");
    if (t->grant_count > GRANTS_PER_TOKEN_MAX)
        return err_set(e, ERR_INVALID, "token %s: %zu grants, at most %d are taken", t->name,
                       t->grant_count, GRANTS_PER_TOKEN_MAX);
    for (size_t i = 0; i < t->grant_count; i++) {
        if (catalog_grant_check(t->grants[i].table, e) < 0)
            return err_wrap(e, "token %s", t->name);
        if (!t->grants[i].read && !t->grants[i].write)
            return err_set(e, ERR_INVALID,
                           "token %s: the grant on %s allows neither read nor write", t->name,
                           t->grants[i].table);
    }
    if (t->grant_count == 0 && !t->admin)
        return err_set(e, ERR_INVALID, "token %s would allow nothing: give it a grant or admin",
                       t->name);
    return 0;
}

static int log_token(struct catalog *c, const struct catalog_token *t, struct err *e)
{
    int64_t now_us = sys_now_us(c->sys);
    sys_mutex_lock(&c->lock);
    const struct catalog_token *there = map_get(&c->tokens_by_name, slice_str(t->name));
    bool taken = there != NULL && !is_expired(there, now_us);
    bool same_secret = map_get(&c->tokens_by_hash, hash_key(t->hash)) != NULL;
    bool full = c->tokens_by_name.len >= TOKENS_MAX;
    sys_mutex_unlock(&c->lock);
    if (taken)
        return err_set(e, ERR_EXISTS,
                       "a token named %s is in force already; revoke it, or choose "
                       "another name",
                       t->name);
    if (same_secret)
        return err_set(e, ERR_EXISTS, "token %s: this secret is in use already", t->name);
    if (full)
        return err_set(e, ERR_EXHAUSTED, "there are %d tokens already; revoke some first",
                       TOKENS_MAX);
    struct token_record tr;
    catalog__token_record(t, &tr);
    record r = SLUICE__CONTROL__RECORD__INIT;
    r.what_case = SLUICE__CONTROL__RECORD__WHAT_TOKEN_CREATED;
    r.token_created = &tr.m;
    int rc = catalog__commit(c, &r, e);
    catalog__token_record_deinit(&tr);
    return rc;
}

int catalog_create_token(struct catalog *c, const struct catalog_token *t, struct err *e)
{
    TRY(check_token(t, e));
    TRY(catalog__enter(c, e));
    int rc = log_token(c, t, e);
    catalog__leave(c);
    return rc;
}

static int revoke(struct catalog *c, const char *name, struct err *e)
{
    TRY(catalog__enter(c, e));
    sys_mutex_lock(&c->lock);
    bool there = map_get(&c->tokens_by_name, slice_str(name)) != NULL;
    sys_mutex_unlock(&c->lock);
    int rc;
    if (there) {
        Sluice__Control__TokenRevoked m = SLUICE__CONTROL__TOKEN_REVOKED__INIT;
        m.name = (char *)(uintptr_t)name;
        record r = SLUICE__CONTROL__RECORD__INIT;
        r.what_case = SLUICE__CONTROL__RECORD__WHAT_TOKEN_REVOKED;
        r.token_revoked = &m;
        rc = catalog__commit(c, &r, e);
    } else {
        rc = err_set(e, ERR_NOT_FOUND, "there is no token named %.128s", name);
    }
    catalog__leave(c);
    return rc;
}

int catalog_revoke_token(struct catalog *c, const char *name, struct err *e)
{
    bronze_overdraw(c->log, true); /* also when the log is full: it cannot wait */
    int rc = revoke(c, name, e);
    bronze_overdraw(c->log, false);
    return rc;
}
