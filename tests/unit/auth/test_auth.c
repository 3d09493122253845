/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens and headers. */
#include "test.h"

#include "auth/auth.h"
#include "sys/sys.h"

#include <string.h>

/* FIPS 180-2, appendix B.1: "abc". */
static const uint8_t abc_hash[AUTH_HASH_BYTES] = {
    0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
    0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
};

static struct sys *real_sys(void)
{
    struct sys *s = NULL;
    cr_assert_eq(sys_new_uring(&s, NULL), 0);
    return s;
}

Test(auth_token, is_46_characters_of_the_url_alphabet)
{
    struct sys *s = real_sys();
    char text[AUTH_TOKEN_LEN + 1];

    auth_token_new(s, text);

    cr_assert_eq(strlen(text), AUTH_TOKEN_LEN);
    cr_assert(memcmp(text, "slc", 3) == 0);
    cr_assert_eq(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
                 AUTH_TOKEN_LEN);
    sys_free(s);
}

Test(auth_token, differs_each_time)
{
    struct sys *s = real_sys();
    char a[AUTH_TOKEN_LEN + 1], b[AUTH_TOKEN_LEN + 1];

    auth_token_new(s, a);
    auth_token_new(s, b);

    cr_assert_str_neq(a, b);
    sys_free(s);
}

Test(auth_token, hash_is_sha_256)
{
    uint8_t hash[AUTH_HASH_BYTES];

    auth_token_hash(slice_str("abc"), hash);

    cr_assert_arr_eq(hash, abc_hash, AUTH_HASH_BYTES);
}

Test(auth_header, scheme_may_have_any_letter_case)
{
    const char *headers[] = {"Bearer abc", "bearer abc", "BEARER abc", "Bearer   abc"};

    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        uint8_t hash[AUTH_HASH_BYTES];
        struct err e;
        cr_assert_eq(auth_header_hash(slice_str(headers[i]), hash, &e), 0);
        cr_assert_arr_eq(hash, abc_hash, AUTH_HASH_BYTES);
    }
}

Test(auth_header, absent_or_malformed_is_unauthenticated_and_not_repeated)
{
    const char *headers[] = {"",
                             "Bearer",
                             "Bearer ",
                             "Bearer  ",
                             "Basic c2VjcmV0",
                             "Bearerabc",
                             "Bearer sec ret",
                             "Bearer secr\xc3\xa9t"};

    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        uint8_t hash[AUTH_HASH_BYTES];
        struct err e = {0};
        cr_assert_eq(auth_header_hash(slice_str(headers[i]), hash, &e), ERR_UNAUTHENTICATED);
        cr_assert(strlen(e.text) > 20);
        cr_assert_null(strstr(e.text, "sec"));
    }
    uint8_t hash[AUTH_HASH_BYTES];
    cr_assert_eq(auth_header_hash(SLICE_NULL, hash, NULL), ERR_UNAUTHENTICATED);
}
