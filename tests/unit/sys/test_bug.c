/* SPDX-License-Identifier: Apache-2.0 */
/* Planted bugs: off by default, one by one, each with a promise. */
#include "sys/bug.h"
#include "sys/sys.h"

#include "test.h"

#include <string.h>

Test(sys_bug, is_off_until_it_is_switched_on)
{
    struct sys *s = sys_new_sim(1);

    for (unsigned i = 0; i < SYS_BUG_COUNT; i++)
        cr_assert_not(sys_bug(s, (enum sys_bug)i));
    sys_free(s);
}

#ifdef SLUICE_PLANTED_BUGS

Test(sys_bug, is_switched_on_and_off_alone)
{
    struct sys *s = sys_new_sim(1);

    sys_set_bug(s, SYS_BUG_NO_FENCE, true);

    for (unsigned i = 0; i < SYS_BUG_COUNT; i++)
        cr_assert_eq(sys_bug(s, (enum sys_bug)i), i == SYS_BUG_NO_FENCE);
    sys_set_bug(s, SYS_BUG_NO_FENCE, false);
    cr_assert_not(sys_bug(s, SYS_BUG_NO_FENCE));
    sys_free(s);
}

Test(sys_bug, is_there_for_each_promise)
{
    unsigned of[9] = {0};

    for (unsigned i = 0; i < SYS_BUG_COUNT; i++) {
        const char *promise = sys_bug_promise((enum sys_bug)i);
        cr_assert(promise[0] == 'I' && promise[1] >= '1' && promise[1] <= '8');
        of[promise[1] - '0']++;
        cr_assert_gt(strlen(sys_bug_name((enum sys_bug)i)), 3);
        cr_assert_gt(strlen(sys_bug_rule((enum sys_bug)i)), 10);
    }

    for (unsigned promise = 1; promise <= 8; promise++)
        cr_assert_gt(of[promise], 0);
    cr_assert_geq(SYS_BUG_COUNT, 14);
}

#endif
