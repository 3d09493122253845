/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a spill file, front to back: each block proves itself, continues the one before it, and
 * at the end the file is what its header said. Whatever is not so is damage, with file and offset.
 */
#include "spill_priv.h"

#include "base/mem.h"
#include "base/must.h"
#include "sys/bug.h"
#include "sys/sys.h"

#include <inttypes.h>

struct spill_reader {
    struct spill_folder d;
    struct spill_file f;
    struct sys_file *file;
    struct buf buf;
    uint64_t offset, last_offset; /* of the next block, and of the one that was read last */
    uint32_t number;
    uint64_t rows;
    bronze_pos last_pos;
};

static int damaged(const struct spill_reader *r, const char *what, struct err *e)
{
    return err_set(e, ERR_DAMAGED, "spill/%s at byte %" PRIu64 " is damaged: %s", r->f.name,
                   r->offset, what);
}

int spill_reader_open(const struct spill_folder *d, const struct spill_file *f,
                      struct spill_reader **ret_reader, struct err *e)
{
    if (f->damaged)
        return err_set(e, ERR_DAMAGED, "spill/%s is damaged: its header is not whole", f->name);
    struct spill_reader *r = mem_zalloc(sizeof(*r));
    r->d = *d;
    r->f = *f;
    r->offset = r->last_offset = SPILL_HEADER_BYTES;
    _cleanup_(mem_freep) char *path = spill__path(d, f->name);
    int rc = sys_open(d->sys, path, SYS_READ, &r->file, e);
    if (rc < 0) {
        (void)spill_reader_close(r);
        return rc;
    }
    *ret_reader = r;
    return 0;
}

struct spill_reader *spill_reader_close(struct spill_reader *r)
{
    if (r == NULL)
        return NULL;
    r->file = sys_close(r->file);
    buf_deinit(&r->buf);
    mem_free(r);
    return NULL;
}

uint64_t spill_reader_offset(const struct spill_reader *r)
{
    return r->last_offset;
}

/* Does it continue what was read? NULL = yes. */
static const char *follows(const struct spill_reader *r, const struct spill_block *b)
{
    if (b->table_id != r->f.table_id || b->number != r->number || b->offset != r->offset)
        return "a block stands in the wrong place";
    if (b->first_pos <= r->last_pos || b->last_pos > r->f.last_pos)
        return "a block's positions do not follow those before it";
    if (r->number == 0 && b->first_pos != r->f.first_pos)
        return "it does not begin with the row of its header";
    return NULL;
}

static int at_end(const struct spill_reader *r, struct err *e)
{
    if (r->number != r->f.block_count || r->rows != r->f.row_count || r->last_pos != r->f.last_pos)
        return damaged(r, "it does not hold as many rows as its header says", e);
    return SPILL_END;
}

static int read_bytes(struct spill_reader *r, uint64_t at, size_t len, struct err *e)
{
    uint8_t *p = buf_reserve(&r->buf, len);
    int rc = sys_read(r->file, p, len, at, e);
    if (rc == ERR_DAMAGED)
        return damaged(r, "it ends too early", e);
    TRY(rc);
    r->buf.len += len;
    return 0;
}

int spill_reader_next(struct spill_reader *r, struct bronze_block *ret_block, struct err *e)
{
    struct spill_block b;
    r->last_offset = r->offset;
    if (r->offset >= r->f.bytes)
        return at_end(r, e);
    buf_reset(&r->buf);
    TRY(read_bytes(r, r->offset, SPILL_BLOCK_HEADER_BYTES, e));
    const char *what = spill__block_decode(&r->d.log, r->buf.data, &b);
    if (what == NULL)
        what = follows(r, &b);
    if (what != NULL)
        return damaged(r, what, e);
    TRY(read_bytes(r, r->offset + SPILL_BLOCK_HEADER_BYTES, b.frame_bytes, e));
    what = spill__block_view(&r->d.log, &b, r->buf.data, ret_block);
    if (what != NULL)
        return damaged(r, what, e);
    r->offset += ret_block->bytes;
    r->number++;
    r->rows += b.row_count;
    r->last_pos = b.last_pos;
    return 0;
}
