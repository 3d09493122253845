/* SPDX-License-Identifier: Apache-2.0 */
/* sluice token create | list | revoke */
#include "cli_priv.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

typedef Sluice__V1__Grant Grant;

/* "a.b.c:rw" → a grant; false with the reason said. The table's text is given. */
static bool parse_grant(const char *text, Grant *g)
{
    const char *colon = strrchr(text, ':');
    const char *verbs = colon != NULL ? colon + 1 : "";
    sluice__v1__grant__init(g);
    g->read = strchr(verbs, 'r') != NULL;
    g->write = strchr(verbs, 'w') != NULL;
    if (colon == NULL || colon == text || verbs[0] == '\0' ||
        strspn(verbs, "rw") != strlen(verbs)) {
        fprintf(stderr,
                "sluice: grant %s is not TABLE:r, TABLE:w or TABLE:rw (TABLE: a.b.c, a.b.*, a.* or "
                "*)\n",
                text);
        return false;
    }
    g->table = mem_strndup(text, (size_t)(colon - text));
    return true;
}

static int create(struct cli *c)
{
    if (c->word_count != 3 || (c->grant_count == 0 && !c->admin))
        return cli_usage("token create takes a NAME and --grant TABLE:rw (repeatable) or --admin");
    Grant grants[CLI_GRANTS_MAX], *list[CLI_GRANTS_MAX];
    Sluice__V1__CreateTokenRequest q = SLUICE__V1__CREATE_TOKEN_REQUEST__INIT;
    q.name = (char *)(uintptr_t)c->words[2];
    q.admin = c->admin;
    q.lifetime_s = c->lifetime_s;
    q.grants = list;
    bool ok = true;
    for (int i = 0; ok && i < c->grant_count; i++) {
        ok = parse_grant(c->grants[i], &grants[i]);
        if (ok)
            list[q.n_grants++] = &grants[i];
    }
    int status = EXIT_USAGE;
    Sluice__V1__CreateTokenResponse *a =
        !ok ? NULL
            : cli_call(c, "/sluice.v1.Tokens/CreateToken", &q.base,
                       &sluice__v1__create_token_response__descriptor, &status);
    for (size_t i = 0; i < q.n_grants; i++)
        mem_free(grants[i].table);
    if (a == NULL)
        return status;
    if (c->json)
        printf("{\"token\":\"%s\"}\n", a->token);
    else
        printf("%s\n", a->token);
    if (!c->json && !c->quiet)
        fprintf(stderr, "This token is shown once; only its hash is kept.\n");
    sluice__v1__create_token_response__free_unpacked(a, NULL);
    return EXIT_OK;
}

static void grants_text(const Sluice__V1__Token *t, struct buf *out)
{
    if (t->admin)
        buf_add_str(out, "admin");
    for (size_t i = 0; i < t->n_grants; i++)
        buf_printf(out, "%s%s:%s%s", out->len > 0 ? " " : "", t->grants[i]->table,
                   t->grants[i]->read ? "r" : "", t->grants[i]->write ? "w" : "");
}

static void token_json(struct json *j, const Sluice__V1__Token *t)
{
    json_open(j, '{');
    json_key(j, "name");
    json_str(j, t->name);
    json_key(j, "admin");
    json_bool(j, t->admin);
    json_key(j, "grants");
    json_open(j, '[');
    for (size_t i = 0; i < t->n_grants; i++) {
        json_open(j, '{');
        json_key(j, "table");
        json_str(j, t->grants[i]->table);
        json_key(j, "read");
        json_bool(j, t->grants[i]->read);
        json_key(j, "write");
        json_bool(j, t->grants[i]->write);
        json_close(j, '}');
    }
    json_close(j, ']');
    json_key(j, "created_at_us");
    json_i64(j, t->created_at_us);
    json_key(j, "expires_at_us");
    json_i64(j, t->expires_at_us);
    json_close(j, '}');
}

static void print_grid(const Sluice__V1__ListTokensResponse *a)
{
    struct cli_grid g = {.columns = 4};
    cli_grid_cell(&g, "token");
    cli_grid_cell(&g, "created");
    cli_grid_cell(&g, "expires");
    cli_grid_cell(&g, "grants");
    for (size_t i = 0; i < a->n_tokens; i++) {
        char when[32];
        struct buf grants = BUF_NULL;
        cli_grid_cell(&g, "%s", a->tokens[i]->name);
        cli_time(a->tokens[i]->created_at_us, when);
        cli_grid_cell(&g, "%s", when);
        cli_time(a->tokens[i]->expires_at_us, when);
        cli_grid_cell(&g, "%s", a->tokens[i]->expires_at_us == 0 ? "never" : when);
        grants_text(a->tokens[i], &grants);
        cli_grid_cell(&g, "%s", buf_cstr(&grants));
        buf_deinit(&grants);
    }
    cli_grid_print(&g);
}

static int list(struct cli *c)
{
    Sluice__V1__ListTokensRequest q = SLUICE__V1__LIST_TOKENS_REQUEST__INIT;
    int status;
    Sluice__V1__ListTokensResponse *a =
        cli_call(c, "/sluice.v1.Tokens/ListTokens", &q.base,
                 &sluice__v1__list_tokens_response__descriptor, &status);
    if (a == NULL)
        return status;
    if (c->json) {
        struct buf out = BUF_NULL;
        struct json j = json_on(&out);
        json_open(&j, '[');
        for (size_t i = 0; i < a->n_tokens; i++)
            token_json(&j, a->tokens[i]);
        json_close(&j, ']');
        cli_json_print(&out);
    } else {
        print_grid(a);
    }
    sluice__v1__list_tokens_response__free_unpacked(a, NULL);
    return EXIT_OK;
}

static int revoke(struct cli *c)
{
    if (c->word_count != 3)
        return cli_usage("token revoke takes the token's NAME");
    Sluice__V1__RevokeTokenRequest q = SLUICE__V1__REVOKE_TOKEN_REQUEST__INIT;
    q.name = (char *)(uintptr_t)c->words[2];
    int status;
    Sluice__V1__RevokeTokenResponse *a =
        cli_call(c, "/sluice.v1.Tokens/RevokeToken", &q.base,
                 &sluice__v1__revoke_token_response__descriptor, &status);
    if (a == NULL)
        return status;
    sluice__v1__revoke_token_response__free_unpacked(a, NULL);
    printf(c->json ? "{\"revoked\":true}\n" : "revoked; its open streams end within a second\n");
    return EXIT_OK;
}

int cli_token(struct cli *c)
{
    const char *verb = c->word_count > 1 ? c->words[1] : "";
    if (strcmp(verb, "create") == 0)
        return create(c);
    if (strcmp(verb, "list") == 0)
        return list(c);
    if (strcmp(verb, "revoke") == 0)
        return revoke(c);
    return cli_usage("token takes create, list or revoke");
}
