/* SPDX-License-Identifier: Apache-2.0 */
/* What only RocksDB can show: files, locks, cold blocks, damage, and a process that ends. */
#include "store/store.h"

#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct world {
    char dir[64];
    struct store *s;
    struct err e;
};

static int open_store(struct world *w)
{
    struct store_options o = {
        .path = w->dir, .cache_bytes = 1 << 20, .write_buffer_bytes = 1 << 20};

    return store_open_rocksdb(&o, &w->s, &w->e);
}

static void start(struct world *w)
{
    *w = (struct world){.dir = "/tmp/sluice-rocks-XXXXXX"};
    cr_assert_not_null(mkdtemp(w->dir));
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static void stop(struct world *w)
{
    w->s = store_close(w->s);
    (void)nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int put(struct world *w, const char *key, const char *value)
{
    struct store_batch *b = store_batch_new(w->s);

    store_batch_put(b, slice_str(key), slice_str(value));
    int r = store_write(w->s, b, &w->e);
    store_batch_free(b);
    return r;
}

static int get(struct world *w, const char *key, bool cached_only)
{
    struct buf out = BUF_NULL;
    int r = store_get(w->s, NULL, slice_str(key), cached_only, &out, &w->e);

    buf_deinit(&out);
    return r;
}

static int seek(struct world *w, const char *key, bool cached_only)
{
    struct buf k = BUF_NULL, v = BUF_NULL;
    int r = store_seek(w->s, NULL, slice_str(key), slice_str(key), cached_only, &k, &v, &w->e);

    buf_deinit(&k);
    buf_deinit(&v);
    return r;
}

/* Change the bytes of every file whose name ends in @suffix. */
static int spoil(struct world *w, const char *suffix)
{
    DIR *dir = opendir(w->dir);
    int spoiled = 0;

    for (struct dirent *d; (d = readdir(dir)) != NULL;) {
        size_t n = strlen(d->d_name), m = strlen(suffix);
        char path[512];
        if (n < m || strcmp(d->d_name + n - m, suffix) != 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s", w->dir, d->d_name);
        int fd = open(path, O_RDWR);
        struct stat st;
        char bytes[64];
        cr_assert_eq(fstat(fd, &st), 0);
        for (off_t at = 0; at < MIN(st.st_size - 200, 2048); at += (off_t)sizeof(bytes)) {
            ssize_t got = pread(fd, bytes, sizeof(bytes), at);
            for (ssize_t i = 0; i < got; i++)
                bytes[i] ^= 0x55;
            cr_assert_eq(pwrite(fd, bytes, (size_t)got, at), got);
        }
        close(fd);
        spoiled++;
    }
    closedir(dir);
    return spoiled;
}

Test(store_rocks, refuses_a_folder_that_is_open_already)
{
    struct world w;
    struct store *second = NULL;
    start(&w);
    cr_assert_eq(open_store(&w), 0);

    struct store_options o = {.path = w.dir};
    int r = store_open_rocksdb(&o, &second, &w.e);

    cr_assert_eq(r, ERR_BUSY);
    cr_assert_not_null(strstr(w.e.text, w.dir));
    stop(&w);
}

Test(store_rocks, says_cold_until_the_block_was_read)
{
    struct world w;
    start(&w);
    cr_assert_eq(open_store(&w), 0);
    cr_assert_eq(put(&w, "a", "1"), 0);
    cr_assert_eq(store_reopen(w.s, &w.e), 0);

    int cold_get = get(&w, "a", true), cold_seek = seek(&w, "a", true);
    int read = get(&w, "a", false);
    int warm_get = get(&w, "a", true), warm_seek = seek(&w, "a", true);

    cr_assert_eq(cold_get, STORE_COLD);
    cr_assert_eq(cold_seek, STORE_COLD);
    cr_assert_eq(read, STORE_FOUND);
    cr_assert_eq(warm_get, STORE_FOUND);
    cr_assert_eq(warm_seek, STORE_FOUND);
    stop(&w);
}

Test(store_rocks, reports_a_spoiled_file_as_damage)
{
    struct world w;
    start(&w);
    cr_assert_eq(open_store(&w), 0);
    for (int i = 0; i < 500; i++) {
        char key[16];
        snprintf(key, sizeof(key), "key%d", i);
        cr_assert_eq(put(&w, key, "some value that is long enough to fill a block"), 0);
    }
    w.s = store_close(w.s);
    cr_assert_gt(spoil(&w, ".sst"), 0);

    int r = open_store(&w);
    if (r == 0)
        r = get(&w, "key1", false);

    cr_assert_eq(r, ERR_DAMAGED);
    cr_assert_not_null(strstr(w.e.text, w.dir));
    stop(&w);
}

Test(store_rocks, reports_a_missing_file_as_damage)
{
    struct world w;
    char command[128];
    start(&w);
    cr_assert_eq(open_store(&w), 0);
    cr_assert_eq(put(&w, "a", "1"), 0);
    w.s = store_close(w.s);
    snprintf(command, sizeof(command), "rm %s/*.sst", w.dir);
    cr_assert_eq(system(command), 0);

    int r = open_store(&w);

    cr_assert_eq(r, ERR_DAMAGED);
    stop(&w);
}

Test(store_rocks, answers_unavailable_until_it_can_be_opened_again)
{
    struct world w;
    char away[80];
    start(&w);
    cr_assert_eq(open_store(&w), 0);
    cr_assert_eq(put(&w, "a", "1"), 0);
    cr_assert_eq(store_flush(w.s, NULL), 0);
    snprintf(away, sizeof(away), "%s.away", w.dir);
    cr_assert_eq(rename(w.dir, away), 0);
    FILE *f = fopen(w.dir, "w"); /* a file where the folder must be */
    fclose(f);

    int failed = store_reopen(w.s, &w.e);
    int write = put(&w, "b", "1"), read = get(&w, "a", false), sought = seek(&w, "a", false);
    struct store_snapshot *snap = store_snapshot_new(w.s);
    store_snapshot_free(w.s, snap);
    remove(w.dir);
    cr_assert_eq(rename(away, w.dir), 0);
    int healed = store_reopen(w.s, &w.e);

    cr_assert_lt(failed, 0);
    cr_assert_eq(write, ERR_UNAVAILABLE);
    cr_assert_eq(read, ERR_UNAVAILABLE);
    cr_assert_eq(sought, ERR_UNAVAILABLE);
    cr_assert_eq(healed, 0);
    cr_assert_eq(get(&w, "a", false), STORE_FOUND);
    stop(&w);
}

DeathTest(store_rocks, must_not_be_closed_under_a_snapshot)
{
    struct world w;
    start(&w);
    cr_assert_eq(open_store(&w), 0);
    (void)store_snapshot_new(w.s);

    (void)nftw(w.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    store_close(w.s);
}

#ifndef TEST_PLAIN /* the child would inherit RocksDB's threads only by name */
Test(store_rocks, is_what_the_last_flush_left_when_the_process_dies)
{
    struct world w;
    int status;
    start(&w);
    pid_t child = fork();
    if (child == 0) {
        bool fine = open_store(&w) == 0 && put(&w, "applied", "1") == 0 && put(&w, "a", "1") == 0 &&
                    store_flush(w.s, NULL) == 0 && put(&w, "applied", "2") == 0 &&
                    put(&w, "b", "1") == 0 && get(&w, "b", false) == STORE_FOUND;
        _exit(fine ? 0 : 1);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);

    cr_assert_eq(open_store(&w), 0);

    struct buf out = BUF_NULL;
    cr_assert_eq(store_get(w.s, NULL, slice_str("applied"), false, &out, NULL), STORE_FOUND);
    cr_assert_str_eq(buf_cstr(&out), "1");
    cr_assert_eq(get(&w, "a", false), STORE_FOUND);
    cr_assert_eq(get(&w, "b", false), STORE_ABSENT);
    buf_deinit(&out);
    stop(&w);
}
#endif
