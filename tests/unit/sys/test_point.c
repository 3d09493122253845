/* SPDX-License-Identifier: Apache-2.0 */
/* Named points: names, the hook, the order to crash. */
#include "sys/point.h"
#include "sys/sys.h"

#include "test.h"

#include <string.h>

Test(sys_point, has_a_name_of_its_own_in_words)
{
    for (unsigned i = 0; i < sys_point_count(); i++) {
        const char *name = sys_point_name((enum sys_point)i);
        enum sys_point back = SYS_POINT_COUNT;

        cr_assert_eq(strspn(name, "abcdefghijklmnopqrstuvwxyz_."), strlen(name));
        cr_assert_not_null(strchr(name, '.'));
        cr_assert_eq(sys_point_parse(name, &back, NULL), 0); /* the first of that name: itself */
        cr_assert_eq(back, i);
    }
}

Test(sys_point, that_nobody_knows_is_refused_with_its_name)
{
    enum sys_point p;
    struct err e;

    cr_assert_eq(sys_point_parse("log.append.befor", &p, &e), ERR_NOT_FOUND);
    cr_assert_not_null(strstr(e.text, "log.append.befor"));
}

static void count(void *ctx, enum sys_point p)
{
    ((unsigned *)ctx)[p]++;
}

Test(sys_point, reaches_the_hook_and_no_other_point_does)
{
    struct sys *s = sys_new_sim(1);
    unsigned hits[SYS_POINT_COUNT] = {0};
    sys_point(s, SYS_POINT_APPLY_BEFORE_WRITE);
    sys_set_point_hook(s, count, hits);

    sys_point(s, SYS_POINT_APPLY_BEFORE_WRITE);
    sys_point(s, SYS_POINT_APPLY_BEFORE_WRITE);
    sys_set_point_hook(s, NULL, NULL);
    sys_point(s, SYS_POINT_APPLY_BEFORE_WRITE);

    for (unsigned i = 0; i < sys_point_count(); i++)
        cr_assert_eq(hits[i], i == SYS_POINT_APPLY_BEFORE_WRITE ? 2 : 0);
    sys_free(s);
}

Test(sys_point, of_a_put_lies_in_its_family)
{
    enum sys_point p = sys_point_of_put(SYS_POINT_LAKE_HINT_BEFORE_WRITE, SYS_PUT_AFTER_SYNC_DIR);

    cr_assert_str_eq(sys_point_name(p), "lake.hint.after_sync_dir");
    p = sys_point_of_put(SYS_POINT_LAKE_COMMIT_BEFORE_WRITE, SYS_PUT_BEFORE_RENAME);
    cr_assert_str_eq(sys_point_name(p), "lake.commit.before_rename");
}

Test(sys_crash, refuses_what_is_no_order)
{
    static const char *const wrong[] = {"",
                                        ":1",
                                        "apply.before_write:",
                                        "apply.before_write:0",
                                        "x",
                                        "apply.before_write:-1",
                                        "apply.before_write:1x",
                                        "apply.before_write:99999999999"};
    struct sys *s = sys_new_sim(1);

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct err e;
        cr_assert_lt(sys_crash_at(s, wrong[i], &e), 0, "%s", wrong[i]);
        cr_assert_gt(strlen(e.text), 10);
    }
    sys_free(s);
}

#ifndef TEST_PLAIN
Test(sys_crash, kills_the_process_at_the_nth_time, .signal = SIGKILL)
{
    struct sys *s = sys_new_sim(1);
    cr_assert_eq(sys_crash_at(s, "apply.before_write:3", NULL), 0);

    sys_point(s, SYS_POINT_APPLY_BEFORE_WRITE);
    sys_point(s, SYS_POINT_APPLY_AFTER_WRITE);
    sys_point(s, SYS_POINT_APPLY_BEFORE_WRITE);
    sys_point(s, SYS_POINT_APPLY_BEFORE_WRITE);
}

Test(sys_crash, waits_for_the_nth_time)
{
    struct sys *s = sys_new_sim(1);
    cr_assert_eq(sys_crash_at(s, "apply.before_write:3", NULL), 0);

    sys_point(s, SYS_POINT_APPLY_BEFORE_WRITE);
    sys_point(s, SYS_POINT_APPLY_AFTER_WRITE);
    sys_point(s, SYS_POINT_APPLY_BEFORE_WRITE);

    sys_free(s);
}
#endif
