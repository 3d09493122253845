/* SPDX-License-Identifier: Apache-2.0 */
/* The log's files looked at without opening it: nothing wrong with a good log, every damage named
 * with file and place, and what was never acknowledged is no damage. */
#include "bronze/check.h"

#include "base/bits.h"
#include "base/mem.h"
#include "sys/sys.h"

#include "test.h"

#include <stdio.h>
#include <unistd.h>

#define MIB     (1024u * 1024)
#define BLOCK   4096u
#define ROW_LEN 9000u /* two rows take more than a block's alignment: blocks stay apart */

struct told {
    unsigned count;
    char file[64], what[256];
    uint64_t offset;
};

struct fixture {
    struct sys *sys;
    char path[64];
    uint64_t rows, controls;
    struct told told;
    struct bronze_check k;
    /* of the block with the row numbered @wanted, once seen */
    uint64_t block_offset;
    char block_segment[32];
    bronze_pos wanted;
};

static int on_control(void *ctx, const struct bronze_frame *f)
{
    (void)ctx;
    (void)f;
    return 0;
}

/* One life: @rows rows, each a block of its own; @seal: a stop in good order. */
static void live(struct fixture *x, unsigned rows, bool seal)
{
    struct err e = {0};
    struct bronze_options o = {x->path, 16 * MIB, 128 * MIB, 32 * MIB, 0, false};
    struct bronze *log;
    uint8_t *bytes = mem_zalloc(ROW_LEN);
    cr_assert_eq(bronze_open(x->sys, &o, on_control, NULL, &log, &e), 0, "%s", e.text);
    for (unsigned i = 0; i < rows; i++) {
        struct slice row = slice_of(bytes, ROW_LEN);
        struct bronze_append a = {.kind = BRONZE_SINGLES,
                                  .table_id = 1,
                                  .rows = &row,
                                  .row_count = 1,
                                  .stream_id = 1,
                                  .offset = i};
        cr_assert_eq(bronze_append(log, &a), 0);
        while (bronze_durable_ticket(log) < a.ticket)
            bronze_step(log, 1000);
    }
    if (seal)
        bronze_stop(log);
    log = bronze_close(log);
    mem_free(bytes);
}

static void set_up(struct fixture *x)
{
    struct err e = {0};
    *x = (struct fixture){0};
    strcpy(x->path, "/tmp/check-test-XXXXXX");
    cr_assert_not_null(mkdtemp(x->path));
    cr_assert_eq(sys_new_uring(&x->sys, &e), 0);
    cr_assert_eq(bronze_init(x->sys, x->path, &e), 0);
}

static void tear_down(struct fixture *x)
{
    char command[128];
    x->sys = sys_free(x->sys);
    snprintf(command, sizeof(command), "rm -rf %s", x->path);
    cr_assert_eq(system(command), 0);
}

static int on_block(void *ctx, const char *segment, const struct bronze_block *b)
{
    struct fixture *x = ctx;
    struct bronze_frame f;
    for (size_t at = 0; bronze_block_frame(b, &at, &f);)
        x->rows += f.row_count;
    if (x->wanted >= b->first_pos && x->wanted < b->end_pos) {
        x->block_offset = b->offset;
        snprintf(x->block_segment, sizeof(x->block_segment), "%s", segment);
    }
    return 0;
}

static void on_fault(void *ctx, const char *file, uint64_t offset, const char *what)
{
    struct fixture *x = ctx;
    x->told.count++;
    snprintf(x->told.file, sizeof(x->told.file), "%s", file);
    snprintf(x->told.what, sizeof(x->told.what), "%s", what);
    x->told.offset = offset;
}

static uint64_t check(struct fixture *x)
{
    struct err e = {0};
    x->rows = 0;
    x->told = (struct told){0};
    x->k = (struct bronze_check){
        .path = x->path, .on_block = on_block, .on_fault = on_fault, .ctx = x};
    int r = bronze_check(x->sys, &x->k, &e);
    cr_assert_eq(r, 0, "%s", e.text);
    cr_assert_eq(x->k.faults, x->told.count);
    return x->k.faults;
}

static void change(const struct fixture *x, const char *segment, uint64_t offset, uint8_t bit)
{
    char name[128];
    snprintf(name, sizeof(name), "%s/log/%s", x->path, segment);
    FILE *f = fopen(name, "r+b");
    cr_assert_not_null(f);
    fseek(f, (long)offset, SEEK_SET);
    int c = fgetc(f);
    fseek(f, (long)offset, SEEK_SET);
    fputc(c ^ bit, f);
    fclose(f);
}

Test(bronze_check, finds_nothing_in_two_lives_that_ended_well)
{
    struct fixture x;
    set_up(&x);
    live(&x, 5, true);
    live(&x, 4, true);

    cr_assert_eq(check(&x), 0, "%s: %s", x.told.file, x.told.what);

    cr_assert_eq(x.rows, 9);
    cr_assert(x.k.first_pos == 1 && x.k.end_pos == 10);
    cr_assert(x.k.segments == 2 && x.k.epoch == 2 && x.k.sealed);
    tear_down(&x);
}

Test(bronze_check, changes_nothing_so_that_the_next_life_finds_what_was_there)
{
    struct fixture x;
    set_up(&x);
    live(&x, 3, false);

    cr_assert_eq(check(&x), 0);
    cr_assert_eq(check(&x), 0);

    live(&x, 1, true);
    cr_assert_eq(check(&x), 0);
    cr_assert(x.rows == 4 && x.k.epoch == 2);
    tear_down(&x);
}

Test(bronze_check, names_each_flipped_bit_of_a_closed_segment_and_reads_on_behind_it)
{
    struct fixture x;
    set_up(&x);
    live(&x, 6, true);
    live(&x, 1, true);
    x.wanted = 3;
    cr_assert_eq(check(&x), 0);
    const uint64_t at = x.block_offset;
    /* header's magic, ticket, checksums; frame; row; padding at the block's very end */
    const uint64_t places[] = {0, 8, 12, 40, 128, 300, 3 * BLOCK - 1};
    x.wanted = 0;

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        change(&x, x.block_segment, at + places[i], 0x10);

        cr_assert_eq(check(&x), 1, "byte %zu", (size_t)places[i]);

        cr_assert_str_eq(x.told.file + 4, x.block_segment);
        cr_assert_eq(x.told.offset, at);
        cr_assert_not_null(strstr(x.told.what, "positions 3 to 3"));
        cr_assert_eq(x.rows, 6);
        change(&x, x.block_segment, at + places[i], 0x10);
    }
    cr_assert_eq(check(&x), 0);
    tear_down(&x);
}

Test(bronze_check, names_a_flipped_bit_in_a_segments_header)
{
    struct fixture x;
    set_up(&x);
    live(&x, 2, true);
    live(&x, 2, true);
    x.wanted = 1;
    (void)check(&x);

    for (uint64_t at = 0; at < BLOCK; at += 1365) {
        change(&x, x.block_segment, at, 1);
        cr_assert_geq(check(&x), 1, "byte %zu", (size_t)at);
        cr_assert_str_eq(x.told.file + 4, x.block_segment);
        change(&x, x.block_segment, at, 1);
    }
    tear_down(&x);
}

Test(bronze_check, tells_a_damaged_block_of_the_last_life_from_a_torn_tail)
{
    struct fixture x;
    set_up(&x);
    live(&x, 4, false);
    x.wanted = 4;
    (void)check(&x);
    char newest[32];
    snprintf(newest, sizeof(newest), "%s", x.block_segment);
    const uint64_t last = x.block_offset;
    x.wanted = 2;
    (void)check(&x);

    /* nobody ever said that the last block was durable */
    change(&x, newest, last + 200, 1);
    cr_assert_eq(check(&x), 0, "%s", x.told.what);
    cr_assert(x.rows == 3 && x.k.end_pos == 4);
    change(&x, newest, last + 200, 1);

    /* but later blocks say so of the second */
    change(&x, newest, x.block_offset + 200, 1);
    cr_assert_eq(check(&x), 1);
    cr_assert_eq(x.told.offset, x.block_offset);
    tear_down(&x);
}

Test(bronze_check, names_a_missing_segment)
{
    struct fixture x;
    char name[128];
    set_up(&x);
    for (unsigned i = 0; i < 3; i++)
        live(&x, 2, true);
    x.wanted = 3;
    (void)check(&x);
    snprintf(name, sizeof(name), "%s/log/%s", x.path, x.block_segment);

    cr_assert_eq(unlink(name), 0);

    cr_assert_geq(check(&x), 1);
    cr_assert_not_null(strstr(x.told.what, "missing"), "%s", x.told.what);
    cr_assert_eq(x.rows, 4);
    tear_down(&x);
}

Test(bronze_check, names_an_epoch_that_was_promised_lower_than_used)
{
    struct fixture x;
    struct err e = {0};
    char name[128];
    set_up(&x);
    live(&x, 1, true);
    live(&x, 1, true);
    snprintf(name, sizeof(name), "%s/EPOCH", x.path);

    cr_assert_eq(sys_write_file(x.sys, name, slice_str("epoch 1\n"), &e), 0);

    cr_assert_eq(check(&x), 1);
    cr_assert_str_eq(x.told.file, "EPOCH");
    tear_down(&x);
}

Test(bronze_check, of_a_folder_without_a_log_is_not_found)
{
    struct err e = {0};
    struct sys *s;
    cr_assert_eq(sys_new_uring(&s, &e), 0);
    struct bronze_check k = {.path = "/tmp", .on_block = on_block};

    cr_assert_eq(bronze_check(s, &k, &e), ERR_NOT_FOUND);

    s = sys_free(s);
}
