/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A schema, a batch and a file of one writer, for tests. */

#include "parquet/parquet.h"

#include "reader.h"

struct table {
    struct row_schema *schema;
    struct row_batch *batch;
    struct parquet_writer *writer;
    struct buf file;
    struct node footer; /* after table_finish() */
};

void table_init(struct table *t, const char *ddl, const struct parquet_options *o);
/* The batch becomes a row group and is empty again. */
void table_flush(struct table *t);
void table_finish(struct table *t);
void table_deinit(struct table *t);
/* ColumnMetaData. */
const struct node *table_meta(const struct table *t, int group, int column);
/* ColumnIndex or OffsetIndex of a chunk; false when there is none. The caller frees. */
bool table_column_index(const struct table *t, int group, int column, struct node *ret_index);
bool table_offset_index(const struct table *t, int group, int column, struct node *ret_index);

static inline void table_add_long(struct table *t, int64_t v)
{
    row_batch_append(t->batch, &(struct row_value){.i64 = v});
}

static inline void table_add_text(struct table *t, const char *text)
{
    struct row_value v = {.null = text == NULL};
    if (text != NULL)
        v.bytes = slice_str(text);
    row_batch_append(t->batch, &v);
}

static inline void table_add_double(struct table *t, double v)
{
    row_batch_append(t->batch, &(struct row_value){.f64 = v});
}
