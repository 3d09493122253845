/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer: one row group per batch, one column chunk per leaf. A column is walked from its root
 * down to its leaves, levels growing on the way (levels.c); those of a flat column that may be null
 * are the batch's valid bytes as they are.
 */
#include "parquet_priv.h"

#include "base/mem.h"
#include "base/must.h"

/* Levels on the way down: three buffers for a type within a type. */
#define WAY_BUFS (3 * (ROW_DEPTH_MAX + 1))

struct parquet_writer {
    struct parquet_file file;
    struct parquet_dense dense;
    struct row_schema *schema; /* shares */
    uint64_t *null_counts;     /* one per leaf: of the outermost column that cannot be null twice */
    /* of the batch in work */
    uint32_t row_count, leaf;
    struct buf way[WAY_BUFS];
    uint32_t way_used;
};

struct parquet_writer *parquet_writer_new(struct row_schema *schema,
                                          const struct parquet_options *o, struct buf *out)
{
    struct parquet_writer *w = mem_zalloc(sizeof(*w));
    w->schema = row_schema_ref(schema);
    parquet__file_init(&w->file, o, schema, out);
    w->null_counts = mem_calloc(w->file.shape.leaf_count, sizeof(*w->null_counts));
    return w;
}

struct parquet_writer *parquet_writer_free(struct parquet_writer *w)
{
    if (w == NULL)
        return NULL;
    parquet__file_deinit(&w->file);
    buf_deinit(&w->dense.fixed);
    buf_deinit(&w->dense.offsets);
    for (uint32_t i = 0; i < WAY_BUFS; i++)
        buf_deinit(&w->way[i]);
    mem_free(w->null_counts);
    row_schema_unref(w->schema);
    mem_free(w);
    return NULL;
}

/* ---- nulls where none may be ---- */

static int check_nulls(const struct row_column *c, const struct row_vector *v,
                       uint32_t parent_nulls, struct buf *path, struct err *e);

static int check_fields(const struct row_column *c, const struct row_vector *v, struct buf *path,
                        struct err *e)
{
    size_t len = path->len;
    must(v->child_count == c->field_count);
    for (uint32_t i = 0; i < c->field_count; i++) {
        buf_add_byte(path, '.');
        TRY(check_nulls(&c->fields[i], &v->children[i], c->type == ROW_STRUCT ? v->null_count : 0,
                        path, e));
        path->len = len;
    }
    return 0;
}

/* The entries of a STRUCT's field that are null with it, @parent_nulls, are none of its own. */
static int check_nulls(const struct row_column *c, const struct row_vector *v,
                       uint32_t parent_nulls, struct buf *path, struct err *e)
{
    must(v->type == c->type);
    buf_add_str(path, c->name);
    if (c->not_null && v->null_count > parent_nulls)
        return err_set(e, ERR_INVALID, "column %s is NOT NULL and has a null", buf_cstr(path));
    return c->field_count > 0 ? check_fields(c, v, path, e) : 0;
}

/* ---- a column ---- */

static struct buf *way_buf(struct parquet_writer *w)
{
    must(w->way_used < WAY_BUFS);
    return &w->way[w->way_used++];
}

/* @v has @entries entries; @s are its levels. */
static int write_leaf(struct parquet_writer *w, const struct row_vector *v, uint32_t entries,
                      const struct parquet_slots *s, struct err *e)
{
    uint32_t index = w->leaf++;
    const struct parquet_leaf *leaf = &w->file.shape.leaves[index];
    must(leaf->type == v->type);
    must(leaf->def_max == s->def_max && leaf->rep_max == s->rep_max);
    struct parquet_data data = {
        .row_count = w->row_count, .level_count = s->count, .def = s->def, .rep = s->rep};
    parquet__leaf_values(leaf, v, entries, &w->dense, &data);
    return parquet__chunk_write(&w->file, index, &data, e);
}

static int write_column(struct parquet_writer *w, const struct row_column *c,
                        const struct row_vector *v, uint32_t entries, const struct parquet_slots *s,
                        struct err *e);

static int write_repeated(struct parquet_writer *w, const struct row_column *c,
                          const struct row_vector *v, uint32_t entries,
                          const struct parquet_slots *s, struct err *e)
{
    struct parquet_slots inner;
    struct buf *def = way_buf(w);
    struct buf *rep = way_buf(w);
    if (!parquet__slots_expand(s, v->offsets, def, rep, &inner))
        return err_set(e, ERR_EXHAUSTED, "column %s: more than %u entries in one row group",
                       c->name, PARQUET_LEVELS_MAX);
    uint32_t inner_entries = entries > 0 ? v->offsets[entries] : 0;
    for (uint32_t i = 0; i < c->field_count; i++)
        TRY(write_column(w, &c->fields[i], &v->children[i], inner_entries, &inner, e));
    return 0;
}

/* All leaves of the column, whose parent has the levels @s. */
static int write_column(struct parquet_writer *w, const struct row_column *c,
                        const struct row_vector *v, uint32_t entries, const struct parquet_slots *s,
                        struct err *e)
{
    struct parquet_slots own = *s;
    uint32_t way_used = w->way_used, first = w->leaf;
    if (!c->not_null)
        parquet__slots_own(s, v, way_buf(w), &own);
    if (c->type == ROW_STRUCT) {
        for (uint32_t i = 0; i < c->field_count; i++)
            TRY(write_column(w, &c->fields[i], &v->children[i], entries, &own, e));
    } else if (c->type == ROW_VARIANT) {
        TRY(write_leaf(w, &v->children[0], entries, &own, e));
        TRY(write_leaf(w, &v->children[1], entries, &own, e));
    } else if (row_type_is_flat(c->type)) {
        TRY(write_leaf(w, v, entries, &own, e));
    } else {
        TRY(write_repeated(w, c, v, entries, &own, e));
    }
    for (uint32_t i = first; s->rep_max == 0 && c->type != ROW_STRUCT && i < w->leaf; i++)
        w->null_counts[i] += v->null_count;
    w->way_used = way_used;
    return 0;
}

static int check_batch(const struct parquet_writer *w, const struct row_batch *batch, struct err *e)
{
    _cleanup_(buf_deinit) struct buf path = BUF_NULL;
    for (uint32_t i = 0; i < w->schema->column_count; i++) {
        buf_reset(&path);
        TRY(check_nulls(&w->schema->columns[i], &batch->columns[i], 0, &path, e));
    }
    return 0;
}

int parquet_write_batch(struct parquet_writer *w, const struct row_batch *batch, struct err *e)
{
    must(batch->row_count > 0);
    must(batch->schema->column_count == w->schema->column_count);
    TRY(check_batch(w, batch, e));
    TRY(parquet__file_group(&w->file, batch->row_count, e));
    const struct parquet_slots rows = {.count = batch->row_count};
    w->row_count = batch->row_count;
    w->leaf = w->way_used = 0;
    for (uint32_t i = 0; i < w->schema->column_count; i++)
        TRY(write_column(w, &w->schema->columns[i], &batch->columns[i], batch->row_count, &rows,
                         e));
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

void parquet_stats(const struct parquet_writer *w, uint32_t leaf_index,
                   struct parquet_stats *ret_stats)
{
    must(w->file.finished);
    must(leaf_index < w->file.shape.leaf_count);
    const struct parquet_leaf *leaf = &w->file.shape.leaves[leaf_index];
    const struct parquet_total *total = &w->file.totals[leaf_index];
    *ret_stats = (struct parquet_stats){
        .null_count = w->null_counts[leaf_index],
        .has_range = total->range.has,
        .has_nan = total->range.has_nan,
    };
    if (!total->range.has)
        return;
    ret_stats->min = value_of(leaf, total->range.min);
    ret_stats->max = value_of(leaf, total->range.max);
}
