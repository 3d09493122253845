/* SPDX-License-Identifier: Apache-2.0 */
#include "store/model.h"
#include "store/store.h"

#include "test.h"

#include <stdio.h>

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

/* Writes 1, 2, 3 … to "n", each in a batch of its own; after 2 it is deleted for a moment. */
static struct store *with_batches(int count)
{
    struct store *s = store_open_model();
    put(s, "n", "0");
    cr_assert_eq(store_flush(s, NULL), 0);
    store_model_remember(s, true);
    for (int i = 1; i <= count; i++) {
        char number[12];
        (void)snprintf(number, sizeof(number), "%d", i);
        put(s, "n", number);
        if (i == 2)
            del(s, "n");
    }
    return s;
}

Test(store_model_crash, may_keep_the_first_batches_that_were_not_flushed)
{
    static const char *const values[] = {"0", "1", "2", NULL, "3", "4"};

    for (size_t keep = 0; keep <= 5; keep++) {
        struct store *s = with_batches(4);
        cr_assert_eq(store_model_unflushed(s), 5);

        store_model_crash_keep(s, keep);

        struct buf out = BUF_NULL;
        int r = store_get(s, NULL, slice_str("n"), false, &out, NULL);
        cr_assert_eq(r, values[keep] != NULL ? STORE_FOUND : STORE_ABSENT);
        if (values[keep] != NULL)
            cr_assert(slice_eq(buf_slice(&out), slice_str(values[keep])));
        buf_deinit(&out);
        cr_assert_eq(store_model_unflushed(s), 0);
        store_close(s);
    }
}

Test(store_model_crash, after_a_flush_has_nothing_to_choose)
{
    struct store *s = with_batches(4);
    cr_assert_eq(store_flush(s, NULL), 0);
    cr_assert_eq(store_model_unflushed(s), 0);

    store_model_crash_keep(s, 0);

    cr_assert(has(s, "n", "4"));
    store_close(s);
}

Test(store_model_fail, takes_nothing_until_it_is_reopened_at_what_was_flushed)
{
    struct store *s = with_batches(3);
    cr_assert_eq(store_flush(s, NULL), 0);
    struct store_batch *b = store_batch_new(s);
    store_batch_put(b, slice_str("n"), slice_str("unflushed"));
    cr_assert_eq(store_write(s, b, NULL), 0);

    store_model_fail(s, 1);
    cr_assert_eq(store_write(s, b, NULL), ERR_IO);
    cr_assert_eq(store_write(s, b, NULL), ERR_IO);
    cr_assert_eq(store_flush(s, NULL), ERR_IO);

    cr_assert_eq(store_reopen(s, NULL), 0);
    cr_assert(has(s, "n", "3"));
    cr_assert_eq(store_write(s, b, NULL), 0);
    cr_assert(has(s, "n", "unflushed"));
    b = store_batch_free(b);
    store_close(s);
}
