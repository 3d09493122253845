/* SPDX-License-Identifier: Apache-2.0 */
/* Backups of a folder of the simulator's disk. */
#include "sys/sim.h"
#include "sys/sys.h"

#include "base/mem.h"
#include "test.h"

static void put(struct sys *s, const char *path, const char *text)
{
    cr_assert_eq(sys_write_file(s, path, slice_str(text), NULL), 0);
}

static bool holds(struct sys *s, const char *path, const char *content)
{
    char *data = NULL;
    size_t len = 0;
    int r = sys_read_file(s, path, 1 << 20, &data, &len, NULL);
    bool same = r == 0 && slice_eq(slice_of(data, len), slice_str(content));

    mem_free(data);
    return same;
}

Test(sys_sim_image, puts_one_folder_back_and_leaves_the_rest)
{
    struct sys *s = sys_new_sim(1);
    struct sys_sim_image *image = NULL;
    bool there = true;
    cr_assert_eq(sys_mkdirs(s, "/data/log", NULL), 0);
    cr_assert_eq(sys_mkdirs(s, "/lake", NULL), 0);
    put(s, "/data/log/1", "old");
    put(s, "/data/EPOCH", "1");
    put(s, "/lake/t", "old");
    cr_assert_eq(sys_sim_snapshot(s, "/data", &image, NULL), 0);
    put(s, "/data/log/1", "new");
    put(s, "/data/log/2", "new");
    cr_assert_eq(sys_unlink(s, "/data/EPOCH", NULL), 0);
    put(s, "/lake/t", "new");

    for (int i = 0; i < 2; i++) { /* an image can be used again */
        sys_sim_kill(s);
        cr_assert_eq(sys_sim_restore(s, image, NULL), 0);
        cr_assert(holds(s, "/data/log/1", "old"));
        cr_assert(holds(s, "/data/EPOCH", "1"));
        cr_assert(holds(s, "/lake/t", "new"));
        cr_assert_eq(sys_exists(s, "/data/log/2", &there, NULL), 0);
        cr_assert_not(there);
        sys_sim_crash(s); /* what was put back is on the disk */
        cr_assert(holds(s, "/data/log/1", "old"));
        put(s, "/data/log/1", "newer");
    }
    cr_assert_eq(sys_sim_hits(s, SYS_SIM_RESTORED), 2);
    sys_sim_image_free(image);
    sys_free(s);
}

Test(sys_sim_image, of_what_is_not_there_is_refused)
{
    struct sys *s = sys_new_sim(1);
    struct sys_sim_image *image = NULL;

    cr_assert_eq(sys_sim_snapshot(s, "/data", &image, NULL), ERR_NOT_FOUND);
    cr_assert_eq(sys_mkdirs(s, "/data", NULL), 0);
    cr_assert_eq(sys_sim_snapshot(s, "/data", &image, NULL), 0);
    put(s, "/other", "1");
    cr_assert_eq(sys_rename(s, "/data", "/moved", NULL), 0);

    cr_assert_eq(sys_sim_restore(s, image, NULL), ERR_NOT_FOUND);

    cr_assert_eq(sys_sim_hits(s, SYS_SIM_RESTORED), 0);
    cr_assert_null(sys_sim_image_free(image));
    cr_assert_null(sys_sim_image_free(NULL));
    sys_free(s);
}
