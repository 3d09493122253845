/* SPDX-License-Identifier: Apache-2.0 */
/* Recovery on a simulated disk: what one life has read, every later one reads too. */
#include "bronze/bronze.h"

#include "sys/sim.h"
#include "sys/sys.h"

#include "test.h"

#include <string.h>

#define BLOCK 16384
#define SEEDS 300

static struct bronze *open_log(struct sys *s, struct err *e)
{
    struct bronze *log = NULL;
    struct bronze_options o = {
        .path = "/d",
        .segment_bytes = 4096 + BLOCK, /* one block each: writes in flight lie in several */
        .log_bytes_max = 64 * (4096 + BLOCK),
        .memory_bytes = 16 * BLOCK,
        .block_bytes_max = BLOCK,
    };

    if (bronze_open(s, &o, NULL, NULL, &log, e) < 0)
        return NULL;
    return log;
}

static void append(struct bronze *log, uint64_t offset)
{
    static const uint8_t bytes[BLOCK - 4096];
    struct slice row = slice_of(bytes, sizeof(bytes));
    struct bronze_append a = {
        .kind = BRONZE_SINGLES, .stream_id = 1, .offset = offset, .rows = &row, .row_count = 1};

    cr_assert_eq(bronze_append(log, &a), 0);
}

/* A life that is killed with writes in flight; the next one reads some of them; then the power
 * goes, and with it what was in the device's cache only. */
static unsigned three_lives(uint64_t seed)
{
    struct sys *s = sys_new_sim(seed);
    struct err e = {0};
    cr_assert_eq(bronze_init(s, "/d", &e), 0);
    struct bronze *log = open_log(s, &e);
    cr_assert_not_null(log, "%s", e.text);
    bronze_segment_step(log);
    for (uint64_t i = 0; i < 3; i++)
        append(log, i);
    bronze_step(log, 0);
    sys_sim_kill(s);
    bronze_close(log);

    log = open_log(s, &e);
    cr_assert_not_null(log, "seed %llu: %s", (unsigned long long)seed, e.text);
    bronze_pos end = bronze_durable_pos(log);
    sys_sim_crash(s);
    bronze_close(log);

    log = open_log(s, &e);
    cr_assert_not_null(log, "seed %llu: %s", (unsigned long long)seed, e.text);
    cr_assert_eq(bronze_durable_pos(log), end);
    sys_sim_crash(s);
    bronze_close(log);
    sys_free(s);
    return (unsigned)end;
}

Test(bronze_recover, makes_durable_what_it_has_read_in_every_segment)
{
    unsigned seen[4] = {0};

    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        seen[three_lives(seed)]++;

    for (unsigned i = 0; i < 4; i++) /* of the three writes none, some and all were there */
        cr_assert_gt(seen[i], 0);
}
