/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file as a whole: where the next byte goes, row groups, and the totals over all of them.
 *
 *   PAR1 │ group 0: chunks │ group 1 … │ column indexes │ offset indexes │ footer │ PAR1
 *
 * I1: pos counts what was written, not what lies in out: the caller may take bytes away in between.
 */
#include "parquet_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <zstd.h>

#define ZSTD_LEVEL 1
#define PAGE_ROWS  20000u
#define PAGE_BYTES (1u << 20)

void parquet__file_init(struct parquet_file *f, const struct parquet_options *o,
                        const struct row_schema *schema, struct buf *out)
{
    *f = (struct parquet_file){.out = out};
    parquet__shape_init(&f->shape, schema);
    if (o != NULL)
        f->options = *o;
    if (f->options.zstd_level == 0)
        f->options.zstd_level = ZSTD_LEVEL;
    if (f->options.page_rows_max == 0)
        f->options.page_rows_max = PAGE_ROWS;
    if (f->options.page_bytes_max == 0)
        f->options.page_bytes_max = PAGE_BYTES;
    f->totals = mem_calloc(f->shape.leaf_count, sizeof(*f->totals));
    f->zstd = ZSTD_createCCtx();
    must(f->zstd != NULL);
    size_t r = ZSTD_CCtx_setParameter(f->zstd, ZSTD_c_compressionLevel, f->options.zstd_level);
    must(!ZSTD_isError(r));
    parquet__file_put(f, slice_str(PARQUET_MAGIC));
}

void parquet__file_deinit(struct parquet_file *f)
{
    for (uint32_t i = 0; i < f->shape.leaf_count; i++) {
        buf_deinit(&f->totals[i].min);
        buf_deinit(&f->totals[i].max);
    }
    for (uint32_t i = 0; i < f->group_count; i++)
        mem_free(f->groups[i].chunks);
    mem_free(f->groups);
    mem_free(f->totals);
    parquet__shape_deinit(&f->shape);
    ZSTD_freeCCtx(f->zstd);
    parquet__dict_deinit(&f->dict);
    buf_deinit(&f->bounds);
    buf_deinit(&f->column_indexes);
    buf_deinit(&f->offset_indexes);
    buf_deinit(&f->body);
    buf_deinit(&f->packed);
    buf_deinit(&f->header);
    buf_deinit(&f->pages);
}

void parquet__file_put(struct parquet_file *f, struct slice bytes)
{
    buf_add_slice(f->out, bytes);
    f->pos += bytes.len;
}

int parquet__file_group(struct parquet_file *f, uint32_t row_count, struct err *e)
{
    must(!f->finished);
    must(row_count > 0);
    if (f->group_count == PARQUET_ROW_GROUPS_MAX)
        return err_set(e, ERR_EXHAUSTED, "a Parquet file has at most %d row groups",
                       PARQUET_ROW_GROUPS_MAX);
    if (f->group_count == f->group_cap) {
        f->group_cap = f->group_cap == 0 ? 4 : f->group_cap * 2;
        f->groups = mem_realloc(f->groups, f->group_cap * sizeof(*f->groups));
    }
    struct parquet_rows *g = &f->groups[f->group_count++];
    g->row_count = row_count;
    g->chunks = mem_calloc(f->shape.leaf_count, sizeof(*g->chunks));
    f->row_count += row_count;
    return 0;
}
