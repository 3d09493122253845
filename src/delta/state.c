/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a table as its newest checkpoint has it, in a form that is cheap to read back: the
 * next checkpoint begins with it instead of with version 0, so that its cost does not grow with the
 * table's age. One object, _delta_log/_sluice_state, replaced each time:
 *
 *   sluice-state 1 <version> <XXH3-128 of that commit file> <XXH3-128 of what follows>
 *   {"add":{…}}            one action a line, each name at most once
 *
 * It is ours alone; readers know checkpoints. It is believed only when its own hash fits and the
 * commit that it names is the one that stands in the log; else the log is read from version 0.
 */
#include "delta/delta.h"

#include "base/mem.h"
#include "base/must.h"
#include "objstore/objstore.h"

#include "delta_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATE_BYTES_MAX (256u << 20)
#define HEADER_MAX      160
#define HASH_TEXT       33

static void hash_text(struct slice data, char ret[HASH_TEXT])
{
    uint8_t hash[16];
    delta_hash(data, hash);
    for (unsigned i = 0; i < 16; i++)
        (void)snprintf(ret + 2 * i, 3, "%02x", hash[i]);
}

static char *state_name(const char *location)
{
    return mem_printf("%s/_delta_log/" DELTA_STATE_NAME, location);
}

/* XXH3 of the commit file as it stands in the log. */
static int commit_hash(struct objstore *o, const char *location, int64_t version,
                       char ret[HASH_TEXT], struct err *e)
{
    _cleanup_(mem_freep) char *name = delta__commit_name(location, version);
    _cleanup_(buf_deinit) struct buf text = BUF_NULL;
    TRY(objstore_get(o, name, DELTA_COMMIT_BYTES_MAX, &text, e));
    hash_text(buf_slice(&text), ret);
    return 0;
}

int delta__state_write(struct objstore *o, const char *location, int64_t version,
                       struct slice lines, struct err *e)
{
    char of_commit[HASH_TEXT], of_lines[HASH_TEXT];
    _cleanup_(mem_freep) char *name = state_name(location);
    _cleanup_(buf_deinit) struct buf text = BUF_NULL;
    if (lines.len > STATE_BYTES_MAX - HEADER_MAX)
        return err_set(e, ERR_EXHAUSTED, "%s: the state is too large to be kept", location);
    TRY(commit_hash(o, location, version, of_commit, e));
    hash_text(lines, of_lines);
    buf_printf(&text, "sluice-state 1 %lld %s %s\n", (long long)version, of_commit, of_lines);
    buf_add_slice(&text, lines);
    return objstore_put(o, name, buf_slice(&text), e);
}

struct header {
    long long version;
    char of_commit[HASH_TEXT], of_lines[HASH_TEXT];
    size_t len;
};

/* The header line; false: it is not one. */
static bool read_header(struct slice text, struct header *h)
{
    char line[HEADER_MAX + 1];
    const uint8_t *eol = memchr(text.data, '\n', MIN(text.len, HEADER_MAX));
    if (!eol)
        return false;
    h->len = (size_t)(eol - text.data) + 1;
    memcpy(line, text.data, h->len - 1);
    line[h->len - 1] = '\0';
    int used = 0;
    int n = sscanf(line, "sluice-state 1 %lld %32[0-9a-f] %32[0-9a-f]%n", &h->version, h->of_commit,
                   h->of_lines, &used); /* NOLINT(cert-err34-c): the hash proves the number */
    return n == 3 && (size_t)used == h->len - 1 && h->version >= 0;
}

static int read_state(struct objstore *o, const char *location, struct header *h, struct buf *text,
                      struct err *e)
{
    char hash[HASH_TEXT];
    _cleanup_(mem_freep) char *name = state_name(location);
    TRY(objstore_get(o, name, STATE_BYTES_MAX, text, e));
    if (!read_header(buf_slice(text), h))
        return err_set(e, ERR_DAMAGED, "%s: its first line does not read", name);
    hash_text(slice_of(text->data + h->len, text->len - h->len), hash);
    if (strcmp(hash, h->of_lines) != 0)
        return err_set(e, ERR_DAMAGED, "%s: its hash does not fit", name);
    return 0;
}

int delta_state_check(struct objstore *o, const char *location, struct err *e)
{
    struct header h;
    char hash[HASH_TEXT];
    _cleanup_(buf_deinit) struct buf text = BUF_NULL;
    TRY(read_state(o, location, &h, &text, e));
    TRY(commit_hash(o, location, h.version, hash, e));
    if (strcmp(hash, h.of_commit) != 0)
        return err_set(e, ERR_DAMAGED,
                       "%s/_delta_log/%s: version %lld is not the one it was made of", location,
                       DELTA_STATE_NAME, h.version);
    return 0;
}

bool delta__state_read(struct objstore *o, const char *location, int64_t newest,
                       int64_t *ret_version, struct buf *ret_lines)
{
    struct header h;
    char hash[HASH_TEXT];
    _cleanup_(buf_deinit) struct buf text = BUF_NULL;
    if (read_state(o, location, &h, &text, NULL) < 0 || h.version > newest ||
        commit_hash(o, location, h.version, hash, NULL) < 0 || strcmp(hash, h.of_commit) != 0)
        return false;
    *ret_version = h.version;
    buf_add(ret_lines, text.data + h.len, text.len - h.len);
    return true;
}
