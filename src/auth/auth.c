/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bearer tokens: made from 256 random bits, kept only as SHA-256, read out of the metadata. A token
 * has so much entropy that a plain hash needs neither salt nor stretching. Any thread; no state.
 */
#include "auth/auth.h"

#include "base/must.h"
#include "sys/sys.h"

#include <openssl/sha.h>

#include <assert.h>
#include <string.h>
#include <strings.h>

static const char prefix[] = "slc";
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* base64url without padding. Returns the end of what was written. */
static char *put_base64url(char *out, const uint8_t *bytes, size_t len)
{
    uint32_t bits = 0;
    unsigned count = 0;
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | bytes[i];
        for (count += 8; count >= 6; count -= 6)
            *out++ = alphabet[bits >> (count - 6) & 63];
    }
    if (count > 0)
        *out++ = alphabet[bits << (6 - count) & 63];
    return out;
}

void auth_token_new(struct sys *s, char ret_text[AUTH_TOKEN_LEN + 1])
{
    uint8_t secret[32];
    sys_random(s, secret, sizeof(secret));
    memcpy(ret_text, prefix, sizeof(prefix) - 1);
    char *end = put_base64url(ret_text + sizeof(prefix) - 1, secret, sizeof(secret));
    must(end == ret_text + AUTH_TOKEN_LEN);
    *end = '\0';
    explicit_bzero(secret, sizeof(secret));
}

void auth_token_hash(struct slice text, uint8_t ret_hash[AUTH_HASH_BYTES])
{
    static_assert(AUTH_HASH_BYTES == SHA256_DIGEST_LENGTH, "the kept hash is a SHA-256");
    must(SHA256(text.data, text.len, ret_hash) != NULL);
}

static bool is_token_char(uint8_t c)
{
    return c > ' ' && c < 0x7f;
}

int auth_header_hash(struct slice header, uint8_t ret_hash[AUTH_HASH_BYTES], struct err *e)
{
    if (header.data == NULL || header.len == 0)
        return err_set(e, ERR_UNAUTHENTICATED,
                       "the call carries no token: send the metadata "
                       "'authorization: Bearer <token>'");
    static const char scheme[] = "Bearer ";
    size_t at = sizeof(scheme) - 1;
    if (header.len <= at || strncasecmp((const char *)header.data, scheme, at) != 0)
        return err_set(e, ERR_UNAUTHENTICATED,
                       "the authorization metadata is not of the form 'Bearer <token>'");
    while (at < header.len && header.data[at] == ' ')
        at++;
    struct slice token = slice_of(header.data + at, header.len - at);
    for (size_t i = 0; i < token.len; i++)
        if (!is_token_char(token.data[i]))
            return err_set(e, ERR_UNAUTHENTICATED,
                           "the token in the authorization metadata holds characters that "
                           "no token has");
    if (token.len == 0)
        return err_set(e, ERR_UNAUTHENTICATED, "the authorization metadata names no token");
    auth_token_hash(token, ret_hash);
    return 0;
}
