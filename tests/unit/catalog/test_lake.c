/* SPDX-License-Identifier: Apache-2.0 */
/* The log's record of the lake, read back. */
#include "rig.h"

static struct catalog_lake_commit some_commit(uint32_t table, int64_t version)
{
    struct catalog_lake_commit k = {
        .table_id = table,
        .delta_version = version,
        .position = 100,
        .first_pos = 10,
        .last_pos = 90,
        .commit_size = 5,
        .data_size = 6,
        .row_count = 7,
        .data_file = "x.parquet",
        .checkpoint_size = 8,
        .hint_size = 9,
    };
    memset(k.commit_hash, 1, 16);
    memset(k.data_hash, 2, 16);
    memset(k.checkpoint_hash, 3, 16);
    memset(k.hint_hash, 4, 16);
    return k;
}

Test(catalog_lake, a_record_reads_back_as_it_was_written)
{
    struct rig x;
    rig_up(&x);
    struct catalog_lake_commit k = some_commit(4, 9), back;
    char name[CATALOG_FILE_NAME_MAX];
    cr_assert_eq(catalog_log_commit(x.c, &k), 0);

    struct rig_frames f = rig_controls(&x);
    size_t i = rig_find(&f, 0, SLUICE__CONTROL__RECORD__WHAT_LAKE_COMMITTED), at = 0;
    struct slice bytes;
    cr_assert(bronze_frame_row(&f.frames[i], &at, &bytes));
    cr_assert(catalog_lake_commit_of(bytes, name, &back));

    cr_assert_str_eq(back.data_file, "x.parquet");
    back.data_file = k.data_file;
    cr_assert(back.table_id == 4 && back.delta_version == 9 && back.position == 100);
    cr_assert(back.first_pos == 10 && back.last_pos == 90 && back.row_count == 7);
    cr_assert(back.commit_size == 5 && back.data_size == 6);
    cr_assert(back.checkpoint_size == 8 && back.hint_size == 9);
    cr_assert(back.commit_hash[15] == 1 && back.data_hash[0] == 2);
    cr_assert(back.checkpoint_hash[3] == 3 && back.hint_hash[8] == 4);
    rig_frames_free(&f);
    rig_down(&x);
}

Test(catalog_lake, other_records_are_told_apart)
{
    struct rig x;
    char name[CATALOG_FILE_NAME_MAX];
    struct catalog_lake_commit k;
    rig_up(&x);
    catalog_table_unref(rig_table(&x, "a.b.c"));

    struct rig_frames f = rig_controls(&x);
    size_t i = rig_find(&f, 0, SLUICE__CONTROL__RECORD__WHAT_TABLE_CREATED), at = 0;
    struct slice bytes;
    cr_assert(bronze_frame_row(&f.frames[i], &at, &bytes));

    cr_assert_not(catalog_lake_commit_of(bytes, name, &k));
    cr_assert_not(catalog_lake_commit_of(slice_str("\xff\xff"), name, &k));
    rig_frames_free(&f);
    rig_down(&x);
}

Test(catalog_lake, a_restart_knows_the_newest_version_of_each_table_in_the_log)
{
    struct rig x;
    rig_up(&x);
    const int64_t versions[] = {0, 1, 2};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct catalog_lake_commit k = some_commit(4, versions[i]);
        cr_assert_eq(catalog_log_commit(x.c, &k), 0);
    }

    rig_restart(&x);

    cr_assert_eq(catalog_lake_version(x.c, 4), 2);
    cr_assert_eq(catalog_lake_version(x.c, 5), -1);
    rig_down(&x);
}
