/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in a call's headers: the authorization header, the table's name; and a grant's table.
 * A header that was taken hashes as its token; a table's name is a grant too.
 *
 * Input: kind u8, then the header's value.
 */
#include "fuzz.h"

#include "auth/auth.h"
#include "base/mem.h"
#include "catalog/catalog.h"
#include "row/row.h"

#include <string.h>
#include <strings.h>

static void check_authorization(struct slice header)
{
    uint8_t hash[AUTH_HASH_BYTES], expected[AUTH_HASH_BYTES];
    struct err e = {0};
    int r = auth_header_hash(header, hash, &e);
    FUZZ_CHECK(r == 0 || (r == ERR_UNAUTHENTICATED && e.text[0] != '\0'));
    if (r < 0)
        return;
    FUZZ_CHECK(header.len > 7 && strncasecmp((const char *)header.data, "bearer ", 7) == 0);
    struct slice token = slice_of(header.data + 7, header.len - 7);
    while (token.len > 0 && token.data[0] == ' ')
        token = slice_of(token.data + 1, token.len - 1);
    while (token.len > 0 && token.data[token.len - 1] == ' ')
        token.len--;
    auth_token_hash(token, expected);
    FUZZ_CHECK(memcmp(hash, expected, sizeof(hash)) == 0);
}

static void check_names(struct slice value)
{
    char *name = mem_strndup((const char *)value.data, value.len);
    struct err e = {0};
    int as_grant = catalog_grant_check(name, &e);
    FUZZ_CHECK(as_grant == 0 || e.text[0] != '\0');
    if (row_table_name_check(name, NULL) == 0) {
        FUZZ_CHECK(as_grant == 0);
        char *location = catalog_location(name);
        FUZZ_CHECK(strlen(location) == strlen(name) && location[0] != '/');
        FUZZ_CHECK(strchr(location, '.') == NULL);
        mem_free(location);
    }
    mem_free(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = fuzz_in(data, size);
    if (fuzz_u8(&in) % 2 == 0)
        check_authorization(fuzz_rest(&in));
    else
        check_names(fuzz_rest(&in));
    return 0;
}
