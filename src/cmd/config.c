/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration file: "key = value" lines, # begins a comment. Unknown keys are refused: a
 * mistyped setting must not be silently ignored. Numbers are whole; times in ms, sizes in bytes.
 */
#include "config_priv.h"

#include "base/buf.h"
#include "base/mem.h"
#include "sys/sys.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_BYTES_MAX (1024 * 1024)
#define MIB              (1024ull * 1024)

struct key_row {
    const char *name;
    char **text;
    uint64_t *number;
    uint64_t min, max;
};

static char *trim(char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    char *end = s + strlen(s);
    while (end > s && isspace((unsigned char)end[-1]))
        *--end = '\0';
    return s;
}

static int set_number(const struct key_row *k, const char *value, struct err *e)
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(value, &end, 10);
    if (errno != 0 || end == value || *end != '\0' || value[0] == '-' || v < k->min || v > k->max)
        return err_set(e, ERR_INVALID, "%s is %s, but must be a whole number from %llu to %llu",
                       k->name, value, (unsigned long long)k->min, (unsigned long long)k->max);
    *k->number = v;
    return 0;
}

static int set_key(const struct key_row *rows, size_t count, const char *key, const char *value,
                   struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].name, key) != 0)
            continue;
        if (rows[i].number != NULL)
            return set_number(&rows[i], value, e);
        mem_free(*rows[i].text);
        *rows[i].text = mem_strdup(value);
        return 0;
    }
    return err_set(e, ERR_INVALID, "unknown key %s", key);
}

static int take_line(const struct key_row *rows, size_t count, char *line, struct err *e)
{
    line[strcspn(line, "#")] = '\0';
    char *key = trim(line);
    if (*key == '\0')
        return 0;
    char *equals = strchr(key, '=');
    if (equals == NULL)
        return err_set(e, ERR_INVALID, "no \"key = value\"");
    *equals = '\0';
    char *value = trim(equals + 1);
    if (*value == '\0')
        return err_set(e, ERR_INVALID, "%s has no value", trim(key));
    return set_key(rows, count, trim(key), value, e);
}

/* A name that only begins like an address could lead anywhere. */
static bool is_loopback(const char *address)
{
    if (strncmp(address, "localhost:", 10) == 0 || strncmp(address, "[::1]:", 6) == 0)
        return true;
    char host[INET_ADDRSTRLEN];
    struct in_addr ip;
    size_t len = strcspn(address, ":");
    if (len >= sizeof(host))
        return false;
    memcpy(host, address, len);
    host[len] = '\0';
    return inet_pton(AF_INET, host, &ip) == 1 && ntohl(ip.s_addr) >> 24 == 127;
}

static int check(const struct config *c, struct err *e)
{
    if (c->data_dir == NULL)
        return err_set(e, ERR_INVALID, "data_dir is missing: the folder that `sluice init` made");
    if (c->lake_dir == NULL)
        return err_set(e, ERR_INVALID, "lake_dir is missing: the folder of the Delta tables");
    if (c->listen == NULL && c->listen_plain == NULL)
        return err_set(e, ERR_INVALID, "listen is missing: address and port of the TLS listener");
    if (c->listen != NULL && (c->tls_cert == NULL || c->tls_key == NULL))
        return err_set(e, ERR_INVALID,
                       "listen needs tls_cert and tls_key (deploy/dev-ca.sh makes a pair to try)");
    if (c->listen_plain != NULL && !is_loopback(c->listen_plain))
        return err_set(e, ERR_INVALID,
                       "listen_plain is %s: without TLS only loopback addresses are allowed",
                       c->listen_plain);
    return 0;
}

static void set_defaults(struct config *c)
{
    *c = (struct config){
        .freshness_ms = 2000,
        .segment_bytes = 64 * MIB,
        .log_bytes_max = 8192 * MIB,
        .log_memory_bytes = 64 * MIB,
        .compact_memory_bytes = 256 * MIB,
        .commit_bytes = 64 * MIB,
        .store_cache_bytes = 64 * MIB,
        .row_cache_bytes = 64 * MIB,
        .rpc_memory_bytes = 2048 * MIB,
        .grace_ms = 10000,
        .stop_grace_ms = 30000,
        .orphan_grace_ms = 86400000,
        .spill_bytes = UINT64_MAX,
    };
}

static int parse(struct config *c, const char *path, char *text, struct err *e)
{
    const struct key_row rows[] = {
        {"data_dir", &c->data_dir, NULL, 0, 0},
        {"lake_dir", &c->lake_dir, NULL, 0, 0},
        {"listen", &c->listen, NULL, 0, 0},
        {"tls_cert", &c->tls_cert, NULL, 0, 0},
        {"tls_key", &c->tls_key, NULL, 0, 0},
        {"listen_plain", &c->listen_plain, NULL, 0, 0},
        {"freshness_ms", NULL, &c->freshness_ms, 100, 86400000},
        {"segment_bytes", NULL, &c->segment_bytes, 16 * MIB, 4096 * MIB},
        {"log_bytes_max", NULL, &c->log_bytes_max, 64 * MIB, 1ull << 50},
        {"log_keep_bytes", NULL, &c->log_keep_bytes, 0, 1ull << 50},
        {"log_memory_bytes", NULL, &c->log_memory_bytes, 32 * MIB, 1ull << 40},
        {"compact_memory_bytes", NULL, &c->compact_memory_bytes, 32 * MIB, 1ull << 40},
        {"table_log_bytes", NULL, &c->table_log_bytes, 0, 1ull << 50},
        {"spill_bytes", NULL, &c->spill_bytes, 0, 1ull << 50},
        {"commit_bytes", NULL, &c->commit_bytes, MIB, 1024 * MIB},
        {"store_cache_bytes", NULL, &c->store_cache_bytes, MIB, 1ull << 40},
        {"row_cache_bytes", NULL, &c->row_cache_bytes, 0, 1ull << 40},
        {"grace_ms", NULL, &c->grace_ms, 0, 600000},
        {"orphan_grace_ms", NULL, &c->orphan_grace_ms, 1000, 4294967295},
        {"stop_grace_ms", NULL, &c->stop_grace_ms, 1000, 3600000},
        {"rpc_threads", NULL, &c->rpc_threads, 0, 64},
        {"rpc_memory_bytes", NULL, &c->rpc_memory_bytes, 0, 1ull << 40},
    };
    char *save = NULL;
    int number = 0;
    for (char *at = text; at != NULL; at = save) {
        save = strchr(at, '\n');
        if (save != NULL)
            *save++ = '\0';
        number++;
        if (take_line(rows, ARRAY_LEN(rows), at, e) < 0)
            return err_wrap(e, "%s line %d", path, number);
    }
    if (c->spill_bytes == UINT64_MAX)
        c->spill_bytes = c->log_bytes_max; /* not said */
    return check(c, e) < 0 ? err_wrap(e, "%s", path) : 0;
}

int config_read(struct sys *s, const char *path, struct config *c, struct err *e)
{
    set_defaults(c);
    char *data = NULL;
    size_t len;
    TRY(sys_read_file(s, path, CONFIG_BYTES_MAX, &data, &len, e));
    char *text = mem_strndup(data, len);
    mem_free(data);
    int r = parse(c, path, text, e);
    mem_free(text);
    if (r < 0)
        config_deinit(c);
    return r;
}

void config_deinit(struct config *c)
{
    mem_free(c->data_dir);
    mem_free(c->lake_dir);
    mem_free(c->listen);
    mem_free(c->tls_cert);
    mem_free(c->tls_key);
    mem_free(c->listen_plain);
    *c = (struct config){0};
}
