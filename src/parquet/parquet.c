/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flat writer: one leaf per column of the schema, one row group per batch. A column that may
 * be null is optional; the batch's valid bytes are its definition levels as they are.
 */
#include "parquet_priv.h"

#include "base/bits.h"
#include "base/mem.h"
#include "base/must.h"

struct parquet_writer {
    struct parquet_file file;
    struct parquet_dense dense;
    struct row_schema *schema; /* shares */
};

struct parquet_writer *parquet_writer_new(struct row_schema *schema,
                                          const struct parquet_options *o, struct buf *out)
{
    must(schema->column_count > 0);
    struct parquet_writer *w = mem_zalloc(sizeof(*w));
    struct parquet_file *f = &w->file;
    w->schema = row_schema_ref(schema);
    parquet__file_init(f, o, schema->column_count, out);
    parquet__schema_group(&f->schema, "schema", PARQUET_SCHEMA_ROOT, schema->column_count,
                          CONV_NONE);
    f->schema_count = schema->column_count + 1;
    for (uint32_t i = 0; i < schema->column_count; i++) {
        const struct row_column *c = &schema->columns[i];
        struct parquet_leaf *leaf = &f->leaves[i];
        parquet__leaf_init(leaf, c->type, c->precision, c->scale);
        leaf->def_max = c->not_null ? 0 : 1;
        leaf->path[leaf->path_len++] = c->name;
        parquet__schema_leaf(&f->schema, leaf, c->name, c->not_null ? REP_REQUIRED : REP_OPTIONAL,
                             c->field_id);
    }
    return w;
}

struct parquet_writer *parquet_writer_free(struct parquet_writer *w)
{
    if (w == NULL)
        return NULL;
    parquet__file_deinit(&w->file);
    buf_deinit(&w->dense.fixed);
    buf_deinit(&w->dense.offsets);
    row_schema_unref(w->schema);
    mem_free(w);
    return NULL;
}

int parquet_write_batch(struct parquet_writer *w, const struct row_batch *batch, struct err *e)
{
    must(batch->row_count > 0);
    must(batch->schema->column_count == w->schema->column_count);
    for (uint32_t i = 0; i < w->schema->column_count; i++)
        if (w->schema->columns[i].not_null && batch->columns[i].null_count > 0)
            return err_set(e, ERR_INVALID, "column %s is NOT NULL and has a null",
                           w->schema->columns[i].name);
    TRY(parquet__file_group(&w->file, batch->row_count, e));
    for (uint32_t i = 0; i < w->schema->column_count; i++) {
        const struct parquet_leaf *leaf = &w->file.leaves[i];
        const struct row_vector *v = &batch->columns[i];
        struct parquet_data data = {
            .row_count = batch->row_count,
            .level_count = batch->row_count,
            .def = leaf->def_max > 0 ? v->valid : NULL,
        };
        must(v->type == leaf->type);
        parquet__leaf_values(leaf, v, batch->row_count, &w->dense, &data);
        TRY(parquet__chunk_write(&w->file, i, &data, e));
    }
    return 0;
}

int parquet_finish(struct parquet_writer *w, struct err *e)
{
    return parquet__footer_write(&w->file, e);
}

uint64_t parquet_row_count(const struct parquet_writer *w)
{
    return w->file.row_count;
}

static row_i128 decimal_load(struct slice be)
{
    unsigned __int128 v = be.data[0] & 0x80 ? ~(unsigned __int128)0 : 0;
    for (size_t i = 0; i < be.len; i++)
        v = v << 8 | be.data[i];
    return (row_i128)v;
}

static struct row_value value_of(const struct parquet_leaf *leaf, union parquet_bound b)
{
    struct row_value v = {.null = false};
    switch (leaf->physical) {
    case PHYS_BOOLEAN: v.boolean = b.i != 0; break;
    case PHYS_INT32:
    case PHYS_INT64:
        if (leaf->type == ROW_DECIMAL)
            v.decimal = b.i;
        else
            v.i64 = b.i;
        break;
    case PHYS_FLOAT: v.f32 = (float)b.d; break;
    case PHYS_DOUBLE: v.f64 = b.d; break;
    case PHYS_BYTE_ARRAY: v.bytes = b.s; break;
    case PHYS_FIXED: v.decimal = decimal_load(b.s); break;
    }
    return v;
}

void parquet_stats(const struct parquet_writer *w, uint32_t column, struct parquet_stats *ret_stats)
{
    must(w->file.finished);
    must(column < w->schema->column_count);
    const struct parquet_leaf *leaf = &w->file.leaves[column];
    const struct parquet_total *total = &w->file.totals[column];
    *ret_stats = (struct parquet_stats){
        .null_count = total->null_count,
        .has_range = total->range.has,
        .has_nan = total->range.has_nan,
    };
    if (!total->range.has)
        return;
    ret_stats->min = value_of(leaf, total->range.min);
    ret_stats->max = value_of(leaf, total->range.max);
}
