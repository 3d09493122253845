/* SPDX-License-Identifier: Apache-2.0 */
/* What a checkpoint leaves for the next one is believed only when it is whole and of this log. */
#include "lake.h"

#define STATE TABLE "/_delta_log/" DELTA_STATE_NAME

static void commit_many(struct delta_table *t, uint64_t from, uint64_t to)
{
    struct delta_commit c;
    for (uint64_t v = from; v <= to; v++) {
        struct delta_file f = lake_file(v, v);
        cr_assert_eq(lake_commit(t, &f, &c), 0);
    }
}

static bool has_200_files(struct lake *l)
{
    char *hint = lake_read(l, TABLE "/_delta_log/_last_checkpoint");
    bool has = hint && strstr(hint, "\"numOfAddFiles\":200}");
    mem_free(hint);
    return has;
}

static void replace(struct lake *l, const char *name, const char *text, size_t len)
{
    cr_assert_eq(objstore_put(l->store, name, slice_of(text, len), NULL), 0);
}

static char *state_of(struct lake *l, size_t *ret_len)
{
    struct buf b = BUF_NULL;
    cr_assert_eq(objstore_get(l->store, STATE, 1u << 20, &b, NULL), 0);
    *ret_len = b.len;
    char *text = mem_strndup(buf_cstr(&b), b.len);
    buf_deinit(&b);
    return text;
}

/* A flipped bit anywhere, a cut, or none at all: the log is read from version 0 then. */
Test(delta_state, state_that_is_not_whole_is_not_believed)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    commit_many(t, 1, 100);
    size_t len;
    char *text = state_of(&l, &len);
    cr_assert_eq(delta_state_check(l.store, TABLE, NULL), 0);

    for (size_t at = 0; at < len; at += len / 300 + 1) {
        text[at] ^= 4;
        replace(&l, STATE, text, len);
        cr_assert_eq(delta_state_check(l.store, TABLE, NULL), ERR_DAMAGED);
        text[at] ^= 4;
    }
    replace(&l, STATE, text, len / 2);
    cr_assert_eq(delta_state_check(l.store, TABLE, NULL), ERR_DAMAGED);
    commit_many(t, 101, 200);

    cr_assert(has_200_files(&l));
    cr_assert_eq(delta_state_check(l.store, TABLE, NULL), 0);
    mem_free(text);
    delta_close(t);
    lake_close(&l);
}

/* A lake that was rolled back and went on differently: the state is of a history that is not. */
Test(delta_state, state_of_another_history_is_not_believed)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    commit_many(t, 1, 100);
    char *name = lake_log_name(100);
    char *text = lake_read(&l, name);
    text[strlen(text) - 3] ^= 1; /* in the commit's add */
    replace(&l, name, text, strlen(text));
    text[strlen(text) - 3] ^= 1;

    cr_assert_eq(delta_state_check(l.store, TABLE, NULL), ERR_DAMAGED);
    replace(&l, name, text, strlen(text));
    cr_assert_eq(delta_state_check(l.store, TABLE, NULL), 0);
    mem_free(name);
    mem_free(text);
    delta_close(t);
    lake_close(&l);
}
