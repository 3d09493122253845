/* SPDX-License-Identifier: Apache-2.0 */
/* Ends of lives: power losses that the seed draws, kills, and writes that land afterwards. */
#include "sys/sim.h"
#include "sys/sys.h"

#include "base/mem.h"
#include "test.h"

#include <string.h>

#define SECTOR  512
#define SECTORS 16
#define SIZE    (SECTORS * SECTOR)
#define SEEDS   200

/* A file of SIZE bytes of '-' that is synced, name and all; open for ring writes. */
static struct sys_file *make_file(struct sys *s)
{
    struct sys_file *f = NULL;
    uint8_t *data = mem_aligned(4096, SIZE);

    memset(data, '-', SIZE);
    cr_assert_eq(sys_open(s, "f", SYS_WRITE | SYS_CREATE | SYS_DIRECT | SYS_DSYNC, &f, NULL), 0);
    cr_assert_eq(sys_write(f, data, SIZE, 0, NULL), 0);
    cr_assert_eq(sys_sync_dir(s, "/", NULL), 0);
    mem_free(data);
    return f;
}

/* Bit i: sector i was written over with 'x', all of it. Any other content fails. */
static unsigned sectors(struct sys *s, const char *path)
{
    char *data = NULL;
    size_t len = 0;
    unsigned set = 0;

    cr_assert_eq(sys_read_file(s, path, SIZE, &data, &len, NULL), 0);
    for (size_t i = 0; i < len / SECTOR; i++) {
        char c = data[i * SECTOR];
        for (size_t k = 0; k < SECTOR; k++)
            cr_assert_eq(data[i * SECTOR + k], c); /* a sector is never torn itself */
        cr_assert(c == 'x' || c == '-' || c == 0);
        set |= (unsigned)(c == 'x') << i;
    }
    mem_free(data);
    return set;
}

struct seen {
    bool none, all, first, some;
};

static void note(struct seen *x, unsigned set)
{
    unsigned all = (1u << SECTORS) - 1;

    x->none |= set == 0;
    x->all |= set == all;
    x->first |= set != 0 && set != all && (set & (set + 1)) == 0;
    x->some |= (set & (set + 1)) != 0;
}

Test(sys_sim_power_loss, keeps_none_all_the_first_or_some_sectors_of_unsynced_writes)
{
    struct seen seen = {false, false, false, false};
    char data[SIZE];
    memset(data, 'x', SIZE);

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sys *s = sys_new_sim(seed);
        struct sys_file *f = NULL;
        sys_close(make_file(s));
        cr_assert_eq(sys_open(s, "f", SYS_WRITE, &f, NULL), 0);
        cr_assert_eq(sys_write(f, data, SIZE, 0, NULL), 0);
        sys_close(f);
        sys_sim_power_loss(s);
        unsigned set = sectors(s, "f");
        note(&seen, set);
        bool lost = set != (1u << SECTORS) - 1, torn = lost && set != 0;
        cr_assert_eq(sys_sim_hits(s, SYS_SIM_LOST), lost);
        cr_assert_eq(sys_sim_hits(s, SYS_SIM_TORN), torn);
        cr_assert_eq(sys_sim_hits(s, SYS_SIM_REORDERED), (set & (set + 1)) != 0);
        cr_assert_eq(sys_sim_hits(s, SYS_SIM_POWER), 1);
        sys_sim_power_loss(s); /* what stayed is synced */
        cr_assert_eq(sectors(s, "f"), set);
        sys_free(s);
    }
    cr_assert(seen.none && seen.all && seen.first && seen.some);
}

Test(sys_sim_power_loss, never_touches_what_was_synced)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sys *s = sys_new_sim(seed);
        sys_close(make_file(s));
        cr_assert_eq(sys_write_file(s, "/whole", slice_str("whole"), NULL), 0);

        sys_sim_power_loss(s);

        char *data = NULL;
        size_t len = 0;
        cr_assert_eq(sectors(s, "f"), 0);
        cr_assert_eq(sys_read_file(s, "/whole", 100, &data, &len, NULL), 0);
        cr_assert(slice_eq(slice_of(data, len), slice_str("whole")));
        mem_free(data);
        sys_free(s);
    }
}

Test(sys_sim_power_loss, tears_ring_writes_in_flight)
{
    struct seen seen = {false, false, false, false};
    uint8_t *data = mem_aligned(4096, SIZE);
    memset(data, 'x', SIZE);

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sys *s = sys_new_sim(seed);
        struct sys_file *f = make_file(s);
        struct sys_ring *ring = NULL;
        cr_assert_eq(sys_ring_new(s, 1, &ring, NULL), 0);
        cr_assert_eq(sys_ring_write(ring, f, slice_of(data, SIZE), 0, 1), 0);
        sys_sim_power_loss(s);
        note(&seen, sectors(s, "f"));
        sys_ring_free(ring);
        sys_close(f);
        sys_free(s);
    }
    mem_free(data);
    cr_assert(seen.none && seen.all && seen.first && seen.some);
}

Test(sys_sim_power_loss, may_keep_the_length_but_not_the_bytes_in_between)
{
    bool grown = false, not_grown = false;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sys *s = sys_new_sim(seed);
        struct sys_file *f = NULL;
        char data[SIZE];
        memset(data, 'x', SIZE);
        cr_assert_eq(sys_open(s, "g", SYS_WRITE | SYS_CREATE, &f, NULL), 0);
        cr_assert_eq(sys_sync_dir(s, "/", NULL), 0);
        cr_assert_eq(sys_write(f, data, SIZE, 0, NULL), 0);
        sys_close(f);
        sys_sim_power_loss(s);
        (void)sectors(s, "g"); /* whole sectors of x or of zeros */
        cr_assert_eq(sys_open(s, "g", SYS_READ, &f, NULL), 0);
        uint64_t size = 0;
        cr_assert_eq(sys_size(f, &size, NULL), 0);
        grown |= size > 0;
        not_grown |= size == 0;
        sys_close(f);
        sys_free(s);
    }
    cr_assert(grown && not_grown);
}

static bool there(struct sys *s, const char *path)
{
    bool exists = false;

    cr_assert_eq(sys_exists(s, path, &exists, NULL), 0);
    return exists;
}

Test(sys_sim_power_loss, may_lose_names_whose_folder_was_not_synced)
{
    unsigned kept = 0, lost = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sys *s = sys_new_sim(seed);
        struct sys_file *f = NULL;
        cr_assert_eq(sys_mkdirs(s, "/d", NULL), 0);
        cr_assert_eq(sys_open(s, "/d/n", SYS_WRITE | SYS_CREATE, &f, NULL), 0);
        cr_assert_eq(sys_sync(f, NULL), 0);
        sys_close(f);
        sys_sim_power_loss(s);
        bool is_there = there(s, "/d/n");
        cr_assert(there(s, "/d"));
        cr_assert_eq(sys_sim_hits(s, SYS_SIM_NAME_LOST), !is_there);
        kept += is_there;
        lost += !is_there;
        sys_free(s);
    }
    cr_assert(kept > 20 && lost > 20);
}

Test(sys_sim_power_loss, leaves_a_renamed_file_under_one_name_at_least)
{
    bool old_name = false, new_name = false;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sys *s = sys_new_sim(seed);
        cr_assert_eq(sys_write_file(s, "/a", slice_str("1"), NULL), 0);
        cr_assert_eq(sys_rename(s, "/a", "/b", NULL), 0);
        sys_sim_power_loss(s);
        cr_assert(there(s, "/a") || there(s, "/b"));
        old_name |= there(s, "/a");
        new_name |= there(s, "/b") && !there(s, "/a");
        sys_free(s);
    }
    cr_assert(old_name && new_name);
}

Test(sys_sim_kill, keeps_what_was_written_and_leaves_it_unsynced)
{
    struct sys *s = sys_new_sim(1);
    struct sys_file *f = NULL, *again = NULL;
    cr_assert_eq(sys_open(s, "f", SYS_WRITE | SYS_CREATE, &f, NULL), 0);
    cr_assert_eq(sys_lock(f, 0, NULL), 0);
    cr_assert_eq(sys_write(f, "ab", 2, 0, NULL), 0);

    sys_sim_kill(s);

    char got[3] = "";
    cr_assert_eq(sys_read(f, got, 2, 0, NULL), ERR_IO);
    cr_assert_eq(sys_open(s, "f", SYS_WRITE, &again, NULL), 0);
    cr_assert_eq(sys_lock(again, 0, NULL), 0);
    cr_assert_eq(sys_read(again, got, 2, 0, NULL), 0);
    cr_assert_str_eq(got, "ab");
    sys_close(again);
    sys_sim_crash(s);
    cr_assert_not(there(s, "f"));
    sys_close(f);
    sys_free(s);
}

struct fates {
    unsigned at_once, in_cache, late, never;
};

/* One ring write in flight at a kill: what became of it. */
static void kill_one(uint64_t seed, struct fates *x)
{
    struct sys *s = sys_new_sim(seed);
    struct sys_file *f = make_file(s), *again = NULL;
    struct sys_ring *ring = NULL;
    uint8_t *data = mem_aligned(4096, SIZE);
    memset(data, 'x', SIZE);
    cr_assert_eq(sys_lock(f, 0, NULL), 0);
    cr_assert_eq(sys_ring_new(s, 1, &ring, NULL), 0);
    cr_assert_eq(sys_ring_write(ring, f, slice_of(data, SIZE), 0, 1), 0);

    sys_sim_kill(s);
    memset(data, 'y', SIZE); /* the process's memory is gone */

    bool late = sys_sim_late_pending(s);
    bool landed = sectors(s, "f") != 0;
    cr_assert_eq(sys_open(s, "f", SYS_WRITE, &again, NULL), 0);
    cr_assert_eq(sys_lock(again, 0, NULL), late ? ERR_BUSY : 0);
    cr_assert_not(late && landed);
    x->late += late;
    x->at_once += landed;
    x->never += !late && !landed;
    if (late) {
        cr_assert_eq(sys_lock(again, 60000, NULL), 0); /* waiting lets it land */
        cr_assert_eq(sectors(s, "f"), (1u << SECTORS) - 1);
        sys_sim_crash(s); /* and it was durable when it did */
        cr_assert_eq(sectors(s, "f"), (1u << SECTORS) - 1);
    }
    cr_assert_eq(sys_sim_hits(s, SYS_SIM_LATE_WRITE), late);
    if (landed && seed % 3 == 0) { /* a sync brings down what is in a cache only */
        cr_assert_eq(sys_sync(again, NULL), 0);
        sys_sim_crash(s);
        cr_assert_eq(sectors(s, "f"), (1u << SECTORS) - 1);
    } else if (landed) {
        sys_sim_crash(s);
        x->in_cache += sectors(s, "f") == 0;
    }
    sys_close(again);
    if (seed % 2 == 0) { /* else left behind: freed with the simulator */
        sys_ring_free(ring);
        sys_close(f);
    }
    mem_free(data);
    sys_free(s);
}

Test(sys_sim_kill, lands_a_write_in_flight_at_once_later_or_never)
{
    struct fates x = {0, 0, 0, 0};

    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        kill_one(seed, &x);

    cr_assert(x.at_once > 40 && x.late > 20 && x.never > 20);
    cr_assert(x.in_cache > 10);
}

Test(sys_sim_kill, forgets_late_writes_when_the_power_goes)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct sys *s = sys_new_sim(seed);
        struct sys_file *f = make_file(s);
        struct sys_ring *ring = NULL;
        uint8_t *data = mem_aligned(4096, SIZE);
        memset(data, 'x', SIZE);
        cr_assert_eq(sys_ring_new(s, 1, &ring, NULL), 0);
        cr_assert_eq(sys_ring_write(ring, f, slice_of(data, SIZE), 0, 1), 0);
        sys_sim_kill(s);
        bool late = sys_sim_late_pending(s);

        sys_sim_power_loss(s);

        cr_assert_not(sys_sim_late_pending(s));
        sys_sim_advance(s, UINT64_C(100000000000));
        cr_assert_eq(sys_sim_hits(s, SYS_SIM_LATE_WRITE), 0);
        if (late)
            cr_assert_eq(sectors(s, "f"), 0);
        sys_ring_free(ring);
        sys_close(f);
        mem_free(data);
        sys_free(s);
    }
}

Test(sys_sim_kill, frees_the_space_of_removed_files_that_were_open)
{
    struct sys *s = sys_new_sim(1);
    struct sys_file *f = make_file(s);
    cr_assert_eq(sys_unlink(s, "f", NULL), 0);
    cr_assert_eq(sys_sync_dir(s, "/", NULL), 0);
    cr_assert_eq(sys_sim_used(s), SIZE);

    sys_sim_kill(s);

    cr_assert_eq(sys_sim_used(s), 0);
    sys_close(f);
    sys_free(s);
}
