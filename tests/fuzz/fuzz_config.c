/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's configuration file. What was taken has what a server needs, no number is outside of
 * its range, plain text listens on loopback only; a refusal says why and leaves nothing behind.
 *
 * Input: the file.
 */
#include "fuzz.h"

#include "config_priv.h"

#include "sys/sys.h"

#include <string.h>

/* No name consists of digits and dots only. */
static bool is_loopback(const char *address)
{
    size_t len = strspn(address, "0123456789.");
    return (strncmp(address, "127.", 4) == 0 && (address[len] == ':' || address[len] == '\0')) ||
           strncmp(address, "localhost:", 10) == 0 || strncmp(address, "[::1]:", 6) == 0;
}

static void check(const struct config *c)
{
    FUZZ_CHECK(c->data_dir != NULL && c->lake_dir != NULL);
    FUZZ_CHECK(c->listen != NULL || c->listen_plain != NULL);
    FUZZ_CHECK(c->listen == NULL || (c->tls_cert != NULL && c->tls_key != NULL));
    FUZZ_CHECK(c->listen_plain == NULL || is_loopback(c->listen_plain));
    FUZZ_CHECK(c->segment_bytes >= 16u << 20 && c->segment_bytes <= 4096ull << 20);
    FUZZ_CHECK(c->log_memory_bytes >= 32u << 20 && c->log_bytes_max >= 64u << 20);
    FUZZ_CHECK(c->freshness_ms >= 100 && c->rpc_threads <= 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sys *s = sys_new_sim(1);
    struct config c;
    struct err e = {0};
    FUZZ_CHECK(sys_write_file(s, "/sluiced.conf", slice_of(data, size), &e) == 0);
    int r = config_read(s, "/sluiced.conf", &c, &e);
    FUZZ_CHECK(r == 0 || (r < 0 && strstr(e.text, "/sluiced.conf") != NULL));
    if (r == 0) {
        check(&c);
        config_deinit(&c);
    } else if (r == ERR_INVALID) {
        FUZZ_CHECK(c.data_dir == NULL && c.listen == NULL && c.tls_key == NULL);
    }
    sys_free(s);
    return 0;
}
