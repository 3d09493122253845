/* SPDX-License-Identifier: Apache-2.0 */
/* Names that outlive a build: what older builds wrote must be found by newer ones. */
#include "delta/delta.h"

#include "base/uuid.h"

#include "test.h"

#define UUID "01234567-89ab-4cde-8f01-23456789abcd"

static struct uuid a_uuid(void)
{
    struct uuid u;
    cr_assert(uuid_parse(UUID, &u));
    return u;
}

Test(delta_names, app_id_says_log_timeline_and_table)
{
    struct uuid log = a_uuid();
    char app_id[DELTA_NAME_MAX];

    delta_app_id(&log, 3, 17, app_id);

    cr_assert_str_eq(app_id, "sluice/0/" UUID "/3/17");
}

Test(delta_names, data_file_says_its_first_position)
{
    struct uuid unique = a_uuid();
    char name[DELTA_NAME_MAX];

    delta_data_name(42, &unique, name);

    cr_assert_str_eq(name, "sluice-00000000000000000042-" UUID ".zstd.parquet");
    cr_assert_eq(delta_data_name_pos(name), 42);
}

Test(delta_names, only_names_of_ours_have_a_position)
{
    cr_assert_eq(delta_data_name_pos("sluice-0000000000000000004x-" UUID ".zstd.parquet"), 0);
    cr_assert_eq(delta_data_name_pos("sluice-00000000000000000042-" UUID ".zstd.parque"), 0);
    cr_assert_eq(delta_data_name_pos("Sluice-00000000000000000042-" UUID ".zstd.parquet"), 0);
    cr_assert_eq(delta_data_name_pos(""), 0);
}
