/* SPDX-License-Identifier: Apache-2.0 */
/* Commit files of others: damaged, unknown, refused. */
#include "lake.h"

#define FOREIGN                                                                                    \
    "{\"commitInfo\":{\"inCommitTimestamp\":1760000009000,\"operation\":\"OPTIMIZE\"}}\n"

static bool contains(const char *text, const char *part)
{
    return text && strstr(text, part) != NULL;
}

static int reopen_with(const char *foreign)
{
    struct lake l;
    struct delta_table *t = lake_table(&l);
    t = delta_close(t);
    lake_foreign(&l, 1, foreign);
    int r = delta_open(l.sys, l.store, TABLE, &t, NULL);
    delta_close(t);
    lake_close(&l);
    return r;
}

Test(delta_open, what_does_not_read_is_damaged)
{
    cr_assert_eq(reopen_with(FOREIGN), 0);
    cr_assert_eq(reopen_with("{\"commitInfo\":{\"inCommitTi"), ERR_DAMAGED);
    cr_assert_eq(reopen_with(FOREIGN "nonsense\n"), ERR_DAMAGED);
    cr_assert_eq(reopen_with("[]\n"), ERR_DAMAGED);
    cr_assert_eq(reopen_with(""), ERR_DAMAGED);
}

Test(delta_open, another_writers_schema_or_protocol_is_refused)
{
    cr_assert_eq(reopen_with(FOREIGN "{\"metaData\":{\"id\":\"" TABLE_ID "\"}}"), ERR_UNSUPPORTED);
    cr_assert_eq(reopen_with(FOREIGN "{\"protocol\":{\"minReaderVersion\":3}}"), ERR_UNSUPPORTED);
}

Test(delta_open, unknown_features_are_refused_by_name)
{
    struct lake l;
    lake_open(&l, "id BIGINT");
    lake_foreign(&l, 0,
                 "{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":"
                 "[\"deletionVectors\"],\"writerFeatures\":[\"deletionVectors\"]}}\n"
                 "{\"metaData\":{\"id\":\"x\"}}\n");
    struct delta_table *t = NULL;
    struct err e;

    cr_assert_eq(delta_open(l.sys, l.store, TABLE, &t, &e), ERR_UNSUPPORTED);

    cr_assert(contains(e.text, "deletionVectors"));
    lake_close(&l);
}
