/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens: in force, expired, revoked; what a grant covers. */
#include "rig.h"

static void secret(uint8_t hash[CATALOG_HASH_BYTES], uint8_t value)
{
    memset(hash, value, CATALOG_HASH_BYTES);
}

Test(catalog_token, is_found_by_hash_until_revoked)
{
    struct rig x;
    rig_up(&x);
    rig_token(&x, "reader", "a.b.c", 7);
    uint8_t hash[CATALOG_HASH_BYTES];
    secret(hash, 7);
    struct catalog_token *t;
    rig_restart(&x);
    cr_assert_eq(catalog_token_by_hash(x.c, hash, 1, &t, &x.e), 0);
    cr_assert_str_eq(t->name, "reader");

    cr_assert_eq(catalog_revoke_token(x.c, "reader", &x.e), 0);

    cr_assert(atomic_load(&t->revoked));
    catalog_token_unref(t);
    cr_assert_eq(catalog_token_by_hash(x.c, hash, 1, &t, &x.e), ERR_UNAUTHENTICATED);
    cr_assert_eq(catalog_revoke_token(x.c, "reader", &x.e), ERR_NOT_FOUND);
    rig_restart(&x);
    cr_assert_eq(catalog_token_by_hash(x.c, hash, 1, &t, &x.e), ERR_UNAUTHENTICATED);
    rig_down(&x);
}

Test(catalog_token, expired_one_is_refused_and_its_name_is_free)
{
    struct rig x;
    rig_up(&x);
    struct catalog_token t = {.name = (char *)"brief", .admin = true, .expires_at_us = 1000};
    secret(t.hash, 1);
    cr_assert_eq(catalog_create_token(x.c, &t, &x.e), 0);
    struct catalog_token *found;

    cr_assert_eq(catalog_token_by_hash(x.c, t.hash, 999, &found, &x.e), 0);
    catalog_token_unref(found);
    cr_assert_eq(catalog_token_by_hash(x.c, t.hash, 1000, &found, &x.e), ERR_UNAUTHENTICATED);
    cr_assert_not_null(strstr(x.e.text, "expired"));
    rig_token(&x, "brief", "*", 2);

    cr_assert_eq(catalog_token_by_hash(x.c, t.hash, 1, &found, &x.e), ERR_UNAUTHENTICATED);
    secret(t.hash, 2);
    cr_assert_eq(catalog_token_by_hash(x.c, t.hash, 1, &found, &x.e), 0);
    catalog_token_unref(found);
    rig_down(&x);
}

Test(catalog_token, name_and_secret_are_unique)
{
    struct rig x;
    rig_up(&x);
    rig_token(&x, "one", "*", 1);
    struct catalog_token same_name = {.name = (char *)"one", .admin = true};
    secret(same_name.hash, 2);
    struct catalog_token same_secret = {.name = (char *)"two", .admin = true};
    secret(same_secret.hash, 1);

    cr_assert_eq(catalog_create_token(x.c, &same_name, &x.e), ERR_EXISTS);
    cr_assert_eq(catalog_create_token(x.c, &same_secret, &x.e), ERR_EXISTS);
    rig_down(&x);
}

Test(catalog_token, that_allows_nothing_or_is_ill_named_is_refused)
{
    struct rig x;
    rig_up(&x);
    struct catalog_grant empty = {(char *)"a.b.c", false, false};
    struct catalog_grant wrong = {(char *)"a.b", true, true};
    struct catalog_token bad[] = {
        {.name = (char *)"x"},
        {.name = (char *)"", .admin = true},
        {.name = (char *)"two words", .admin = true},
        {.name = (char *)"x", .grants = &empty, .grant_count = 1},
        {.name = (char *)"x", .grants = &wrong, .grant_count = 1},
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        cr_assert_eq(catalog_create_token(x.c, &bad[i], &x.e), ERR_INVALID);
    rig_down(&x);
}

Test(catalog_grant, covers_a_table_a_prefix_or_all)
{
    struct {
        const char *grant, *table;
        bool covered;
    } cases[] = {
        {"a.b.c", "a.b.c", true},   {"a.b.c", "a.b.cc", false}, {"a.b.*", "a.b.c", true},
        {"a.b.*", "a.bb.c", false}, {"a.*", "a.x.y", true},     {"a.*", "aa.x.y", false},
        {"*", "x.y.z", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct catalog_grant g = {(char *)(uintptr_t)cases[i].grant, true, false};
        struct catalog_token t = {.name = (char *)"t", .grants = &g, .grant_count = 1};
        struct err e = {0};

        int rc = catalog_may(&t, CATALOG_READ, cases[i].table, &e);

        cr_assert_eq(rc, cases[i].covered ? 0 : ERR_DENIED, "%s %s", cases[i].grant,
                     cases[i].table);
        cr_assert_eq(catalog_may(&t, CATALOG_WRITE, cases[i].table, &e), ERR_DENIED);
        cr_assert_eq(catalog_may(&t, CATALOG_ADMIN, NULL, &e), ERR_DENIED);
        cr_assert_eq(catalog_may_see(&t, cases[i].table), cases[i].covered);
    }
}

Test(catalog_grant, admin_may_everything)
{
    struct catalog_token t = {.name = (char *)"root", .admin = true};

    cr_assert_eq(catalog_may(&t, CATALOG_ADMIN, NULL, NULL), 0);
    cr_assert_eq(catalog_may(&t, CATALOG_WRITE, "a.b.c", NULL), 0);
}

Test(catalog_grant, has_one_of_four_forms)
{
    const char *good[] = {"*", "a.*", "a.b.*", "a.b.c", "A-1._x.z9"};
    const char *bad[] = {"",   "a",  "a.b",   "a.b.c.d", "a.b.c.*", ".*",
                         "**", "a*", "*.b.c", "a..*",    "a.b c.*", "a.b.*x"};

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        cr_assert_eq(catalog_grant_check(good[i], NULL), 0, "%s", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        cr_assert_eq(catalog_grant_check(bad[i], NULL), ERR_INVALID, "%s", bad[i]);
}
