/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "base/mem.h"

#include <string.h>

CONTRACT(reads_what_it_wrote)
{
    struct sys_file *f = NULL;
    char got[16] = {0};
    uint64_t size = 0;

    cr_assert_eq(sys_open(w->s, at(w, 0, "f"), SYS_WRITE | SYS_CREATE, &f, &w->e), 0);
    cr_assert_eq(sys_write(f, "hello", 5, 3, &w->e), 0);
    cr_assert_eq(sys_write(f, "J", 1, 3, &w->e), 0);
    cr_assert_eq(sys_sync(f, &w->e), 0);

    cr_assert_eq(sys_size(f, &size, &w->e), 0);
    cr_assert_eq(size, 8);
    cr_assert_eq(sys_read(f, got, 8, 0, &w->e), 0);
    cr_assert_arr_eq(got, "\0\0\0Jello", 8);
    sys_close(f);
}

CONTRACT(says_what_stands_under_a_name)
{
    struct sys_stat st = {0};
    int64_t before_us = sys_now_us(w->s);

    make_file(w, "f", "hello");
    cr_assert_eq(sys_stat(w->s, at(w, 0, "f"), &st, &w->e), 0);
    cr_assert_not(st.is_folder);
    cr_assert_eq(st.size, 5);
    cr_assert_geq(st.modified_us, before_us - 1000000); /* file systems count in ticks */
    cr_assert_leq(st.modified_us, sys_now_us(w->s));
    cr_assert_eq(sys_stat(w->s, w->dir, &st, &w->e), 0);
    cr_assert(st.is_folder);
    cr_assert_eq(sys_stat(w->s, at(w, 0, "none"), &st, &w->e), ERR_NOT_FOUND);
    cr_assert_lt(sys_stat(w->s, at(w, 0, "f/x"), &st, &w->e), 0);
}

CONTRACT(tells_a_short_file_from_a_short_read)
{
    struct sys_file *f = NULL;
    char got[16];
    size_t len = 99;

    make_file(w, "f", "hello");
    cr_assert_eq(sys_open(w->s, at(w, 0, "f"), SYS_READ, &f, &w->e), 0);

    cr_assert_eq(sys_read_some(f, got, 16, 2, &len, &w->e), 0);
    cr_assert_eq(len, 3);
    cr_assert_eq(sys_read_some(f, got, 16, 5, &len, &w->e), 0);
    cr_assert_eq(len, 0);
    cr_assert_eq(sys_read(f, got, 6, 0, &w->e), ERR_DAMAGED);
    cr_assert_not_null(strstr(w->e.text, at(w, 0, "f")));
    sys_close(f);
}

CONTRACT(opens_only_what_is_meant)
{
    struct sys_file *f = NULL;

    make_file(w, "f", "x");

    cr_assert_eq(sys_open(w->s, at(w, 0, "g"), SYS_READ, &f, &w->e), ERR_NOT_FOUND);
    cr_assert_not_null(strstr(w->e.text, "/g"));
    cr_assert_eq(sys_open(w->s, at(w, 0, "g/h"), SYS_WRITE | SYS_CREATE, &f, NULL), ERR_NOT_FOUND);
    cr_assert_eq(sys_open(w->s, at(w, 0, "f"), SYS_WRITE | SYS_CREATE | SYS_EXCLUSIVE, &f, NULL),
                 ERR_EXISTS);
    cr_assert_eq(sys_open(w->s, at(w, 0, "f"), SYS_EXCLUSIVE, &f, NULL), ERR_INVALID);
    cr_assert_eq(sys_open(w->s, at(w, 0, "f"), SYS_TRUNCATE, &f, NULL), ERR_INVALID);
    cr_assert_lt(sys_open(w->s, w->dir, SYS_READ, &f, NULL), 0);
    cr_assert_lt(sys_open(w->s, at(w, 0, "f/h"), SYS_READ, &f, NULL), 0);
    cr_assert_null(f);
}

CONTRACT(does_not_write_through_a_reader)
{
    struct sys_file *f = NULL;

    make_file(w, "f", "x");
    cr_assert_eq(sys_open(w->s, at(w, 0, "f"), SYS_READ, &f, &w->e), 0);

    cr_assert_eq(sys_write(f, "y", 1, 0, NULL), ERR_INVALID);
    cr_assert_eq(sys_truncate(f, 0, NULL), ERR_INVALID);
    cr_assert_eq(sys_allocate(f, 10, NULL), ERR_INVALID);
    sys_close(f);
    cr_assert(has_file(w, "f", "x"));
}

CONTRACT(truncates_allocates_and_appends)
{
    struct sys_file *f = NULL;
    char got[8];
    uint64_t size = 0;

    make_file(w, "f", "hello");
    cr_assert_eq(sys_open(w->s, at(w, 0, "f"), SYS_WRITE | SYS_APPEND, &f, &w->e), 0);
    cr_assert_eq(sys_write(f, "!", 1, 0, &w->e), 0);
    cr_assert(has_file(w, "f", "hello!"));
    cr_assert_eq(sys_truncate(f, 2, &w->e), 0);
    cr_assert_eq(sys_truncate(f, 4, &w->e), 0);
    cr_assert_eq(sys_read(f, got, 4, 0, &w->e), 0);
    cr_assert_arr_eq(got, "he\0\0", 4);
    cr_assert_eq(sys_allocate(f, 8192, &w->e), 0);
    cr_assert_eq(sys_size(f, &size, &w->e), 0);
    cr_assert_eq(size, 8192);
    cr_assert_eq(sys_allocate(f, 100, &w->e), 0);
    cr_assert_eq(sys_size(f, &size, &w->e), 0);
    cr_assert_eq(size, 8192);
    sys_close(f);
    cr_assert_eq(sys_open(w->s, at(w, 0, "f"), SYS_WRITE | SYS_TRUNCATE, &f, &w->e), 0);
    sys_close(f);
    cr_assert(has_file(w, "f", ""));
}

CONTRACT(wants_direct_access_aligned)
{
    struct sys_file *f = NULL;
    uint8_t *block = mem_aligned(4096, 8192);
    size_t len = 0;

    memset(block, 'x', 8192);
    cr_assert_eq(
        sys_open(w->s, at(w, 0, "f"), SYS_WRITE | SYS_CREATE | SYS_DIRECT | SYS_DSYNC, &f, &w->e),
        0);

    cr_assert_eq(sys_write(f, block, 4096, 4096, &w->e), 0);
    cr_assert_eq(sys_write(f, block, 4096, 512, NULL), ERR_INVALID);
    cr_assert_eq(sys_write(f, block, 1000, 0, NULL), ERR_INVALID);
    cr_assert_eq(sys_write(f, block + 512, 4096, 0, NULL), ERR_INVALID);
    cr_assert_eq(sys_read_some(f, block, 8192, 4096, &len, &w->e), 0);
    cr_assert_eq(len, 4096);
    cr_assert_eq(sys_truncate(f, 5000, &w->e), 0);
    cr_assert_eq(sys_read_some(f, block, 8192, 0, &len, &w->e), 0);
    cr_assert_eq(len, 5000);
    sys_close(f);
    mem_free(block);
}

CONTRACT(locks_a_file_for_one)
{
    struct sys_file *a = NULL, *b = NULL;

    cr_assert_eq(sys_open(w->s, at(w, 0, "f"), SYS_WRITE | SYS_CREATE, &a, &w->e), 0);
    cr_assert_eq(sys_open(w->s, at(w, 0, "f"), SYS_WRITE, &b, &w->e), 0);

    cr_assert_eq(sys_lock(a, 0, &w->e), 0);
    cr_assert_eq(sys_lock(a, 0, &w->e), 0);
    cr_assert_eq(sys_lock(b, 0, &w->e), ERR_BUSY);
    cr_assert_not_null(strstr(w->e.text, "locked"));
    uint64_t before = sys_mono_ns(w->s);
    cr_assert_eq(sys_lock(b, 5, &w->e), ERR_BUSY);
    cr_assert_geq(sys_mono_ns(w->s) - before, 5000000);
    a = sys_close(a);
    cr_assert_eq(sys_lock(b, 0, &w->e), 0);
    sys_close(b);
}

/* ---- folders and names ---- */

CONTRACT(makes_folders)
{
    bool there = false;

    cr_assert_eq(sys_mkdir(w->s, at(w, 0, "a"), &w->e), 0);
    cr_assert_eq(sys_mkdir(w->s, at(w, 0, "a"), NULL), ERR_EXISTS);
    cr_assert_eq(sys_mkdir(w->s, at(w, 0, "b/c"), NULL), ERR_NOT_FOUND);
    cr_assert_eq(sys_mkdirs(w->s, at(w, 0, "b/c//d/"), &w->e), 0);
    cr_assert_eq(sys_mkdirs(w->s, at(w, 0, "b/c/d"), &w->e), 0);
    cr_assert_eq(sys_exists(w->s, at(w, 0, "b/c/d"), &there, &w->e), 0);
    cr_assert(there);
    make_file(w, "file", "x");
    cr_assert_lt(sys_mkdirs(w->s, at(w, 0, "file"), NULL), 0);
    cr_assert_lt(sys_mkdirs(w->s, at(w, 0, "file/sub"), NULL), 0);
    cr_assert_eq(sys_sync_dir(w->s, at(w, 0, "b"), &w->e), 0);
    cr_assert_lt(sys_sync_dir(w->s, at(w, 0, "file"), NULL), 0);
    cr_assert_eq(sys_sync_dir(w->s, at(w, 0, "none"), NULL), ERR_NOT_FOUND);
}

CONTRACT(lists_names_in_order_of_bytes)
{
    struct sys_names names;

    make_file(w, "b", "");
    make_file(w, "a10", "");
    make_file(w, "a1", "");
    make_file(w, "B", "");
    cr_assert_eq(sys_mkdir(w->s, at(w, 0, "c"), &w->e), 0);

    cr_assert_eq(sys_list(w->s, w->dir, &names, &w->e), 0);
    cr_assert_eq(names.count, 5);
    cr_assert_str_eq(names.names[0], "B");
    cr_assert_str_eq(names.names[1], "a1");
    cr_assert_str_eq(names.names[2], "a10");
    cr_assert_str_eq(names.names[3], "b");
    cr_assert_str_eq(names.names[4], "c");
    sys_names_deinit(&names);

    cr_assert_eq(sys_list(w->s, at(w, 0, "c"), &names, &w->e), 0);
    cr_assert_eq(names.count, 0);
    sys_names_deinit(&names);
    cr_assert_eq(sys_list(w->s, at(w, 0, "none"), &names, NULL), ERR_NOT_FOUND);
    cr_assert_lt(sys_list(w->s, at(w, 0, "b"), &names, NULL), 0);
}

CONTRACT(removes_files_only)
{
    bool there = true;

    make_file(w, "f", "x");
    cr_assert_eq(sys_mkdir(w->s, at(w, 0, "d"), &w->e), 0);

    cr_assert_eq(sys_unlink(w->s, at(w, 0, "f"), &w->e), 0);
    cr_assert_eq(sys_unlink(w->s, at(w, 0, "f"), NULL), ERR_NOT_FOUND);
    cr_assert_lt(sys_unlink(w->s, at(w, 0, "d"), NULL), 0);
    cr_assert_eq(sys_exists(w->s, at(w, 0, "f"), &there, &w->e), 0);
    cr_assert_not(there);
    cr_assert_eq(sys_exists(w->s, at(w, 0, "f/x"), &there, &w->e), 0);
    cr_assert_not(there);
}

CONTRACT(reads_a_removed_file_while_it_is_open)
{
    struct sys_file *f = NULL;
    char got[4];

    make_file(w, "f", "abcd");
    cr_assert_eq(sys_open(w->s, at(w, 0, "f"), SYS_READ, &f, &w->e), 0);
    cr_assert_eq(sys_unlink(w->s, at(w, 0, "f"), &w->e), 0);

    cr_assert_eq(sys_read(f, got, 4, 0, &w->e), 0);
    cr_assert_arr_eq(got, "abcd", 4);
    sys_close(f);
}

CONTRACT(renames_over_a_file)
{
    make_file(w, "a", "1");
    make_file(w, "b", "2");

    cr_assert_eq(sys_rename(w->s, at(w, 0, "a"), at(w, 1, "b"), &w->e), 0);
    cr_assert(has_file(w, "b", "1"));
    cr_assert_not(has_file(w, "a", "1"));
    cr_assert_eq(sys_rename(w->s, at(w, 0, "a"), at(w, 1, "c"), NULL), ERR_NOT_FOUND);
    cr_assert_eq(sys_rename(w->s, at(w, 0, "b"), at(w, 1, "b"), &w->e), 0);
    cr_assert(has_file(w, "b", "1"));
}

CONTRACT(renames_new_only_to_a_free_name)
{
    make_file(w, "a", "1");
    make_file(w, "b", "2");

    cr_assert_eq(sys_rename_new(w->s, at(w, 0, "a"), at(w, 1, "b"), &w->e), ERR_EXISTS);
    cr_assert_not_null(strstr(w->e.text, "/b"));
    cr_assert(has_file(w, "a", "1"));
    cr_assert(has_file(w, "b", "2"));
    cr_assert_eq(sys_rename_new(w->s, at(w, 0, "a"), at(w, 1, "c"), &w->e), 0);
    cr_assert(has_file(w, "c", "1"));
    cr_assert_eq(sys_rename_new(w->s, at(w, 0, "c"), at(w, 1, "none/c"), NULL), ERR_NOT_FOUND);
}

CONTRACT(renames_folders)
{
    cr_assert_eq(sys_mkdirs(w->s, at(w, 0, "a/sub"), &w->e), 0);
    cr_assert_eq(sys_mkdir(w->s, at(w, 0, "full"), &w->e), 0);
    make_file(w, "a/f", "1");
    make_file(w, "full/f", "2");

    cr_assert_lt(sys_rename(w->s, at(w, 0, "a"), at(w, 1, "a/sub/a"), NULL), 0);
    cr_assert_lt(sys_rename(w->s, at(w, 0, "a"), at(w, 1, "full"), NULL), 0);
    cr_assert_lt(sys_rename(w->s, at(w, 0, "a"), at(w, 1, "full/f"), NULL), 0);
    cr_assert_lt(sys_rename(w->s, at(w, 0, "full/f"), at(w, 1, "a"), NULL), 0);
    cr_assert_eq(sys_rename(w->s, at(w, 0, "a"), at(w, 1, "full/a"), &w->e), 0);
    cr_assert(has_file(w, "full/a/f", "1"));
}

CONTRACT(replaces_whole_files)
{
    struct sys_names names;
    char *data = NULL;
    size_t len = 0;

    make_file(w, "f", "a longer content");
    make_file(w, "f", "short");

    cr_assert(has_file(w, "f", "short"));
    cr_assert_eq(sys_list(w->s, w->dir, &names, &w->e), 0);
    cr_assert_eq(names.count, 1);
    sys_names_deinit(&names);
    cr_assert_eq(sys_read_file(w->s, at(w, 0, "f"), 4, &data, &len, &w->e), ERR_EXHAUSTED);
    cr_assert_eq(sys_read_file(w->s, at(w, 0, "g"), 4, &data, &len, &w->e), ERR_NOT_FOUND);
    cr_assert_null(data);
    cr_assert_eq(sys_write_file(w->s, at(w, 0, "none/f"), slice_str("x"), &w->e), ERR_NOT_FOUND);
}

CONTRACT(knows_the_free_space)
{
    uint64_t bytes = 0;

    cr_assert_eq(sys_free_bytes(w->s, w->dir, &bytes, &w->e), 0);
    cr_assert_gt(bytes, 0);
    cr_assert_eq(sys_free_bytes(w->s, at(w, 0, "none"), &bytes, NULL), ERR_NOT_FOUND);
}

/* ---- time and chance ---- */

CONTRACT(has_a_clock_that_sleep_moves)
{
    uint64_t before = sys_mono_ns(w->s);
    int64_t wall = sys_now_us(w->s);

    sys_sleep_ms(w->s, 2);

    cr_assert_geq(sys_mono_ns(w->s) - before, 2000000);
    cr_assert_geq(sys_now_us(w->s) - wall, 1000);
    cr_assert_gt(wall, INT64_C(1700000000000000));
}

CONTRACT(gives_different_random_bytes)
{
    uint8_t a[20], b[20];

    memset(a, 0, sizeof(a));
    sys_random(w->s, a, 19);
    sys_random(w->s, b, sizeof(b));

    cr_assert_neq(memcmp(a, b, 19), 0);
    cr_assert_eq(a[19], 0);
}
