/* SPDX-License-Identifier: Apache-2.0 */
/* What spill files there are, and whether one is missing. */
#include "rig.h"

#include "sys/sim.h"

#include <unistd.h>

struct seen {
    unsigned faults;
    char name[SPILL_NAME_MAX];
};

static void on_fault(void *ctx, const struct spill_file *f, uint64_t offset, const char *what)
{
    struct seen *s = ctx;
    s->faults++;
    cr_assert_eq(offset, 0);
    cr_assert_not_null(what);
    (void)snprintf(s->name, sizeof(s->name), "%s", f->name);
}

static size_t list(struct rig *x, bool clean, struct seen *s, struct spill_file **ret)
{
    size_t count = 0;
    *s = (struct seen){0};
    struct spill_list l = {.folder = x->d, .clean = clean, .on_fault = on_fault, .ctx = s};
    cr_assert_eq(spill_list(&l, ret, &count, &x->e), 0, "%s", x->e.text);
    return count;
}

Test(spill_list, without_a_folder_there_is_none)
{
    struct rig x;
    struct seen s;
    struct spill_file *files;
    rig_up(&x);

    cr_assert_eq(list(&x, true, &s, &files), 0);

    mem_free(files);
    rig_down(&x);
}

Test(spill_list, shows_files_by_table_and_position_and_not_what_is_unfinished)
{
    struct rig x;
    struct seen s;
    struct spill_file *files;
    rig_up(&x);
    rig_file(&x, 12, 5, 1, 10);
    x.prev = 122;
    rig_file(&x, 7, 1000, 1, 10);
    x.prev = 0;
    rig_file(&x, 7, 100, 3, 10);
    char *path = mem_printf("%s/spill/0000000007-00000000000000009999.spill.new", x.path);
    cr_assert_eq(sys_write_file(x.sys, path, slice_str("half"), &x.e), 0);

    cr_assert_eq(list(&x, true, &s, &files), 3);

    cr_assert_eq(s.faults, 0);
    cr_assert_eq(files[0].first_pos, 100);
    cr_assert_eq(files[0].last_pos, 122);
    cr_assert_eq(files[1].first_pos, 1000);
    cr_assert_eq(files[2].table_id, 12);
    bool there = true;
    cr_assert_eq(sys_exists(x.sys, path, &there, &x.e), 0);
    cr_assert_not(there);
    mem_free(path);
    mem_free(files);
    rig_down(&x);
}

Test(spill_list, a_damaged_header_is_told_and_the_file_still_shown)
{
    struct rig x;
    struct seen s;
    struct spill_file *files;
    rig_up(&x);
    struct spill_file f = rig_file(&x, 7, 100, 3, 10);
    rig_flip(&x, f.name, 60);

    cr_assert_eq(list(&x, false, &s, &files), 1);

    cr_assert_eq(s.faults, 1);
    cr_assert_str_eq(s.name, f.name);
    cr_assert(files[0].damaged);
    cr_assert_eq(files[0].table_id, 7);
    mem_free(files);
    rig_down(&x);
}

Test(spill_list, a_file_that_was_cut_is_damaged)
{
    struct rig x;
    struct seen s;
    struct spill_file *files;
    struct sys_file *file;
    rig_up(&x);
    struct spill_file f = rig_file(&x, 7, 100, 3, 10);
    char *path = mem_printf("%s/spill/%s", x.path, f.name);
    cr_assert_eq(sys_open(x.sys, path, SYS_WRITE, &file, &x.e), 0);
    cr_assert_eq(sys_truncate(file, f.bytes - 8, &x.e), 0);
    (void)sys_close(file);

    cr_assert_eq(list(&x, false, &s, &files), 1);

    cr_assert(files[0].damaged);
    mem_free(path);
    mem_free(files);
    rig_down(&x);
}

Test(spill_list, a_file_that_cannot_be_read_is_damaged_and_others_are_shown)
{
    struct rig x;
    struct seen s;
    struct spill_file *files;
    rig_up(&x);
    struct spill_file f = rig_file(&x, 7, 100, 3, 10);
    rig_file(&x, 12, 5, 1, 10);
    char *path = mem_printf("%s/spill/%s", x.path, f.name);
    cr_assert_eq(sys_unlink(x.sys, path, &x.e), 0);
    cr_assert_eq(symlink(f.name, path), 0); /* a loop: it does not open */

    cr_assert_eq(list(&x, true, &s, &files), 2);

    cr_assert_eq(s.faults, 1);
    cr_assert(files[0].damaged);
    cr_assert_not(files[1].damaged);
    mem_free(path);
    mem_free(files);
    rig_down(&x);
}

Test(spill_list, knows_when_a_file_is_missing)
{
    struct spill_file a = {.first_pos = 10, .last_pos = 19, .to = 25, .prev_last = 5};
    struct spill_file b = {.first_pos = 30, .last_pos = 39, .to = 40, .prev_last = 19};
    struct spill_file both[] = {a, b};

    cr_assert_eq(spill_missing(both, 2, 5, 39), 0);
    cr_assert_eq(spill_missing(both, 2, 4, 39), 5);  /* before the first */
    cr_assert_eq(spill_missing(&b, 1, 12, 39), 19);  /* the first is gone, its last rows wait */
    cr_assert_eq(spill_missing(&b, 1, 19, 39), 0);   /* … they are committed */
    cr_assert_eq(spill_missing(&a, 1, 12, 39), 39);  /* the newest is gone */
    cr_assert_eq(spill_missing(NULL, 0, 39, 39), 0); /* all committed, all removed */
    cr_assert_eq(spill_missing(NULL, 0, 38, 39), 39);
    a.last_pos = 22; /* put back after b was written, and b knew less of it */
    struct spill_file mended[] = {a, b};
    cr_assert_eq(spill_missing(mended, 2, 5, 39), 0);
    cr_assert_eq(spill_missing(both, 2, 12, 0), 0); /* a store that was made again does not know */
}

Test(spill_list, removing_what_is_gone_is_fine)
{
    struct rig x;
    rig_up(&x);
    struct spill_file f = rig_file(&x, 7, 100, 3, 10);

    cr_assert_eq(spill_remove(&x.d, &f, &x.e), 0);
    cr_assert_eq(spill_remove(&x.d, &f, &x.e), 0);

    rig_down(&x);
}

/* kill -9 between the new name and the sync of its folder; then, in the next life, a power loss. */
Test(spill_list, what_a_start_shows_stays)
{
    struct spill_folder d = {.sys = sys_new_sim(1), .data = "/data", .timeline = 1};
    struct spill_list l = {.folder = d, .clean = true};
    struct spill_file *files;
    struct spill_writer *w;
    struct spill_file f;
    struct err e = {0};
    size_t count;
    struct rig x = {.sys = d.sys};
    cr_assert_eq(sys_mkdirs(d.sys, "/data", &e), 0);
    cr_assert_eq(sys_sync_dir(d.sys, "/", &e), 0);
    cr_assert_eq(spill_writer_new(&d, 7, 1, 0, &w, &e), 0);
    struct bronze_frame frame = rig_frame(&x, 7, 1, 3, 10);
    cr_assert_eq(spill_writer_add(w, &frame, &e), 0);
    sys_sim_order(d.sys, SYS_SIM_SYNC_ERROR, "/data/spill", 1, 1); /* the file's goes through */
    cr_assert_lt(spill_writer_finish(w, 3, &f, &e), 0);
    spill_writer_free(w);

    cr_assert_eq(spill_list(&l, &files, &count, &e), 0);
    cr_assert_eq(count, 1);
    mem_free(files);
    sys_sim_crash(d.sys);

    cr_assert_eq(spill_list(&l, &files, &count, &e), 0);
    cr_assert_eq(count, 1);
    cr_assert_not(files[0].damaged);
    mem_free(files);
    buf_deinit(&x.payload);
    sys_free(d.sys);
}
