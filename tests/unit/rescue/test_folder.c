/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

Test(rescue_folder, the_lake_is_noted_and_found_again)
{
    struct rig x;
    char *lake = NULL;
    rig_up(&x);

    cr_assert_eq(rescue_noted_lake(x.sys, x.data, &lake, &x.e), ERR_NOT_FOUND);
    cr_assert_eq(rescue_note_lake(x.sys, x.data, "/one lake", &x.e), 0);
    cr_assert_eq(rescue_note_lake(x.sys, x.data, "/other", &x.e), 0);

    cr_assert_eq(rescue_noted_lake(x.sys, x.data, &lake, &x.e), 0);
    cr_assert_str_eq(lake, "/other");
    mem_free(lake);
    rig_down(&x);
}

Test(rescue_folder, a_folder_goes_with_its_files_and_a_missing_one_is_fine)
{
    struct rig x;
    char path[128], command[512];
    bool exists = true;
    rig_up(&x);
    (void)snprintf(path, sizeof(path), "%s/f", x.path);
    (void)snprintf(command, sizeof(command), "mkdir %s; touch %s/a %s/000007.sst", path, path,
                   path);
    cr_assert_eq(system(command), 0);

    cr_assert_eq(rescue__remove_folder(x.sys, path, &x.e), 0, "%s", x.e.text);

    cr_assert_eq(sys_exists(x.sys, path, &exists, &x.e), 0);
    cr_assert_not(exists);
    cr_assert_eq(rescue__remove_folder(x.sys, path, &x.e), 0);
    rig_down(&x);
}
