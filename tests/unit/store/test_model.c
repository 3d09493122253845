/* SPDX-License-Identifier: Apache-2.0 */
#include "store/model.h"
#include "store/store.h"

#include "test.h"

static void put(struct store *s, const char *key, const char *value)
{
    struct store_batch *b = store_batch_new(s);

    store_batch_put(b, slice_str(key), slice_str(value));
    cr_assert_eq(store_write(s, b, NULL), 0);
    store_batch_free(b);
}

static void del(struct store *s, const char *key)
{
    struct store_batch *b = store_batch_new(s);

    store_batch_delete(b, slice_str(key));
    cr_assert_eq(store_write(s, b, NULL), 0);
    store_batch_free(b);
}

static bool has(struct store *s, const char *key, const char *value)
{
    struct buf out = BUF_NULL;
    int r = store_get(s, NULL, slice_str(key), false, &out, NULL);
    bool same = r == STORE_FOUND && slice_eq(buf_slice(&out), slice_str(value));

    buf_deinit(&out);
    return same;
}

Test(store_model_crash, goes_back_to_the_last_flush)
{
    struct store *s = store_open_model();
    put(s, "a", "1");
    put(s, "gone", "1");
    put(s, "b", "1");
    del(s, "gone");
    cr_assert_eq(store_flush(s, NULL), 0);
    put(s, "a", "2");
    put(s, "a", "3");
    del(s, "b");
    put(s, "c", "1");

    store_model_crash(s);

    cr_assert(has(s, "a", "1"));
    cr_assert(has(s, "b", "1"));
    cr_assert_not(has(s, "c", "1"));
    cr_assert_not(has(s, "gone", "1"));
    put(s, "a", "4");
    cr_assert(has(s, "a", "4"));
    for (int i = 0; i < 10; i++)
        put(s, "d", "1");
    cr_assert(has(s, "a", "4"));
    cr_assert_not(has(s, "c", "1")); /* the numbers of lost writes are used again */
    store_close(s);
}

Test(store_model_crash, is_empty_when_nothing_was_flushed)
{
    struct store *s = store_open_model();
    put(s, "a", "1");

    store_model_crash(s);

    cr_assert_not(has(s, "a", "1"));
    store_close(s);
}
