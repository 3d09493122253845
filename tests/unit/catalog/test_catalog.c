/* SPDX-License-Identifier: Apache-2.0 */
/* The catalog's life as a whole. */
#include "rig.h"

Test(catalog_life, empty_log_gives_an_empty_catalog)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table **tables;
    struct catalog_token **tokens;

    cr_assert_eq(catalog_tables(x.c, &tables), 0);
    cr_assert_eq(catalog_tokens(x.c, &tokens), 0);
    cr_assert_eq(catalog_snapshot_pos(x.c), 0);

    mem_free(tables);
    mem_free(tokens);
    rig_down(&x);
}

Test(catalog_life, ids_are_not_given_twice_over_restarts)
{
    struct rig x;
    rig_up(&x);
    struct catalog_table *t = rig_table(&x, "a.b.c");
    uint32_t id = t->id;
    catalog_table_unref(t);
    cr_assert_eq(catalog_drop_table(x.c, "a.b.c", &x.e), 0);

    rig_restart(&x);

    t = rig_table(&x, "a.b.d");
    cr_assert_gt(t->id, id);
    catalog_table_unref(t);
    rig_down(&x);
}

Test(catalog_life, lake_commit_is_logged_with_all_its_fields)
{
    struct rig x;
    rig_up(&x);
    struct catalog_lake_commit k = {.table_id = 4,
                                    .delta_version = 9,
                                    .position = 100,
                                    .first_pos = 10,
                                    .last_pos = 90,
                                    .commit_size = 5,
                                    .data_size = 6,
                                    .row_count = 7,
                                    .data_file = "x.parquet"};
    memset(k.commit_hash, 1, sizeof(k.commit_hash));
    memset(k.data_hash, 2, sizeof(k.data_hash));

    cr_assert_eq(catalog_log_commit(x.c, &k), 0);

    struct rig_frames f = rig_controls(&x);
    size_t at = rig_find(&f, 0, SLUICE__CONTROL__RECORD__WHAT_LAKE_COMMITTED);
    record *r = catalog__record_of(&f.frames[at]);
    const Sluice__Control__LakeCommitted *m = r->lake_committed;
    cr_assert(m->table_id == 4 && m->delta_version == 9 && m->position == 100);
    cr_assert(m->first_position == 10 && m->last_position == 90 && m->row_count == 7);
    cr_assert(m->commit_size == 5 && m->data_size == 6);
    cr_assert(m->commit_hash.len == 16 && m->commit_hash.data[15] == 1);
    cr_assert(m->data_hash.len == 16 && m->data_hash.data[0] == 2);
    cr_assert_str_eq(m->data_file, "x.parquet");
    catalog__record_free(r);
    rig_frames_free(&f);
    rig_down(&x);
}
