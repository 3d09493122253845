/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include "test.h"

void table_init(struct table *t, const char *ddl, const struct parquet_options *o)
{
    *t = (struct table){0};
    cr_assert_eq(row_schema_parse(slice_str(ddl), NULL, 0, &t->schema, NULL), 0);
    t->batch = row_batch_new(t->schema);
    t->writer = parquet_writer_new(t->schema, o, &t->file);
}

void table_flush(struct table *t)
{
    cr_assert_eq(parquet_write_batch(t->writer, t->batch, NULL), 0);
    row_batch_reset(t->batch);
}

void table_finish(struct table *t)
{
    if (t->batch->row_count > 0)
        table_flush(t);
    cr_assert_eq(parquet_finish(t->writer, NULL), 0);
    file_parse(buf_slice(&t->file), &t->footer);
}

void table_deinit(struct table *t)
{
    node_free(&t->footer);
    parquet_writer_free(t->writer);
    row_batch_free(t->batch);
    row_schema_unref(t->schema);
    buf_deinit(&t->file);
}

const struct node *table_meta(const struct table *t, int group, int column)
{
    const struct node *n = node_at(&t->footer, 4, group, 1, column, 3, -1);
    cr_assert_not_null(n);
    return n;
}

static bool index_parse(const struct table *t, const struct node *chunk, int id,
                        struct node *ret_index)
{
    const struct node *at = node_at(chunk, id, -1);
    if (at == NULL)
        return false;
    size_t len = (size_t)INT_AT(chunk, id + 1);
    cr_assert_eq(node_parse(slice_of(t->file.data + at->i, len), ret_index), len);
    return true;
}

bool table_column_index(const struct table *t, int group, int column, struct node *ret_index)
{
    return index_parse(t, node_at(&t->footer, 4, group, 1, column, -1), 6, ret_index);
}

bool table_offset_index(const struct table *t, int group, int column, struct node *ret_index)
{
    return index_parse(t, node_at(&t->footer, 4, group, 1, column, -1), 4, ret_index);
}
