/* SPDX-License-Identifier: Apache-2.0 */
/* A log opened only to be read; and its index against what stands in it (S3). */
#include "bronze/index.h"
#include "bronze_priv.h"

#include "base/bits.h"
#include "base/mem.h"
#include "store/store.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rig {
    char path[64];
    struct sys *sys;
    struct bronze *log;
    struct err e;
};

static void rig_up(struct rig *x)
{
    *x = (struct rig){.path = "/tmp/bronze-off-XXXXXX"};
    cr_assert_not_null(mkdtemp(x->path));
    cr_assert_eq(sys_new_uring(&x->sys, &x->e), 0);
    cr_assert_eq(bronze_init(x->sys, x->path, &x->e), 0);
}

static void rig_open(struct rig *x)
{
    struct bronze_options o = {.path = x->path,
                               .segment_bytes = 1 << 20,
                               .log_bytes_max = 16 << 20,
                               .memory_bytes = 1 << 20,
                               .block_bytes_max = 32768};
    cr_assert_eq(bronze_open(x->sys, &o, NULL, NULL, &x->log, &x->e), 0, "%s", x->e.text);
    cr_assert_eq(bronze_start(x->log, &x->e), 0);
}

static void rig_close(struct rig *x)
{
    if (x->log == NULL)
        return;
    bronze_stop(x->log);
    x->log = bronze_close(x->log);
}

static void rig_down(struct rig *x)
{
    char command[128];
    rig_close(x);
    x->sys = sys_free(x->sys);
    (void)snprintf(command, sizeof(command), "rm -rf %s", x->path);
    cr_assert_eq(system(command), 0);
}

static bronze_pos put(struct rig *x, const char *text)
{
    struct slice row = slice_str(text);
    struct bronze_append a = {
        .kind = BRONZE_ROWS, .table_id = 1, .stream_id = 1, .rows = &row, .row_count = 1};
    cr_assert_eq(bronze_append(x->log, &a), 0);
    cr_assert_eq(bronze_wait(x->log, a.ticket, 10000), 0);
    return a.last_pos;
}

static size_t count_files(struct rig *x)
{
    char *folder = mem_printf("%s/log", x->path);
    struct sys_names names;
    cr_assert_eq(sys_list(x->sys, folder, &names, &x->e), 0);
    size_t count = names.count;
    sys_names_deinit(&names);
    mem_free(folder);
    return count;
}

Test(bronze_offline, the_lock_of_a_folder_in_use_is_refused)
{
    struct rig x;
    struct sys_file *lock = NULL;
    rig_up(&x);
    rig_open(&x);

    int r = bronze_lock(x.sys, x.path, &lock, &x.e);

    cr_assert_eq(r, ERR_BUSY);
    cr_assert_null(lock);
    rig_down(&x);
}

Test(bronze_offline, a_log_under_its_callers_lock_leaves_it_held)
{
    struct rig x;
    struct sys_file *lock, *other = NULL;
    rig_up(&x);
    struct bronze_options o = {.path = x.path,
                               .segment_bytes = 1 << 20,
                               .log_bytes_max = 16 << 20,
                               .memory_bytes = 1 << 20,
                               .block_bytes_max = 32768};
    cr_assert_eq(bronze_lock(x.sys, x.path, &lock, &x.e), 0, "%s", x.e.text);
    cr_assert_eq(bronze_open(x.sys, &o, NULL, NULL, &x.log, &x.e), ERR_BUSY);

    o.is_locked = true;
    int r = bronze_open(x.sys, &o, NULL, NULL, &x.log, &x.e);

    cr_assert_eq(r, 0, "%s", x.e.text);
    bronze_stop(x.log);
    x.log = bronze_close(x.log);
    cr_assert_eq(bronze_lock(x.sys, x.path, &other, &x.e), ERR_BUSY);
    (void)sys_close(lock);
    cr_assert_eq(bronze_lock(x.sys, x.path, &lock, &x.e), 0, "%s", x.e.text);
    (void)sys_close(lock);
    rig_down(&x);
}

Test(bronze_offline, a_folder_that_is_no_data_folder_is_not_locked)
{
    struct rig x;
    struct sys_file *lock = NULL;
    char path[80];
    rig_up(&x);
    (void)snprintf(path, sizeof(path), "%s/log", x.path);

    int r = bronze_lock(x.sys, path, &lock, &x.e);

    cr_assert_eq(r, ERR_NOT_FOUND);
    cr_assert_not_null(strstr(x.e.text, "sluice init"));
    rig_down(&x);
}

Test(bronze_offline, shows_every_row_and_begins_no_life)
{
    struct rig x;
    rig_up(&x);
    rig_open(&x);
    put(&x, "one");
    bronze_pos last = put(&x, "two");
    uint64_t epoch = bronze_epoch(x.log);
    rig_close(&x);
    struct bronze *log;
    struct bronze_reader *r;
    struct bronze_block b;
    cr_assert_eq(bronze_open_offline(x.sys, x.path, NULL, NULL, &log, &x.e), 0, "%s", x.e.text);
    size_t before = count_files(&x);

    cr_assert_eq(bronze_durable_pos(log), last);
    cr_assert_eq(bronze_reader_open(log, "test", 1, &r, &x.e), 0);
    uint64_t rows = 0;
    int rc;
    while ((rc = bronze_reader_next(r, &b, &x.e)) == 0)
        rows += b.end_pos - b.first_pos;

    cr_assert_eq(rc, BRONZE_END);
    cr_assert_eq(rows, 2);
    bronze_reader_close(r);
    bronze_close(log);
    cr_assert_eq(count_files(&x), before);
    rig_open(&x);
    cr_assert_eq(bronze_epoch(x.log), epoch + 1);
    rig_down(&x);
}

Test(bronze_offline, a_log_in_use_and_a_folder_without_segments_are_refused)
{
    struct rig x;
    struct bronze *log;
    rig_up(&x);

    cr_assert_eq(bronze_open_offline(x.sys, x.path, NULL, NULL, &log, &x.e), ERR_NOT_FOUND);
    rig_open(&x);
    cr_assert_eq(bronze_open_offline(x.sys, x.path, NULL, NULL, &log, &x.e), ERR_BUSY);

    rig_down(&x);
}

/* The index entries of all blocks of the log, as the apply thread puts them. */
static void index_all(struct rig *x, struct store *st)
{
    struct bronze_index *index = bronze_index_new();
    struct store_batch *batch = store_batch_new(st);
    struct bronze_reader *r;
    struct bronze_block b;
    cr_assert_eq(bronze_reader_open(x->log, "test", 1, &r, &x->e), 0);
    while (bronze_reader_next(r, &b, &x->e) == 0)
        bronze_index_add(index, &b, batch);
    bronze_reader_close(r);
    cr_assert_eq(store_write(st, batch, &x->e), 0);
    store_batch_free(batch);
    bronze_index_free(index);
}

Test(bronze_offline, the_index_of_this_log_fits_and_that_of_another_past_does_not)
{
    struct rig x, other;
    rig_up(&x);
    rig_up(&other);
    rig_open(&x);
    rig_close(&x);
    rig_open(&x); /* its rows stand in the second segment */
    rig_open(&other);
    struct store *st = store_open_model();
    bronze_pos last = put(&x, "one");
    put(&other, "one");
    index_all(&x, st);

    cr_assert_eq(bronze_index_check(x.log, st, last, &x.e), 0);
    cr_assert_eq(bronze_index_check(other.log, st, last, &x.e), ERR_PRECONDITION);

    cr_assert_not_null(strstr(x.e.text, "another past"));
    store_close(st);
    rig_down(&other);
    rig_down(&x);
}
