/* SPDX-License-Identifier: Apache-2.0 */
/* The list beside the store: after a stop every file is on it, and every flipped bit is found. */
#include "store/sums.h"

#include "store/store.h"
#include "sys/sys.h"

#include "test.h"

#include <stdio.h>
#include <unistd.h>

struct fixture {
    struct sys *sys;
    struct store *store;
    char folder[64], path[96];
    unsigned faults;
    char file[256];
    struct store_files files;
};

static void open_store(struct fixture *x)
{
    struct err e = {0};
    struct store_options o = {
        .path = x->path, .cache_bytes = 1 << 20, .write_buffer_bytes = 1 << 20, .sys = x->sys};
    int r = store_open_rocksdb(&o, &x->store, &e);
    cr_assert_eq(r, 0, "%s", e.text);
}

static void put(struct fixture *x, const char *key, const char *value)
{
    struct err e = {0};
    struct store_batch *b = store_batch_new(x->store);
    store_batch_put(b, slice_str(key), slice_str(value));
    cr_assert_eq(store_write(x->store, b, &e), 0, "%s", e.text);
    store_batch_free(b);
}

static void set_up(struct fixture *x)
{
    struct err e = {0};
    *x = (struct fixture){0};
    strcpy(x->folder, "/tmp/sums-test-XXXXXX");
    cr_assert_not_null(mkdtemp(x->folder));
    snprintf(x->path, sizeof(x->path), "%s/store", x->folder);
    cr_assert_eq(sys_new_uring(&x->sys, &e), 0);
    open_store(x);
}

static void tear_down(struct fixture *x)
{
    char command[128];
    x->store = store_close(x->store);
    x->sys = sys_free(x->sys);
    snprintf(command, sizeof(command), "rm -rf %s", x->folder);
    cr_assert_eq(system(command), 0);
}

static void on_fault(void *ctx, const char *file, const char *what)
{
    struct fixture *x = ctx;
    (void)what;
    x->faults++;
    snprintf(x->file, sizeof(x->file), "%s", file);
}

static unsigned check(struct fixture *x)
{
    struct err e = {0};
    x->faults = 0;
    int r = store_check_files(x->sys, x->path, false, on_fault, x, &x->files, &e);
    cr_assert_eq(r, 0, "%s", e.text);
    return x->faults;
}

static void flip(const char *path, long at)
{
    FILE *f = fopen(path, "r+b");
    cr_assert_not_null(f);
    fseek(f, at, SEEK_SET);
    int c = fgetc(f);
    fseek(f, at, SEEK_SET);
    fputc(c ^ 4, f);
    fclose(f);
}

Test(store_sums, list_every_file_after_a_close_and_find_a_flip_in_each)
{
    struct fixture x;
    struct err e = {0};
    set_up(&x);
    put(&x, "a", "1");
    x.store = store_close(x.store);
    cr_assert_eq(check(&x), 0, "%s", x.file);
    cr_assert(x.files.recorded && x.files.closed && x.files.unlisted == 0);
    struct sys_names names;
    cr_assert_eq(sys_list(x.sys, x.path, &names, &e), 0);
    unsigned tried = 0;

    for (size_t i = 0; i < names.count; i++) {
        char path[512];
        struct sys_stat st;
        snprintf(path, sizeof(path), "%s/%s", x.path, names.names[i]);
        cr_assert_eq(sys_stat(x.sys, path, &st, &e), 0);
        if (st.size == 0)
            continue;
        flip(path, (long)st.size - 1);
        cr_assert_eq(check(&x), 1, "%s", path);
        cr_assert_str_eq(x.file, names.names[i]);
        flip(path, (long)st.size - 1);
        tried++;
    }

    cr_assert_geq(tried, 4);
    cr_assert_eq(check(&x), 0);
    sys_names_deinit(&names);
    tear_down(&x);
}

Test(store_sums, a_flip_in_the_list_itself_is_found)
{
    struct fixture x;
    char path[128];
    set_up(&x);
    x.store = store_close(x.store);
    snprintf(path, sizeof(path), "%s.sums", x.path);

    for (long at = 0; at < 60; at += 7) {
        flip(path, at);
        cr_assert_eq(check(&x), 1, "byte %ld", at);
        cr_assert_str_eq(x.file, "");
        flip(path, at);
    }
    tear_down(&x);
}

Test(store_sums, name_a_file_that_is_gone)
{
    struct fixture x;
    char path[128];
    set_up(&x);
    x.store = store_close(x.store);
    snprintf(path, sizeof(path), "%s/CURRENT", x.path);

    cr_assert_eq(unlink(path), 0);

    cr_assert_eq(check(&x), 1);
    cr_assert_str_eq(x.file, "CURRENT");
    tear_down(&x);
}

/* What a crash leaves: the store is open, its tables since the last flush are not listed. */
Test(store_sums, of_an_open_store_know_its_tables_only)
{
    struct fixture x;
    struct err e = {0};
    set_up(&x);
    put(&x, "a", "1");
    x.store = store_close(x.store);
    open_store(&x);
    put(&x, "b", "2");
    cr_assert_eq(store_flush(x.store, &e), 0);

    cr_assert_eq(check(&x), 0, "%s", x.file);

    cr_assert(x.files.recorded && !x.files.closed);
    cr_assert_geq(x.files.files, 1);
    cr_assert_gt(x.files.unlisted, 0);
    tear_down(&x);
}

Test(store_sums, a_store_without_a_list_is_said_to_have_none)
{
    struct fixture x;
    char path[128];
    set_up(&x);
    x.store = store_close(x.store);
    snprintf(path, sizeof(path), "%s.sums", x.path);
    cr_assert_eq(unlink(path), 0);

    cr_assert_eq(check(&x), 0);

    cr_assert_not(x.files.recorded);
    tear_down(&x);
}

Test(store_look, shows_what_is_flushed_and_writes_nothing)
{
    struct fixture x;
    struct err e = {0};
    struct buf value = BUF_NULL;
    struct store *look;
    set_up(&x);
    put(&x, "a", "1");
    cr_assert_eq(store_flush(x.store, &e), 0);
    put(&x, "a", "2");

    cr_assert_eq(store_open_look(x.path, &look, &e), 0, "%s", e.text);

    cr_assert_eq(store_get(look, NULL, slice_str("a"), false, &value, &e), STORE_FOUND);
    cr_assert(slice_eq(buf_slice(&value), slice_str("1")));
    struct store_batch *b = store_batch_new(look);
    store_batch_put(b, slice_str("c"), slice_str("3"));
    cr_assert_lt(store_write(look, b, &e), 0);
    store_batch_free(b);
    look = store_close(look);
    buf_deinit(&value);
    tear_down(&x);
}
