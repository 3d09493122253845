/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader: footer → places of the chunks, and the face. The columns are read_schema.c's, the
 * pages read_chunk.c's, vectors assemble.c's.
 *
 * I1: every chunk lies within the file, in front of the footer, and has a value for each row of its
 *     row group at least; of columns that do not repeat, just as many.
 */
#include "parquet/read.h"

#include "base/bits.h"
#include "base/mem.h"
#include "base/must.h"

#include "read_priv.h"
#include "thrift_priv.h"

#include <zstd.h>

#define FOOTER_TAIL 8 /* length and magic */
#define MAGIC_BYTES 4

int parquet__read_damaged(struct err *e, uint64_t offset, const char *what)
{
    return err_set(e, ERR_DAMAGED, "the Parquet file is damaged at byte %llu: %s",
                   (unsigned long long)offset, what);
}

/* ---- row groups ---- */

static int64_t read_chunk_meta(struct parquet_in *in, struct parquet_chunk_at *c)
{
    enum { CM_CODEC = 4, CM_VALUES, CM_PACKED = 7, CM_DATA = 9, CM_DICT = 11 };
    int id = 0, type;
    int64_t codec = -1, data = -1, dict = -1;
    while (parquet__in_field(in, &id, &type)) {
        switch (id) {
        case CM_CODEC: codec = parquet__in_int(in, type); break;
        case CM_VALUES: c->value_count = (uint64_t)parquet__in_int(in, type); break;
        case CM_PACKED: c->bytes = (uint64_t)parquet__in_int(in, type); break;
        case CM_DATA: data = parquet__in_int(in, type); break;
        case CM_DICT: dict = parquet__in_int(in, type); break;
        default: parquet__in_skip(in, type);
        }
    }
    c->has_dict = dict >= 0;
    c->offset = (uint64_t)(c->has_dict ? dict : data);
    return codec;
}

static int64_t read_chunk_at(struct parquet_in *in, struct parquet_chunk_at *c)
{
    enum { CC_META = 3 };
    int id = 0, type;
    int64_t codec = -1;
    while (parquet__in_field(in, &id, &type)) {
        if (id == CC_META && type == THRIFT_STRUCT)
            codec = read_chunk_meta(in, c);
        else
            parquet__in_skip(in, type);
    }
    return codec;
}

static int read_group(struct parquet_reader *r, struct parquet_in *in, uint32_t group,
                      struct err *e)
{
    enum { RG_COLUMNS = 1, RG_ROWS = 3 };
    const uint32_t columns = r->source_count;
    struct parquet_chunk_at *chunks = r->chunks + (size_t)group * columns;
    int id = 0, type;
    int64_t rows = 0;
    while (parquet__in_field(in, &id, &type)) {
        if (id == RG_COLUMNS) {
            uint32_t count = parquet__in_list(in, type, THRIFT_STRUCT);
            in->bad |= count != columns;
            for (uint32_t i = 0; i < columns && !in->bad; i++)
                if (read_chunk_at(in, &chunks[i]) != PARQUET_CODEC_ZSTD && !in->bad)
                    return err_set(e, ERR_UNSUPPORTED, "the Parquet file is not packed with zstd");
        } else if (id == RG_ROWS) {
            rows = parquet__in_int(in, type);
        } else {
            parquet__in_skip(in, type);
        }
    }
    in->bad |= rows <= 0 || rows > ROW_BATCH_ROWS_MAX;
    for (uint32_t i = 0; i < columns && !in->bad; i++) {
        const struct parquet_chunk_at *c = &chunks[i];
        in->bad = c->value_count < (uint64_t)rows || c->value_count > PARQUET_LEVELS_MAX ||
                  c->bytes > r->file.len || c->offset > r->file.len - c->bytes ||
                  c->offset < MAGIC_BYTES; /* I1 */
    }
    r->group_rows[group] = in->bad ? 0 : (uint32_t)rows;
    return 0;
}

static int read_groups(struct parquet_reader *r, struct parquet_in *in, int type, struct err *e)
{
    uint32_t count = parquet__in_list(in, type, THRIFT_STRUCT);
    in->bad |= r->chunks != NULL || count > PARQUET_ROW_GROUPS_MAX;
    if (in->bad)
        return 0;
    r->group_rows = mem_calloc((size_t)count + 1, sizeof(*r->group_rows));
    r->chunks = mem_calloc((size_t)count * r->source_count + 1, sizeof(*r->chunks));
    r->group_count = count;
    for (uint32_t i = 0; i < count && !in->bad; i++)
        TRY(read_group(r, in, i, e));
    return 0;
}

/* ---- footer ---- */

static int read_fields(struct parquet_reader *r, struct parquet_in *in, struct err *e)
{
    enum { FM_SCHEMA = 2, FM_ROWS, FM_GROUPS };
    int id = 0, type;
    bool has_schema = false;
    while (parquet__in_field(in, &id, &type)) {
        if (id == FM_SCHEMA) {
            has_schema = true;
            TRY(parquet__schema_read(r, in, type, e));
        } else if (id == FM_ROWS) {
            r->row_count = (uint64_t)parquet__in_int(in, type);
        } else if (id == FM_GROUPS) {
            in->bad |= !has_schema;
            TRY(read_groups(r, in, type, e));
        } else {
            parquet__in_skip(in, type);
        }
    }
    uint64_t rows = 0;
    for (uint32_t i = 0; i < r->group_count; i++)
        rows += r->group_rows[i];
    in->bad |= !has_schema || rows != r->row_count || in->at != in->end;
    return 0;
}

static int read_footer(struct parquet_reader *r, struct err *e)
{
    struct slice f = r->file;
    if (f.len < MAGIC_BYTES + FOOTER_TAIL || memcmp(f.data, PARQUET_MAGIC, MAGIC_BYTES) != 0)
        return parquet__read_damaged(e, 0, "it does not begin as a Parquet file");
    const uint8_t *tail = f.data + f.len - FOOTER_TAIL;
    uint32_t len = get_le32(tail);
    if (memcmp(tail + 4, PARQUET_MAGIC, MAGIC_BYTES) != 0 ||
        len > f.len - MAGIC_BYTES - FOOTER_TAIL)
        return parquet__read_damaged(e, f.len - FOOTER_TAIL, "it does not end as a Parquet file");
    struct parquet_in in = {tail - len, tail, false};
    TRY(read_fields(r, &in, e));
    if (in.bad)
        return parquet__read_damaged(e, (uint64_t)(in.at - f.data), "the footer cannot be read");
    return 0;
}

/* ---- the face ---- */

int parquet_reader_new(struct row_schema *schema, struct slice file,
                       struct parquet_reader **ret_reader, struct err *e)
{
    struct parquet_reader *r = mem_zalloc(sizeof(*r));
    r->schema = row_schema_ref(schema);
    r->file = file;
    parquet__shape_init(&r->shape, schema);
    r->sources = mem_calloc(r->shape.leaf_count, sizeof(*r->sources));
    r->zstd = ZSTD_createDCtx();
    must(r->zstd != NULL);
    int rc = read_footer(r, e);
    if (rc < 0) {
        parquet_reader_free(r);
        return rc;
    }
    *ret_reader = r;
    return 0;
}

uint32_t parquet_reader_group_count(const struct parquet_reader *r)
{
    return r->group_count;
}

uint64_t parquet_reader_row_count(const struct parquet_reader *r)
{
    return r->row_count;
}

static size_t vector_bytes(const struct row_vector *v)
{
    size_t bytes = (size_t)v->count * (1 + (v->cell_bytes != 0 ? v->cell_bytes : 4)) + v->bytes.len;
    for (uint32_t i = 0; i < v->child_count; i++)
        bytes += vector_bytes(&v->children[i]);
    return bytes;
}

int parquet_reader_batch(struct parquet_reader *r, uint32_t group, struct row_batch *batch,
                         struct err *e)
{
    must(group < r->group_count && batch->schema->column_count == r->schema->column_count);
    row_batch_reset(batch);
    row_batch_reserve(batch, r->group_rows[group]);
    uint32_t leaf = 0;
    for (uint32_t i = 0; i < r->schema->column_count; i++) {
        const struct row_column *c = &r->schema->columns[i];
        int rc = parquet__column_read(r, group, c, leaf, &batch->columns[i], e);
        if (rc < 0) {
            row_batch_reset(batch);
            return err_wrap(e, "column %s", c->name);
        }
        batch->bytes_used += vector_bytes(&batch->columns[i]);
        leaf += row_leaf_count(c);
    }
    batch->row_count = r->group_rows[group];
    return 0;
}

struct parquet_reader *parquet_reader_free(struct parquet_reader *r)
{
    if (r == NULL)
        return NULL;
    ZSTD_freeDCtx(r->zstd);
    buf_deinit(&r->page);
    buf_deinit(&r->dict_page);
    buf_deinit(&r->cells);
    buf_deinit(&r->dict_cells);
    buf_deinit(&r->indexes);
    buf_deinit(&r->levels);
    buf_deinit(&r->def);
    buf_deinit(&r->rep);
    mem_free(r->group_rows);
    mem_free(r->chunks);
    mem_free(r->sources);
    parquet__shape_deinit(&r->shape);
    row_schema_unref(r->schema);
    mem_free(r);
    return NULL;
}
