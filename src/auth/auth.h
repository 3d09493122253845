/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * auth: bearer tokens. Makes them, hashes them, and reads them out of an authorization header.
 * Who a hash belongs to and what it may do is the catalog's knowledge. Any thread; no state.
 */

#include "base/attr.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

struct sys;

#define AUTH_TOKEN_LEN  46 /* "slc" + 43 characters of base64url: 256 random bits */
#define AUTH_HASH_BYTES 32

void auth_token_new(struct sys *s, char ret_text[AUTH_TOKEN_LEN + 1]);
void auth_token_hash(struct slice text, uint8_t ret_hash[AUTH_HASH_BYTES]); /* SHA-256 */
/* "Bearer <token>" (scheme in any letter case) → hash. ERR_UNAUTHENTICATED: absent or malformed. */
must_use int auth_header_hash(struct slice header, uint8_t ret_hash[AUTH_HASH_BYTES],
                              struct err *e);
