/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table's Delta log: hint and commit files from the input, in a folder of the simulated kernel.
 * A log that opens has as many versions as files and a table id; a commit on it comes back from
 * the log with its txn, whatever stands there.
 *
 * Input: hint part (none: no hint), then parts: commit files from version 0.
 */
#include "fuzz.h"

#include "base/mem.h"
#include "delta/delta.h"
#include "objstore/objstore.h"
#include "sys/sys.h"

#include <string.h>

#define COMMITS_MAX 16

static int64_t write_log(struct objstore *o, struct fuzz_in *in)
{
    struct slice hint = fuzz_part(in);
    if (hint.len > 0)
        FUZZ_CHECK(objstore_put(o, "t/_delta_log/_last_checkpoint", hint, NULL) == 0);
    int64_t count = 0;
    for (; count < COMMITS_MAX && fuzz_left(in) > 0; count++) {
        char *name = mem_printf("t/_delta_log/%020lld.json", (long long)count);
        FUZZ_CHECK(objstore_put(o, name, fuzz_part(in), NULL) == 0);
        mem_free(name);
    }
    return count;
}

static void check_commit(struct sys *s, struct objstore *o, struct delta_table *t)
{
    struct err e = {0};
    int checkpoint;
    int64_t before = -1, after = -1, version = delta_version(t);
    if (delta_txn(t, "fuzz/app", &before, &e) < 0 || before >= INT64_MAX - 1)
        return;
    struct delta_commit c = {
        .app_id = "fuzz/app", .txn_version = before + 1, .now_us = 1700000000000000};
    int r = delta_commit(t, &c, &checkpoint, &e);
    FUZZ_CHECK(r == 0 && c.version == version + 1);
    FUZZ_CHECK(delta_txn(t, "fuzz/app", &after, &e) == 0 && after == before + 1);
    struct delta_table *again = NULL;
    FUZZ_CHECK(delta_open(s, o, "t", &again, &e) == 0 && delta_version(again) == version + 1);
    FUZZ_CHECK(delta_txn(again, "fuzz/app", &after, &e) == 0 && after == before + 1);
    delta_close(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = fuzz_in(data, size);
    struct sys *s = sys_new_sim(1);
    struct objstore *o = NULL;
    struct delta_table *t = NULL;
    struct err e = {0};
    FUZZ_CHECK(objstore_open_folder(s, "/lake", &o, NULL) == 0);
    int64_t count = write_log(o, &in);
    int r = delta_open(s, o, "t", &t, &e);
    FUZZ_CHECK(r <= 0 && (r == 0 || e.text[0] != '\0'));
    FUZZ_CHECK(count > 0 || r == ERR_NOT_FOUND);
    if (r == 0) {
        FUZZ_CHECK(delta_version(t) == count - 1 && delta_id(t) != NULL);
        check_commit(s, o, t);
    }
    delta_close(t);
    objstore_close(o);
    sys_free(s);
    return 0;
}
