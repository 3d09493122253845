/* SPDX-License-Identifier: Apache-2.0 */
/* The text of version 0; of commits: test_commit.c. */
#include "lake.h"

static bool contains(const char *text, const char *part)
{
    return text && strstr(text, part) != NULL;
}

Test(delta_create, version_zero_says_protocol_and_schema)
{
    struct lake l;
    lake_open(&l, "id BIGINT NOT NULL, name STRING");

    cr_assert_eq(lake_create(&l, TABLE_ID), 0);

    char *text = lake_log(&l, 0);
    cr_assert(text &&
              strncmp(text, "{\"commitInfo\":{\"inCommitTimestamp\":1760000000000,", 49) == 0);
    cr_assert(contains(text, "\"minReaderVersion\":1,\"minWriterVersion\":7,\"writerFeatures\":"
                             "[\"appendOnly\",\"invariants\",\"inCommitTimestamp\"]"));
    cr_assert(contains(text, "\"delta.enableInCommitTimestamps\":\"true\""));
    cr_assert(contains(text, "\"id\":\"" TABLE_ID "\",\"name\":\"main.farm.quotes\""));
    cr_assert(
        contains(text, "\\\"name\\\":\\\"id\\\",\\\"type\\\":\\\"long\\\",\\\"nullable\\\":false"));
    cr_assert_not(contains(text, "readerFeatures"));
    mem_free(text);
    lake_close(&l);
}

Test(delta_create, timestamp_without_zone_asks_for_reader_3)
{
    struct lake l;
    lake_open(&l, "at TIMESTAMP_NTZ");

    cr_assert_eq(lake_create(&l, TABLE_ID), 0);

    char *text = lake_log(&l, 0);
    cr_assert(contains(text, "\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":"
                             "[\"timestampNtz\"],\"writerFeatures\":[\"appendOnly\",\"invariants\","
                             "\"inCommitTimestamp\",\"timestampNtz\"]"));
    struct delta_table *t = NULL;
    cr_assert_eq(delta_open(l.sys, l.store, TABLE, &t, NULL), 0);
    delta_close(t);
    mem_free(text);
    lake_close(&l);
}
