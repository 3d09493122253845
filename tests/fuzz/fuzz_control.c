/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control records, one after the other, as recovery shows them to the catalog. A record is taken or
 * is damage, never more; stating a taken record again changes nothing and is taken; every table
 * that is in force is found by its name and has a plan.
 *
 * Input: parts, each one record.
 */
#include "fuzz.h"

#include "base/buf.h"
#include "base/mem.h"
#include "bronze/bronze.h"
#include "catalog/catalog.h"
#include "sys/sys.h"

#define RECORDS_MAX 64

static int show(struct catalog *c, struct slice record, bronze_pos pos)
{
    struct buf payload = BUF_NULL;
    put_le32(buf_reserve(&payload, 4), (uint32_t)record.len);
    payload.len = 4;
    buf_add_slice(&payload, record);
    struct bronze_frame f = {
        .first_pos = pos,
        .row_count = 1,
        .kind = BRONZE_CONTROL,
        .offset_count = 1,
        .payload = buf_slice(&payload),
    };
    int rc = catalog_on_control(c, &f);
    FUZZ_CHECK(rc == 0 || rc < 0);
    (void)catalog_dropped_table(&f);
    buf_deinit(&payload);
    return rc;
}

static void check_tables(struct catalog *c)
{
    struct catalog_table **tables;
    size_t n = catalog_tables(c, &tables);
    for (size_t i = 0; i < n; i++) {
        struct catalog_table *t = NULL;
        FUZZ_CHECK(catalog_table_by_name(c, tables[i]->name, &t, NULL) == 0 && t == tables[i]);
        FUZZ_CHECK(catalog_plan(c, t->id, 0) != NULL);
        catalog_table_unref(t);
        catalog_table_unref(tables[i]);
    }
    mem_free(tables);
    struct catalog_token **tokens;
    n = catalog_tokens(c, &tokens);
    for (size_t i = 0; i < n; i++)
        catalog_token_unref(tokens[i]);
    mem_free(tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = fuzz_in(data, size);
    struct sys *s = sys_new_sim(1);
    struct catalog *c = catalog_new(s);
    for (unsigned i = 1; i <= RECORDS_MAX && fuzz_left(&in) > 0; i++) {
        struct slice record = fuzz_part(&in);
        if (show(c, record, i) == 0)
            FUZZ_CHECK(show(c, record, i) == 0);
    }
    check_tables(c);
    catalog_free(c);
    sys_free(s);
    return 0;
}
