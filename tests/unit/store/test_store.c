/* SPDX-License-Identifier: Apache-2.0 */
/* The face: a store is opened again only while nobody is inside, and others go on afterwards. */
#include "test.h"

#include "store/store.h"
#include "store_priv.h"
#include "sys/sys.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct reader {
    struct store *store;
    _Atomic bool stop;
    _Atomic uint32_t reads, wrong;
};

/* By turns a plain read and one through a snapshot. */
static void read_all_the_time(void *arg)
{
    struct reader *r = arg;
    struct buf out = BUF_NULL;
    while (!atomic_load(&r->stop)) {
        bool viewed = atomic_load(&r->reads) % 2 == 1;
        struct store_snapshot *snap = viewed ? store_snapshot_new(r->store) : NULL;
        buf_reset(&out);
        int rc = store_get(r->store, snap, slice_str("key"), false, &out, NULL);
        store_snapshot_free(r->store, snap);
        atomic_fetch_add(&r->wrong, rc != STORE_FOUND || out.len != 5);
        atomic_fetch_add(&r->reads, 1);
    }
    buf_deinit(&out);
}

Test(store_reopen, waits_for_readers_and_lets_them_go_on)
{
    char path[] = "/tmp/store-test-XXXXXX";
    cr_assert_not_null(mkdtemp(path));
    struct store_options o = {path, 8 << 20, 8 << 20, NULL};
    struct sys *sys = NULL;
    struct reader r = {0};
    struct sys_thread *t = NULL;
    cr_assert_eq(sys_new_uring(&sys, NULL), 0);
    cr_assert_eq(store_open_rocksdb(&o, &r.store, NULL), 0);
    struct store_batch *b = store_batch_new(r.store);
    store_batch_put(b, slice_str("key"), slice_str("value"));
    cr_assert_eq(store_write(r.store, b, NULL), 0);
    cr_assert_eq(sys_thread_start(sys, "reader", read_all_the_time, &r, &t), 0);

    for (int i = 0; i < 10; i++) {
        uint32_t before = atomic_load(&r.reads);
        cr_assert_eq(store_reopen(r.store, NULL), 0);
        while (atomic_load(&r.reads) < before + 10)
            sys_sleep_ms(sys, 1);
    }

    atomic_store(&r.stop, true);
    sys_thread_join(t);
    cr_assert_eq(atomic_load(&r.wrong), 0);
    store_batch_free(b);
    store_close(r.store);
    sys_free(sys);
    char command[64];
    snprintf(command, sizeof(command), "rm -rf %s", path);
    cr_assert_eq(system(command), 0);
}

/* A store whose writes, flushes and reopenings end as the test says. */
struct scripted {
    struct store base;
    int write, flush, reopen;
};

static int scripted_write(struct store *s, struct store_batch *b, struct err *e)
{
    (void)b;
    return err_set(e, ((struct scripted *)s)->write, "on order");
}

static int scripted_flush(struct store *s, struct err *e)
{
    return err_set(e, ((struct scripted *)s)->flush, "on order");
}

static int scripted_reopen(struct store *s, struct err *e)
{
    return err_set(e, ((struct scripted *)s)->reopen, "on order");
}

static const struct store_ops scripted_ops = {
    .write = scripted_write,
    .flush = scripted_flush,
    .reopen = scripted_reopen,
};

/* S5: whoever asked for the flush, the one who can open the store again hears of it. */
Test(store_failure, of_any_write_or_flush_stays_until_it_is_open_again)
{
    struct scripted s = {.base.ops = &scripted_ops};
    struct store_batch b = {&scripted_ops};

    cr_assert_eq(store_flush(&s.base, NULL), 0);
    cr_assert_eq(store_failure(&s.base), 0);
    s.flush = ERR_NO_SPACE;
    s.write = ERR_IO;
    cr_assert_eq(store_flush(&s.base, NULL), ERR_NO_SPACE);
    cr_assert_eq(store_write(&s.base, &b, NULL), ERR_IO);

    cr_assert_eq(store_failure(&s.base), ERR_NO_SPACE);
    s.reopen = ERR_IO;
    cr_assert_eq(store_reopen(&s.base, NULL), ERR_IO);
    cr_assert_eq(store_failure(&s.base), ERR_NO_SPACE);
    s.reopen = 0;
    cr_assert_eq(store_reopen(&s.base, NULL), 0);
    cr_assert_eq(store_failure(&s.base), 0);
}
