/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A row straight into a column batch. A flat row goes from the wire into the cells, without values
 * in between: the same reading as the check (pb_priv.h), the next free cell of each column as its
 * output. A cell that comes again is written over; columns that did not come get a null at the end;
 * until then nothing counts, so a row that fails leaves the batch as it was.
 *
 * Thread: the batch's. Nested rows take 64 KiB of stack.
 */
#include "pb_priv.h"

#include "base/must.h"

#define BYTES_MAX ((size_t)INT32_MAX) /* of one column of a batch */

/* The bytes of entry @at, which is not counted yet; those of an earlier try go. */
FORCE_INLINE void put_bytes(struct row_vector *v, uint32_t at, struct slice bytes)
{
    v->bytes.len = v->offsets[at];
    must(bytes.len <= BYTES_MAX - v->bytes.len);
    buf_add_slice(&v->bytes, bytes);
    v->offsets[at + 1] = (uint32_t)v->bytes.len;
}

FORCE_INLINE void put_cell(struct row_vector *v, uint32_t at, const struct codec__field *f,
                           const struct row_value *value)
{
    int32_t i32;
    v->valid[at] = 1;
    if (f->op == CODEC__STRING || f->op == CODEC__BYTES) {
        put_bytes(v, at, value->bytes);
        return;
    }
    uint8_t *cell = v->fixed + (size_t)at * v->cell_bytes;
    switch (f->op) {
    case CODEC__DECIMAL: memcpy(cell, &value->decimal, sizeof(value->decimal)); return;
    case CODEC__DOUBLE: memcpy(cell, &value->f64, sizeof(value->f64)); return;
    case CODEC__FLOAT: memcpy(cell, &value->f32, sizeof(value->f32)); return;
    case CODEC__BOOL: *cell = value->boolean; return;
    default:
        if (v->cell_bytes == sizeof(value->i64)) {
            memcpy(cell, &value->i64, sizeof(value->i64));
            return;
        }
        i32 = (int32_t)value->i64; /* its range was checked */
        memcpy(cell, &i32, sizeof(i32));
    }
}

static void put_null(struct row_vector *v, uint32_t at)
{
    v->valid[at] = 0;
    v->null_count++;
    if (v->cell_bytes != 0)
        memset(v->fixed + (size_t)at * v->cell_bytes, 0, v->cell_bytes);
    else
        v->offsets[at + 1] = v->offsets[at];
}

/* The row is whole: it counts. @size: of its bytes on the wire, which is near enough. */
static void finish(const struct codec__message *m, const uint64_t *seen, size_t size,
                   struct row_batch *b)
{
    uint32_t at = b->row_count++;
    for (uint32_t i = 0; i < m->column_count; i++) {
        if (unlikely(!(seen[i / 64] >> i % 64 & 1)))
            put_null(&b->columns[i], at);
        b->columns[i].count = at + 1;
    }
    b->bytes_used += size + m->column_count * sizeof(uint64_t);
}

/* It does not count: bytes that it has left are cut off. */
static int forget(const struct codec__message *m, struct row_batch *b)
{
    for (uint32_t i = 0; i < m->column_count; i++)
        if (b->columns[i].cell_bytes == 0)
            b->columns[i].bytes.len = b->columns[i].offsets[b->row_count];
    return ERR_DAMAGED;
}

static int decode_flat(const struct codec__message *m, struct slice row, struct row_batch *b)
{
    uint64_t seen[CODEC__WORDS_MAX];
    uint32_t to = b->row_count;
    memset(seen, 0, m->words * sizeof(*seen));
    const uint8_t *at = row.data, *end = row.len == 0 ? at : at + row.len;
    const struct codec__field *next = m->fields;
    while (at < end) {
        const uint8_t *start = at;
        struct codec__tag tag = {NULL, next, next->tag};
        struct row_value v = {.null = false};
        int why;
        if (unlikely(!codec__guess_tag(next, start, end, &at))) {
            tag = codec__read_tag(m, start, end);
            at = tag.behind;
        }
        const struct codec__field *f = tag.field;
        if (unlikely(at == NULL || (f != NULL && f->tag != tag.value)))
            return forget(m, b);
        if (unlikely(f == NULL))
            at = codec__skip_unknown(at, end, tag.value, &why);
        else
            at = codec__get_value(&m->columns[f->column], f,
                                  (struct codec__from){at, end, end, f->op}, false, &v, &why);
        if (unlikely(at == NULL))
            return forget(m, b);
        if (unlikely(f == NULL))
            continue;
        next = f + 1;
        seen[f->column / 64] |= 1ull << f->column % 64;
        put_cell(&b->columns[f->column], to, f, &v);
    }
    if (unlikely(codec__missing(m, seen) >= 0))
        return forget(m, b);
    finish(m, seen, row.len, b);
    return 0;
}

static int decode_nested(const struct codec_plan *p, struct slice row, struct arena *arena,
                         struct row_batch *batch)
{
    struct row_value values[COLUMNS_MAX];
    arena_reset(arena);
    TRY(codec_decode(p, row, arena, values));
    row_batch_append(batch, values);
    return 0;
}

int codec_decode_into(const struct codec_plan *p, struct slice row, struct arena *arena,
                      struct row_batch *batch)
{
    if (unlikely(!p->is_flat))
        return decode_nested(p, row, arena, batch);
    must(batch->row_count < ROW_BATCH_ROWS_MAX);
    must_slow(batch->schema->column_count == p->root.column_count);
    if (unlikely(batch->row_count == batch->row_cap))
        row_batch_reserve(batch, batch->row_count + 1);
    return decode_flat(&p->root, row, batch);
}
