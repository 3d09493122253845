/* SPDX-License-Identifier: Apache-2.0 */
/* The log over real files: what was durable comes back, torn is told from damaged, space is
 * reused. */
#include "bronze/bronze.h"

#include "base/bits.h"
#include "base/crc.h"
#include "base/limits.h"
#include "base/mem.h"
#include "sys/sys.h"

#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1024u * 1024)

struct fixture {
    struct sys *sys;
    char path[64];
    struct bronze *log;
    unsigned controls;
};

static int count_control(void *ctx, const struct bronze_frame *f)
{
    struct fixture *x = ctx;
    size_t at = 0;
    struct slice row;
    if (!bronze_frame_row(f, &at, &row) || row.len != 3 || memcmp(row.data, "ctl", 3) != 0)
        return -1;
    x->controls++;
    return 0;
}

static int try_open(struct fixture *x, struct err *e)
{
    struct bronze_options o = {x->path, 16 * MIB, 128 * MIB, 32 * MIB, 0, false};
    x->controls = 0;
    return bronze_open(x->sys, &o, count_control, x, &x->log, e);
}

static void open_log(struct fixture *x)
{
    struct err e = {0};
    int r = try_open(x, &e);
    cr_assert_eq(r, 0, "%s", e.text);
    cr_assert_eq(bronze_start(x->log, &e), 0);
}

static void close_log(struct fixture *x)
{
    bronze_stop(x->log);
    x->log = bronze_close(x->log);
}

static void set_up(struct fixture *x)
{
    struct err e = {0};
    *x = (struct fixture){0};
    strcpy(x->path, "/tmp/bronze-test-XXXXXX");
    cr_assert_not_null(mkdtemp(x->path));
    cr_assert_eq(sys_new_uring(&x->sys, &e), 0);
    cr_assert_eq(bronze_init(x->sys, x->path, &e), 0);
}

static void tear_down(struct fixture *x)
{
    char command[128];
    x->log = bronze_close(x->log);
    x->sys = sys_free(x->sys);
    snprintf(command, sizeof(command), "rm -rf %s", x->path);
    cr_assert_eq(system(command), 0);
}

static void append_row(struct fixture *x, uint64_t stream, uint64_t offset, size_t len)
{
    uint8_t *bytes = mem_zalloc(len);
    put_le64(bytes, offset);
    struct slice row = slice_of(bytes, len);
    struct bronze_append a = {.kind = BRONZE_SINGLES,
                              .table_id = 7,
                              .descriptor_id = 3,
                              .stream_id = stream,
                              .offset = offset,
                              .rows = &row,
                              .row_count = 1};
    int r;
    while ((r = bronze_append(x->log, &a)) == BRONZE_FULL)
        usleep(100);
    cr_assert_eq(r, 0);
    mem_free(bytes);
}

static uint64_t append_control(struct fixture *x)
{
    struct slice row = slice_str("ctl");
    struct bronze_append a = {.kind = BRONZE_CONTROL, .rows = &row, .row_count = 1};
    cr_assert_eq(bronze_append(x->log, &a), 0);
    return a.ticket;
}

static void wait_all(struct fixture *x)
{
    for (int i = 0; i < 10000 && bronze_durable_pos(x->log) < bronze_appended_pos(x->log); i++)
        usleep(1000);
    cr_assert_eq(bronze_durable_pos(x->log), bronze_appended_pos(x->log));
}

/* Reads every row from @from on; offsets of stream 1 must be 0,1,2…; returns the rows seen. */
static uint64_t read_all(struct fixture *x, bronze_pos from)
{
    struct err e = {0};
    struct bronze_reader *r;
    cr_assert_eq(bronze_reader_open(x->log, "test", from, &r, &e), 0);
    uint64_t rows = 0;
    struct bronze_block b;
    bronze_pos pos = 0;
    int rc;
    while ((rc = bronze_reader_next(r, &b, &e)) == 0) {
        size_t at = 0;
        struct bronze_frame f;
        while (bronze_block_frame(&b, &at, &f)) {
            cr_assert(pos == 0 || f.first_pos == pos, "positions have no gaps");
            pos = f.first_pos + f.row_count;
            size_t row_at = 0;
            struct slice row;
            uint64_t i = 0;
            for (; bronze_frame_row(&f, &row_at, &row); i++)
                if (f.kind == BRONZE_SINGLES)
                    cr_assert_eq(get_le64(row.data), f.first_offset + i);
            cr_assert_eq(i, f.row_count);
            rows += f.row_count;
        }
    }
    cr_assert_eq(rc, BRONZE_END, "%s", e.text);
    r = bronze_reader_close(r);
    return rows;
}

Test(bronze_log, shows_after_a_restart_what_was_durable)
{
    struct fixture x;
    set_up(&x);
    open_log(&x);
    for (uint64_t i = 0; i < 5000; i++)
        append_row(&x, 1, i, 200);
    cr_assert_eq(bronze_wait(x.log, append_control(&x), 10000), 0);
    cr_assert_eq(read_all(&x, 1), 5001);
    uint64_t epoch = bronze_epoch(x.log);
    close_log(&x);

    open_log(&x);

    cr_assert_eq(x.controls, 1);
    cr_assert_eq(bronze_durable_pos(x.log), 5001);
    cr_assert_eq(read_all(&x, 1), 5001);
    cr_assert_gt(bronze_epoch(x.log), epoch);
    append_row(&x, 2, 0, 100);
    wait_all(&x);
    uint64_t rows = read_all(&x, 5001); /* from the start of the block that holds 5001 */
    cr_assert(rows >= 2 && rows <= 5002);
    close_log(&x);
    tear_down(&x);
}

Test(bronze_log, is_opened_by_one_process_only)
{
    struct fixture x;
    set_up(&x);
    open_log(&x);
    struct fixture other = x;
    struct err e = {0};

    int r = try_open(&other, &e);

    cr_assert_eq(r, ERR_BUSY);
    close_log(&x);
    tear_down(&x);
}

Test(bronze_log, rolls_over_segments_and_reads_them_from_the_device)
{
    struct fixture x;
    set_up(&x);
    open_log(&x);
    uint64_t rows = 60000; /* 60 MB: more than the ring's 32 MiB and three segments */

    for (uint64_t i = 0; i < rows; i++)
        append_row(&x, 1, i, 1000);
    wait_all(&x);

    struct bronze_usage u;
    bronze_usage(x.log, &u);
    cr_assert_geq(u.segments, 4);
    cr_assert_eq(read_all(&x, 1), rows);
    cr_assert_eq(read_all(&x, rows), read_all(&x, rows)); /* the last block, twice the same */
    close_log(&x);
    open_log(&x);
    cr_assert_eq(read_all(&x, 1), rows);
    close_log(&x);
    tear_down(&x);
}

/* Blocks straddle the chunks by little, by much, and by more than is carried over. */
Test(bronze_log, reads_blocks_of_every_size_from_the_device)
{
    struct fixture x;
    set_up(&x);
    open_log(&x);
    static const size_t sizes[] = {1000, 70000, 900000, 300, 3 * MIB, 1500000, 8 * MIB, 5000};
    uint64_t rows = 0;

    for (size_t bytes = 0; bytes < 90 * MIB; rows++) {
        append_row(&x, 1, rows, sizes[rows % ARRAY_LEN(sizes)] + rows % 4096);
        bytes += sizes[rows % ARRAY_LEN(sizes)];
    }
    wait_all(&x);

    cr_assert_eq(read_all(&x, 1), rows);
    close_log(&x);
    open_log(&x); /* recovery reads the same way */
    cr_assert_eq(bronze_durable_pos(x.log), rows);
    cr_assert_eq(read_all(&x, 1), rows);
    close_log(&x);
    tear_down(&x);
}

Test(bronze_log, keeps_a_request_in_one_block_and_refuses_one_that_cannot_fit)
{
    struct fixture x;
    set_up(&x);
    open_log(&x);
    uint8_t *bytes = mem_zalloc(BLOCK_BYTES_MAX);
    struct slice rows[10];
    for (int i = 0; i < 10; i++)
        rows[i] = slice_of(bytes, MIB);
    struct bronze_append a = {.kind = BRONZE_ROWS, .stream_id = 9, .rows = rows, .row_count = 10};
    struct slice huge = slice_of(bytes, BLOCK_BYTES_MAX);
    struct bronze_append too_large = {.kind = BRONZE_ROWS, .rows = &huge, .row_count = 1};
    struct bronze_append empty = {.kind = BRONZE_ROWS, .stream_id = 9, .offset = 1, .row_count = 0};

    cr_assert_eq(bronze_append(x.log, &a), 0);
    cr_assert_eq(bronze_append(x.log, &too_large), ERR_INVALID);
    cr_assert_eq(bronze_append(x.log, &empty), 0);
    cr_assert_eq(bronze_wait(x.log, empty.ticket, 10000), 0);

    struct err e = {0};
    struct bronze_reader *r;
    struct bronze_block b;
    size_t at = 0;
    struct bronze_frame f;
    cr_assert_eq(bronze_reader_open(x.log, "test", 1, &r, &e), 0);
    cr_assert_eq(bronze_reader_next(r, &b, &e), 0);
    cr_assert(bronze_block_frame(&b, &at, &f));
    cr_assert_eq(f.row_count, 10);
    cr_assert_eq(f.offset_count, 1);
    r = bronze_reader_close(r);
    mem_free(bytes);
    close_log(&x);
    tear_down(&x);
}

Test(bronze_log, keeps_frames_of_two_tables_that_are_one_request_in_one_block)
{
    struct fixture x;
    set_up(&x);
    open_log(&x);
    struct slice rows[] = {slice_str("one"), slice_str("two"), slice_str("three")};
    append_row(&x, 1, 0, 100); /* something to stand behind */
    struct bronze_append bad = {.kind = BRONZE_ROWS,
                                .table_id = 8,
                                .stream_id = 9,
                                .offset = 5,
                                .rows = rows + 2,
                                .row_count = 1};
    struct bronze_append good = {.kind = BRONZE_ROWS,
                                 .table_id = 7,
                                 .stream_id = 9,
                                 .offset = 5,
                                 .rows = rows,
                                 .row_count = 2,
                                 .also = &bad};

    cr_assert_eq(bronze_append(x.log, &good), 0);
    cr_assert_eq(bronze_wait(x.log, good.ticket, 10000), 0);

    cr_assert_eq(good.ticket, bad.ticket);
    cr_assert_eq(good.last_pos, good.first_pos + 1);
    cr_assert_eq(bad.first_pos, good.last_pos + 1);
    cr_assert_eq(bad.last_pos, bad.first_pos);
    cr_assert_eq(bronze_appended_pos(x.log), bad.last_pos);
    struct err e = {0};
    struct bronze_reader *r;
    struct bronze_block b;
    struct bronze_frame f;
    struct slice row;
    size_t at = 0, row_at = 0;
    cr_assert_eq(bronze_reader_open(x.log, "test", good.first_pos, &r, &e), 0);
    cr_assert_eq(bronze_reader_next(r, &b, &e), 0);
    cr_assert_eq(b.ticket, good.ticket);
    do
        cr_assert(bronze_block_frame(&b, &at, &f));
    while (f.stream_id != 9);
    cr_assert_eq(f.table_id, 7);
    cr_assert_eq(f.row_count, 2);
    cr_assert(bronze_block_frame(&b, &at, &f));
    cr_assert_eq(f.table_id, 8);
    cr_assert_eq(f.first_offset, 5);
    cr_assert_eq(f.offset_count, 1);
    cr_assert(bronze_frame_row(&f, &row_at, &row));
    cr_assert(slice_eq(row, rows[2]));
    r = bronze_reader_close(r);
    close_log(&x);
    tear_down(&x);
}

Test(bronze_log, refuses_a_request_whose_second_frame_does_not_fit)
{
    struct fixture x;
    set_up(&x);
    open_log(&x);
    uint8_t *bytes = mem_zalloc(BLOCK_BYTES_MAX);
    struct slice half = slice_of(bytes, BLOCK_BYTES_MAX / 2), one = slice_of(bytes, 1);
    struct bronze_append bad = {.kind = BRONZE_ROWS, .rows = &half, .row_count = 1};
    struct bronze_append good = {.kind = BRONZE_ROWS, .rows = &half, .row_count = 1, .also = &bad};

    cr_assert_eq(bronze_append(x.log, &good), ERR_INVALID);

    good.rows = &one;
    cr_assert_eq(bronze_append(x.log, &good), 0);
    mem_free(bytes);
    close_log(&x);
    tear_down(&x);
}

/* Nothing is written without a step, so what is appended stays unwritten. */
Test(bronze_log, takes_small_requests_while_a_large_one_must_wait)
{
    struct fixture x;
    struct err e = {0};
    set_up(&x);
    cr_assert_eq(try_open(&x, &e), 0); /* 32 MiB of memory: large ones wait behind 8 MiB */
    uint8_t *bytes = mem_zalloc(5 * MIB);
    struct slice large = slice_of(bytes, 5 * MIB), small = slice_of(bytes, 100);
    struct bronze_append a = {.kind = BRONZE_ROWS, .stream_id = 1, .rows = &large, .row_count = 1};
    struct bronze_append b = {.kind = BRONZE_ROWS, .stream_id = 2, .rows = &small, .row_count = 1};
    cr_assert_eq(bronze_room(x.log, large.len), 0);
    cr_assert_eq(bronze_append(x.log, &a), 0);
    cr_assert_eq(bronze_append(x.log, &a), 0);

    int third = bronze_append(x.log, &a);

    cr_assert_eq(third, BRONZE_FULL);
    cr_assert_eq(bronze_room(x.log, large.len), BRONZE_FULL);
    cr_assert_eq(bronze_append(x.log, &b), 0);
    a.urgent = true; /* it has waited long enough */
    cr_assert_eq(bronze_append(x.log, &a), 0);
    a.urgent = false;
    while (bronze_durable_pos(x.log) < bronze_appended_pos(x.log))
        bronze_step(x.log, 1000000);
    cr_assert_eq(bronze_room(x.log, large.len), 0);
    cr_assert_eq(bronze_append(x.log, &a), 0);
    mem_free(bytes);
    close_log(&x);
    tear_down(&x);
}

Test(bronze_log, reuses_trimmed_segments)
{
    struct fixture x;
    set_up(&x);
    open_log(&x); /* the limit is 8 segments of 16 MiB; 300 MB pass through */

    for (uint64_t i = 0; i < 300000; i++) {
        append_row(&x, 1, i, 1000);
        if (i % 10000 == 9999)
            bronze_trim(x.log, bronze_durable_pos(x.log) + 1);
    }
    wait_all(&x);

    bronze_pos from = bronze_trimmed_pos(x.log);
    cr_assert_gt(from, 200000);
    cr_assert_eq(read_all(&x, from), 300000 - from + 1);
    close_log(&x);
    open_log(&x);
    cr_assert_eq(read_all(&x, bronze_trimmed_pos(x.log)), 300000 - bronze_trimmed_pos(x.log) + 1);
    close_log(&x);
    tear_down(&x);
}

/* The one segment with blocks, for tests that damage it. */
static int open_segment(struct fixture *x, unsigned number)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/log/%020u.log", x->path, number);
    int fd = open(path, O_RDWR);
    cr_assert_geq(fd, 0);
    return fd;
}

static void flip(int fd, off_t at)
{
    uint8_t byte;
    cr_assert_eq(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    cr_assert_eq(pwrite(fd, &byte, 1, at), 1);
}

/* Three blocks of one row each at 4096, 8192, 12288, then the seal of the clean stop. */
static void three_blocks(struct fixture *x)
{
    struct err e = {0};
    set_up(x);
    cr_assert_eq(try_open(x, &e), 0);
    for (uint64_t i = 0; i < 3; i++) { /* without threads: nothing depends on time */
        append_row(x, 1, i, 100);
        bronze_step(x->log, 1000000);
        cr_assert_eq(bronze_durable_pos(x->log), i + 1);
    }
    close_log(x);
}

Test(bronze_recovery, refuses_a_damaged_block_that_was_durable)
{
    for (off_t at = 4096; at <= 12288; at += 4096) {
        struct fixture x;
        three_blocks(&x);
        int fd = open_segment(&x, 1);
        flip(fd, at + 300);
        close(fd);
        struct err e = {0};

        int r = try_open(&x, &e);

        cr_assert_eq(r, ERR_DAMAGED);
        cr_assert_not_null(strstr(e.text, "00000000000000000001.log at byte"));
        tear_down(&x);
    }
}

Test(bronze_recovery, refuses_a_damaged_segment_header)
{
    struct fixture x;
    three_blocks(&x);
    int fd = open_segment(&x, 1);
    flip(fd, 50);
    close(fd);
    struct err e = {0};

    int r = try_open(&x, &e);

    cr_assert_eq(r, ERR_DAMAGED);
    tear_down(&x);
}

/* Only a faulty build could write such a block; it is refused, not walked. */
Test(bronze_recovery, refuses_frames_that_do_not_add_up_under_right_checksums)
{
    struct fixture x;
    three_blocks(&x);
    int fd = open_segment(&x, 1);
    uint8_t block[4096];
    cr_assert_eq(pread(fd, block, sizeof(block), 4096), (ssize_t)sizeof(block));
    put_le32(block + 128 + 64, 4000); /* the row's length */
    uint32_t seed = crc32c(0, block + 16, 16);
    put_le32(block + 12, crc32c(seed, block + 128, sizeof(block) - 128));
    put_le32(block + 8, crc32c(seed, block + 12, 128 - 12));
    cr_assert_eq(pwrite(fd, block, sizeof(block), 4096), (ssize_t)sizeof(block));
    close(fd);
    struct err e = {0};

    int r = try_open(&x, &e);

    cr_assert_eq(r, ERR_DAMAGED);
    cr_assert_not_null(strstr(e.text, "do not add up"));
    tear_down(&x);
}

/* Nothing behind the torn block says that it was durable: it was never acknowledged. */
Test(bronze_recovery, drops_a_torn_tail)
{
    struct fixture x;
    three_blocks(&x);
    int fd = open_segment(&x, 1);
    uint8_t zeros[4096] = {0};
    for (off_t at = 16384; at <= 5 * 16384; at += 4096)
        cr_assert_eq(pwrite(fd, zeros, sizeof(zeros), at), (ssize_t)sizeof(zeros));
    flip(fd, 12288 + 300);
    close(fd);

    open_log(&x);

    cr_assert_eq(bronze_durable_pos(x.log), 2);
    append_row(&x, 1, 2, 100);
    wait_all(&x);
    cr_assert_eq(read_all(&x, 1), 3);
    close_log(&x);
    open_log(&x);
    cr_assert_eq(read_all(&x, 1), 3);
    close_log(&x);
    tear_down(&x);
}

Test(bronze_recovery, refuses_a_life_that_ends_before_the_next_one_says)
{
    struct fixture x;
    three_blocks(&x);
    open_log(&x);
    append_row(&x, 1, 3, 100);
    wait_all(&x);
    close_log(&x);
    int fd = open_segment(&x, 1);
    flip(fd, 12288 + 300);
    close(fd);
    struct err e = {0};

    int r = try_open(&x, &e);

    cr_assert_eq(r, ERR_DAMAGED);
    cr_assert_not_null(strstr(e.text, "at byte 12288"));
    tear_down(&x);
}

Test(bronze_recovery, refuses_the_format_of_a_newer_build)
{
    struct fixture x;
    three_blocks(&x);
    char path[128];
    snprintf(path, sizeof(path), "%s/FORMAT", x.path);
    FILE *f = fopen(path, "w");
    fputs("sluice-log 2\nuuid 00000000-0000-4000-8000-000000000000\ntimeline 1\n", f);
    fclose(f);
    struct err e = {0};

    int r = try_open(&x, &e);

    cr_assert_eq(r, ERR_UNSUPPORTED);
    tear_down(&x);
}

struct writer {
    struct fixture *x;
    uint64_t stream;
};

static void write_rows(void *arg)
{
    struct writer *w = arg;
    for (uint64_t i = 0; i < 20000; i++)
        append_row(w->x, w->stream, i, 64 + i % 200);
}

Test(bronze_log, takes_appends_from_many_threads)
{
    struct fixture x;
    set_up(&x);
    open_log(&x);
    struct writer w[4];
    struct sys_thread *threads[4];
    for (unsigned i = 0; i < 4; i++) {
        w[i] = (struct writer){&x, i + 1};
        cr_assert_eq(sys_thread_start(x.sys, "writer", write_rows, &w[i], &threads[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++)
        sys_thread_join(threads[i]);
    wait_all(&x);

    cr_assert_eq(read_all(&x, 1), 80000);
    close_log(&x);
    tear_down(&x);
}

/* A trim to the last row takes the empty seal behind it along; a reader that stands before the
 * seal goes on. */
Test(bronze_reader, goes_on_when_only_empty_blocks_were_trimmed_under_it)
{
    struct fixture x;
    three_blocks(&x);
    open_log(&x);
    struct err e = {0};
    struct bronze_reader *r;
    struct bronze_block b;
    cr_assert_eq(bronze_reader_open(x.log, "test", 1, &r, &e), 0);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(bronze_reader_next(r, &b, &e), 0);

    bronze_trim(x.log, 4);
    cr_assert_eq(bronze_trimmed_pos(x.log), 4);

    cr_assert_eq(bronze_reader_next(r, &b, &e), BRONZE_END, "%s", e.text);
    append_row(&x, 1, 3, 100);
    wait_all(&x);
    cr_assert_eq(bronze_reader_next(r, &b, &e), 0);
    cr_assert_eq(b.first_pos, 4);
    r = bronze_reader_close(r);
    close_log(&x);
    tear_down(&x);
}

/* Segments of 16 rows of 1 MiB and no thread: everything happens when it is asked for. */
static void fill_segments(struct fixture *x, uint64_t first, uint64_t rows)
{
    for (uint64_t i = first; i < first + rows; i++) {
        append_row(x, 1, i, MIB);
        for (int turn = 0; turn < 100 && bronze_durable_pos(x->log) < i + 1; turn++) {
            bronze_step(x->log, 10000);
            if (bronze_durable_pos(x->log) < i + 1) /* perhaps no segment is ready */
                bronze_segment_step(x->log);
        }
        cr_assert_eq(bronze_durable_pos(x->log), i + 1);
    }
}

Test(bronze_segment, that_cannot_be_recycled_waits_and_leaves_no_hole)
{
    struct fixture x;
    struct err e = {0};
    set_up(&x);
    cr_assert_eq(try_open(&x, &e), 0);
    fill_segments(&x, 0, 50); /* segments 1 to 4 */
    struct bronze_usage before, after;
    bronze_usage(x.log, &before);
    char blocker[160];
    for (unsigned n = 5; n < 9; n++) { /* a folder in the way of each name that comes next */
        snprintf(blocker, sizeof(blocker), "%s/log/%020u.log", x.path, n);
        (void)mkdir(blocker, 0700);
    }

    bronze_trim(x.log, bronze_durable_pos(x.log) + 1);
    bronze_segment_step(x.log);
    for (unsigned n = 5; n < 9; n++) {
        snprintf(blocker, sizeof(blocker), "%s/log/%020u.log", x.path, n);
        (void)rmdir(blocker);
    }
    for (unsigned turn = 0; turn < 4; turn++)
        bronze_segment_step(x.log);
    fill_segments(&x, 50, 8);

    bronze_usage(x.log, &after);
    cr_assert_lt(after.log_bytes, before.log_bytes);
    bronze_pos from = bronze_trimmed_pos(x.log);
    cr_assert_eq(read_all(&x, from), 58 - from + 1);
    close_log(&x);
    cr_assert_eq(try_open(&x, &e), 0, "%s", e.text);
    cr_assert_eq(bronze_trimmed_pos(x.log), from);
    close_log(&x);
    tear_down(&x);
}

Test(bronze_recovery, refuses_damage_behind_an_unused_segment)
{
    struct fixture x;
    three_blocks(&x);
    open_log(&x);
    append_row(&x, 1, 3, 100);
    wait_all(&x);
    close_log(&x);
    char path[160];
    snprintf(path, sizeof(path), "%s/log/%020u.log", x.path, 0);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    cr_assert_eq(ftruncate(fd, 65536), 0);
    close(fd);
    for (unsigned n = 2; n < 8; n++) { /* the second life's segment is one of these */
        snprintf(path, sizeof(path), "%s/log/%020u.log", x.path, n);
        fd = open(path, O_RDWR);
        if (fd >= 0) {
            flip(fd, 50);
            close(fd);
        }
    }
    struct err e = {0};

    int r = try_open(&x, &e);

    cr_assert_eq(r, ERR_DAMAGED);
    cr_assert_not_null(strstr(e.text, "its header is not valid"), "%s", e.text);
    tear_down(&x);
}

Test(bronze_recovery, needs_few_descriptors_for_many_segments)
{
    struct fixture x;
    three_blocks(&x);
    for (unsigned n = 100; n < 300; n++) { /* prepared ones, for want of gigabytes */
        char path[160];
        snprintf(path, sizeof(path), "%s/log/%020u.log", x.path, n);
        int fd = open(path, O_RDWR | O_CREAT, 0600);
        cr_assert_eq(ftruncate(fd, 8192), 0);
        close(fd);
    }
    struct rlimit before, few;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 100;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    struct err e = {0};

    int r = try_open(&x, &e);

    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    cr_assert_eq(r, 0, "%s", e.text);
    cr_assert_eq(bronze_durable_pos(x.log), 3);
    tear_down(&x);
}

Test(bronze_life, small_blocks_fill_small_segments_without_threads)
{
    struct err e = {0};
    struct fixture x = {.sys = sys_new_sim(1), .path = "data"};
    cr_assert_eq(bronze_init(x.sys, x.path, &e), 0);
    struct bronze_options o = {x.path, 128 * 1024, 1024 * 1024, 512 * 1024, 32 * 1024, false};
    cr_assert_eq(bronze_open(x.sys, &o, count_control, &x, &x.log, &e), 0, "%s", e.text);
    bronze_segment_step(x.log);

    for (uint64_t i = 0; i < 400; i++) {
        uint8_t bytes[1000] = {0};
        put_le64(bytes, i);
        struct slice row = slice_of(bytes, sizeof(bytes));
        struct bronze_append a = {
            .kind = BRONZE_SINGLES, .stream_id = 1, .offset = i, .rows = &row, .row_count = 1};
        cr_assert_eq(bronze_append(x.log, &a), 0);
        if (i % 20 == 19)
            cr_assert_eq(bronze_wait(x.log, a.ticket, 1000), 0);
    }

    struct bronze_usage u;
    bronze_usage(x.log, &u);
    cr_assert_gt(u.segments, 3);
    cr_assert_eq(read_all(&x, 1), 400);
    x.log = bronze_close(x.log);
    o.segment_bytes = 32 * 1024;
    cr_assert_eq(bronze_open(x.sys, &o, count_control, &x, &x.log, &e), ERR_INVALID);
    x.sys = sys_free(x.sys);
}

static unsigned log_files(const struct fixture *x)
{
    struct sys_names names;
    char path[160];
    snprintf(path, sizeof(path), "%s/log", x->path);
    cr_assert_eq(sys_list(x->sys, path, &names, NULL), 0);
    unsigned count = (unsigned)names.count;
    sys_names_deinit(&names);
    return count;
}

Test(bronze_segment, trimmed_ones_are_written_again_instead_of_new_ones)
{
    struct fixture x;
    struct err e = {0};
    struct bronze_usage full, trimmed;
    set_up(&x);
    cr_assert_eq(try_open(&x, &e), 0);
    fill_segments(&x, 0, 80); /* segments 1 to 6 */
    bronze_usage(x.log, &full);
    unsigned files = log_files(&x);

    bronze_trim(x.log, bronze_durable_pos(x.log) + 1);
    for (unsigned turn = 0; turn < 10; turn++)
        bronze_segment_step(x.log);

    bronze_usage(x.log, &trimmed);
    cr_assert_lt(trimmed.log_bytes, full.log_bytes);
    cr_assert_eq(log_files(&x), files);
    fill_segments(&x, 80, 48);
    cr_assert_eq(log_files(&x), files);
    cr_assert_eq(read_all(&x, bronze_trimmed_pos(x.log)), 128 - bronze_trimmed_pos(x.log) + 1);
    close_log(&x);
    tear_down(&x);
}

static int append_some(struct fixture *x, enum bronze_kind kind)
{
    static const uint8_t bytes[1000];
    struct slice row = kind == BRONZE_CONTROL ? slice_str("ctl") : slice_of(bytes, sizeof(bytes));
    struct bronze_append a = {.kind = kind, .stream_id = 1, .rows = &row, .row_count = 1};
    int r = bronze_append(x->log, &a);
    bronze_step(x->log, 1000);
    bronze_segment_step(x->log);
    return r;
}

/* A small log that takes nothing more. */
static const struct bronze_options small = {"data",     128 * 1024, 512 * 1024,
                                            512 * 1024, 32 * 1024,  false};

static struct fixture full_log(void)
{
    struct err e = {0};
    struct fixture x = {.sys = sys_new_sim(1), .path = "data"};
    struct bronze_usage u;
    cr_assert_eq(bronze_init(x.sys, x.path, &e), 0);
    cr_assert_eq(bronze_open(x.sys, &small, count_control, &x, &x.log, &e), 0, "%s", e.text);
    bronze_segment_step(x.log);
    for (int i = 0; i < 2000; i++)
        (void)append_some(&x, BRONZE_ROWS);
    bronze_usage(x.log, &u);
    cr_assert(u.stalled);
    cr_assert_eq(append_some(&x, BRONZE_CONTROL), BRONZE_FULL);
    return x;
}

Test(bronze_trim, a_full_log_is_overdrawn_for_what_lets_it_be_trimmed)
{
    struct fixture x = full_log();
    struct bronze_usage u;

    bronze_overdraw(x.log, true);
    cr_assert_eq(append_some(&x, BRONZE_CONTROL), 0);
    bronze_pos snapshot = bronze_appended_pos(x.log);
    for (int i = 0; i < 20; i++)
        cr_assert_eq(append_some(&x, BRONZE_ROWS), BRONZE_FULL);
    bronze_overdraw(x.log, false);

    cr_assert_eq(bronze_durable_pos(x.log), snapshot);
    bronze_trim(x.log, snapshot);
    bronze_segment_step(x.log);
    bronze_usage(x.log, &u);
    cr_assert_leq(u.log_bytes, u.log_bytes_max);
    cr_assert_eq(append_some(&x, BRONZE_ROWS), 0);
    x.log = bronze_close(x.log);
    x.sys = sys_free(x.sys);
}

Test(bronze_trim, a_log_is_overdrawn_as_long_as_one_of_several_needs_it)
{
    struct fixture x = full_log();
    bronze_overdraw(x.log, true);
    bronze_overdraw(x.log, true);

    bronze_overdraw(x.log, false);

    cr_assert_eq(append_some(&x, BRONZE_CONTROL), 0);
    bronze_overdraw(x.log, false);
    cr_assert_eq(append_some(&x, BRONZE_CONTROL), BRONZE_FULL);
    x.log = bronze_close(x.log);
    x.sys = sys_free(x.sys);
}

static void ignore(void *ctx)
{
    (void)ctx;
}

static void count_room(void *ctx)
{
    ++*(unsigned *)ctx;
}

/* A start takes a segment of its own, beyond the limit too: rows must not fill that either. */
Test(bronze_trim, a_start_with_a_full_log_leaves_room_for_what_lets_it_be_trimmed)
{
    struct fixture x = full_log();
    struct err e = {0};
    x.log = bronze_close(x.log);
    cr_assert_eq(bronze_open(x.sys, &small, count_control, &x, &x.log, &e), 0, "%s", e.text);
    for (int i = 0; i < 2000; i++)
        cr_assert_eq(append_some(&x, BRONZE_ROWS), BRONZE_FULL);

    bronze_overdraw(x.log, true);
    cr_assert_eq(append_some(&x, BRONZE_CONTROL), 0);
    bronze_overdraw(x.log, false);

    bronze_pos end = bronze_appended_pos(x.log);
    cr_assert_eq(bronze_durable_pos(x.log), end);
    bronze_trim(x.log, end);
    for (int i = 0; i < 5; i++)
        bronze_segment_step(x.log);
    cr_assert_eq(append_some(&x, BRONZE_ROWS), 0);
    x.log = bronze_close(x.log);
    x.sys = sys_free(x.sys);
}

/* One after the other, with nothing trimmed in between: rows must not fill what the next needs. */
Test(bronze_trim, what_an_overdraft_leaves_is_kept_for_the_next)
{
    struct fixture x = full_log();
    struct bronze_usage u;
    unsigned rooms = 0;
    struct bronze_listener l = {ignore, count_room, &rooms, NULL};
    bronze_listen(x.log, &l);

    for (int i = 0; i < 25; i++) {
        bronze_overdraw(x.log, true);
        cr_assert_eq(append_some(&x, BRONZE_CONTROL), 0);
        bronze_overdraw(x.log, false);
        for (int k = 0; k < 10; k++)
            cr_assert_eq(append_some(&x, BRONZE_ROWS), BRONZE_FULL);
    }

    cr_assert_eq(append_some(&x, BRONZE_CONTROL), BRONZE_FULL);
    bronze_pos end = bronze_appended_pos(x.log);
    cr_assert_eq(bronze_durable_pos(x.log), end);
    bronze_usage(x.log, &u);
    cr_assert_gt(u.log_bytes, u.log_bytes_max);
    cr_assert_leq(u.log_bytes, u.log_bytes_max + 512 * 1024 / 2 + 128 * 1024);
    rooms = 0;
    bronze_trim(x.log, end);
    bronze_segment_step(x.log);
    cr_assert_gt(rooms, 0);
    cr_assert_eq(append_some(&x, BRONZE_ROWS), 0);
    x.log = bronze_close(x.log);
    x.sys = sys_free(x.sys);
}
