/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"
#include "test.h"

Test(parquet_file, bytes_may_be_taken_away_between_calls)
{
    struct table whole, parts;
    struct buf taken = BUF_NULL;
    table_init(&whole, "n bigint not null", NULL);
    table_init(&parts, "n bigint not null", NULL);

    for (int g = 0; g < 3; g++) {
        for (int64_t i = 0; i < 100; i++) {
            table_add_long(&whole, i * g);
            table_add_long(&parts, i * g);
        }
        table_flush(&whole);
        table_flush(&parts);
        buf_add_slice(&taken, buf_slice(&parts.file));
        buf_reset(&parts.file);
    }
    table_finish(&whole);
    cr_assert_eq(parquet_finish(parts.writer, NULL), 0);
    buf_add_slice(&taken, buf_slice(&parts.file));

    cr_assert(slice_eq(buf_slice(&taken), buf_slice(&whole.file)));
    buf_deinit(&taken);
    table_deinit(&whole);
    table_deinit(&parts);
}

Test(parquet_file, the_same_rows_are_the_same_bytes)
{
    struct table a, b;
    table_init(&a, "s string, d double", NULL);
    table_init(&b, "s string, d double", NULL);
    for (int i = 0; i < 500; i++) {
        struct row_value v[] = {{.bytes = slice_str(i % 3 ? "x" : "y")}, {.f64 = i}};
        row_batch_append(a.batch, v);
        row_batch_append(b.batch, v);
    }

    table_finish(&a);
    table_finish(&b);

    cr_assert(slice_eq(buf_slice(&a.file), buf_slice(&b.file)));
    table_deinit(&a);
    table_deinit(&b);
}

DeathTest(parquet_file, takes_nothing_after_the_footer)
{
    struct table t;
    table_init(&t, "n bigint not null", NULL);
    table_finish(&t);
    table_add_long(&t, 1);
    table_flush(&t);
}
