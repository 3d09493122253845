/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include "base/bits.h"

static int rebuild(struct rig *x, struct rescue_store *r)
{
    *r = (struct rescue_store){.data = x->data, .lake = x->lake_path};
    return rescue_store(x->sys, r, &x->e);
}

/* A log that begins in the middle: some keys stand only in the lake, others in both. */
static void trimmed(struct rig *x)
{
    rig_up(x);
    rig_load(x, 400, 3000);
    rig_commit(x);
    rig_trim(x);
    rig_load(x, 20, 100);
    rig_close(x);
}

Test(rescue_store, a_whole_log_makes_all_of_it)
{
    struct rig x;
    struct rescue_store r;
    rig_up(&x);
    rig_load(&x, 120, 10);
    rig_close(&x);

    cr_assert_eq(rebuild(&x, &r), 0, "%s", x.e.text);

    cr_assert_eq(r.log_from, 1);
    cr_assert_eq(r.rows_lake, 0);
    cr_assert_geq(r.applied, x.last);
    rig_check_store(&x);
    rig_down(&x);
}

Test(rescue_store, what_was_trimmed_comes_from_the_lake)
{
    struct rig x;
    struct rescue_store r;
    trimmed(&x);

    cr_assert_eq(rebuild(&x, &r), 0, "%s", x.e.text);

    cr_assert_gt(r.log_from, 1);
    cr_assert_gt(r.rows_lake, 100);
    cr_assert_eq(r.tables, RIG_TABLES);
    rig_check_store(&x);
    rig_down(&x);
}

Test(rescue_store, the_watermark_is_the_txn_of_the_lake)
{
    struct rig x;
    struct rescue_store r;
    trimmed(&x);
    cr_assert_eq(rebuild(&x, &r), 0);

    char path[128];
    struct store *st;
    (void)snprintf(path, sizeof(path), "%s/store", x.data);
    struct store_options o = {.path = path};
    cr_assert_eq(store_open_rocksdb(&o, &st, &x.e), 0);
    uint8_t key[5] = {'w'};
    put_be32(key + 1, x.table_ids[0]);
    struct buf value = BUF_NULL;
    cr_assert_eq(store_get(st, NULL, slice_of(key, 5), false, &value, &x.e), STORE_FOUND);
    bronze_pos txn = get_le64(value.data);
    buf_deinit(&value);
    store_close(st);

    cr_assert_geq(txn + 1, r.log_from);
    cr_assert_lt(txn, x.last); /* what came later is not committed */
    rig_down(&x);
}

Test(rescue_store, the_old_one_is_replaced_and_leftovers_go)
{
    struct rig x;
    struct rescue_store r;
    trimmed(&x);
    char command[800];
    (void)snprintf(command, sizeof(command),
                   "mkdir %s/store %s/store.rebuild %s/store.damaged-7 && "
                   "touch %s/store/CURRENT %s/store.rebuild/CURRENT %s/store.damaged-7/000001.sst",
                   x.data, x.data, x.data, x.data, x.data, x.data);
    cr_assert_eq(system(command), 0);

    cr_assert_eq(rebuild(&x, &r), 0, "%s", x.e.text);

    struct sys_names names;
    unsigned stores = 0;
    cr_assert_eq(sys_list(x.sys, x.data, &names, &x.e), 0);
    for (size_t i = 0; i < names.count; i++)
        if (strncmp(names.names[i], "store", 5) == 0)
            stores += strcmp(names.names[i], "store.sums") != 0;
    sys_names_deinit(&names);
    cr_assert_eq(stores, 1);
    rig_check_store(&x);
    rig_down(&x);
}

Test(rescue_store, a_log_in_use_is_refused)
{
    struct rig x;
    struct rescue_store r;
    rig_up(&x);

    cr_assert_eq(rebuild(&x, &r), ERR_BUSY);

    rig_down(&x);
}

Test(rescue_store, one_whose_making_was_cut_short_is_not_there)
{
    struct rig x;
    bool there = true;
    char command[512];
    rig_up(&x);
    rig_close(&x);
    (void)snprintf(command, sizeof(command),
                   "mkdir %s/store; cd %s/store; touch LOCK IDENTITY MANIFEST-000001 000001.dbtmp",
                   x.data, x.data);
    cr_assert_eq(system(command), 0);

    int r = rescue_store_is_there(x.sys, x.data, &there, &x.e);

    cr_assert_eq(r, 0, "%s", x.e.text);
    cr_assert_not(there);
    rig_down(&x);
}

Test(rescue_store, is_there_when_it_has_a_current_file)
{
    struct rig x;
    bool there = true;
    char command[512];
    rig_up(&x);
    rig_close(&x);

    cr_assert_eq(rescue_store_is_there(x.sys, x.data, &there, &x.e), 0);
    cr_assert_not(there);
    (void)snprintf(command, sizeof(command), "mkdir %s/store; touch %s/store/000009.sst", x.data,
                   x.data);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(rescue_store_is_there(x.sys, x.data, &there, &x.e), ERR_DAMAGED);
    (void)snprintf(command, sizeof(command), "touch %s/store/CURRENT", x.data);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(rescue_store_is_there(x.sys, x.data, &there, &x.e), 0);
    cr_assert(there);
    rig_down(&x);
}
