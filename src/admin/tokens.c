/* SPDX-License-Identifier: Apache-2.0 */
/* sluice.v1.Tokens: create, list, revoke. On the admin worker. The token's text is told once and
 * not kept. */
#include "admin_priv.h"

#include "auth/auth.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/must.h"
#include "sluice/v1/sluice.pb-c.h"
#include "sys/sys.h"

#include <string.h>

static int check_request(struct job *j, const Sluice__V1__CreateTokenRequest *q)
{
    if (q->name[0] == '\0' || strlen(q->name) > TOKEN_NAME_BYTES_MAX)
        return err_set(&j->err, ERR_INVALID, "a token's name has 1 to %d bytes",
                       TOKEN_NAME_BYTES_MAX);
    if (q->n_grants == 0 && !q->admin)
        return err_set(&j->err, ERR_INVALID,
                       "a token without grants can do nothing: give it some, or admin");
    if (q->n_grants > GRANTS_PER_TOKEN_MAX)
        return err_set(&j->err, ERR_INVALID, "a token has at most %d grants", GRANTS_PER_TOKEN_MAX);
    if (q->lifetime_s < 0 || q->lifetime_s > 3650ll * 86400)
        return err_set(&j->err, ERR_INVALID, "lifetime_s must be 0 (never expires) to ten years");
    for (size_t i = 0; i < q->n_grants; i++) {
        TRY(catalog_grant_check(q->grants[i]->table, &j->err));
        if (!q->grants[i]->read && !q->grants[i]->write)
            return err_set(&j->err, ERR_INVALID, "the grant on %s allows neither read nor write",
                           q->grants[i]->table);
    }
    return 0;
}

int admin__token_create(struct job *j)
{
    const struct admin_options *o = admin__options(j->admin);
    const Sluice__V1__CreateTokenRequest *q = (const void *)j->request;
    TRY(check_request(j, q));
    static_assert(CATALOG_HASH_BYTES == AUTH_HASH_BYTES, "one kind of hash");
    char text[AUTH_TOKEN_LEN + 1];
    auth_token_new(o->sys, text);
    int64_t now = sys_now_us(o->sys);
    struct catalog_token t = {
        .name = q->name,
        .grants = job_alloc(j, (q->n_grants + 1) * sizeof(*t.grants)),
        .grant_count = q->n_grants,
        .admin = q->admin,
        .created_at_us = now,
        .expires_at_us = q->lifetime_s == 0 ? 0 : now + q->lifetime_s * 1000000,
    };
    for (size_t i = 0; i < q->n_grants; i++)
        t.grants[i] =
            (struct catalog_grant){q->grants[i]->table, q->grants[i]->read, q->grants[i]->write};
    auth_token_hash(slice_str(text), t.hash);
    TRY(catalog_create_token(o->catalog, &t, &j->err));
    Sluice__V1__CreateTokenResponse *a = job_alloc(j, sizeof(*a));
    sluice__v1__create_token_response__init(a);
    a->token = job_str(j, text);
    j->answer = &a->base;
    return 0;
}

static Sluice__V1__Token *token_message(struct job *j, const struct catalog_token *t)
{
    Sluice__V1__Token *m = job_alloc(j, sizeof(*m));
    sluice__v1__token__init(m);
    m->name = job_str(j, t->name);
    m->admin = t->admin;
    m->created_at_us = t->created_at_us;
    m->expires_at_us = t->expires_at_us;
    m->n_grants = t->grant_count;
    m->grants = job_alloc(j, (t->grant_count + 1) * sizeof(*m->grants));
    for (size_t i = 0; i < t->grant_count; i++) {
        m->grants[i] = job_alloc(j, sizeof(*m->grants[i]));
        sluice__v1__grant__init(m->grants[i]);
        m->grants[i]->table = job_str(j, t->grants[i].table);
        m->grants[i]->read = t->grants[i].read;
        m->grants[i]->write = t->grants[i].write;
    }
    return m;
}

int admin__token_list(struct job *j)
{
    struct catalog_token **tokens;
    size_t count = catalog_tokens(admin__options(j->admin)->catalog, &tokens);
    Sluice__V1__ListTokensResponse *a = job_alloc(j, sizeof(*a));
    sluice__v1__list_tokens_response__init(a);
    a->n_tokens = count;
    a->tokens = job_alloc(j, (count + 1) * sizeof(*a->tokens));
    for (size_t i = 0; i < count; i++) {
        a->tokens[i] = token_message(j, tokens[i]);
        tokens[i] = catalog_token_unref(tokens[i]);
    }
    mem_free(tokens);
    j->answer = &a->base;
    return 0;
}

int admin__token_revoke(struct job *j)
{
    const Sluice__V1__RevokeTokenRequest *q = (const void *)j->request;
    TRY(catalog_revoke_token(admin__options(j->admin)->catalog, q->name, &j->err));
    Sluice__V1__RevokeTokenResponse *a = job_alloc(j, sizeof(*a));
    sluice__v1__revoke_token_response__init(a);
    j->answer = &a->base;
    return 0;
}
