/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a spill file.
 *
 *   add, add, … → block full → written                 to <name>.new
 *   finish: last block → header → sync → <name>.new becomes <name> → sync of the folder
 *
 * F1  A file has its final name only when every byte of it is on stable storage.
 * F2  After a failure nothing counts: the caller gives the writer up, and begins again later.
 */
#include "spill_priv.h"

#include "base/mem.h"
#include "base/must.h"
#include "bronze/frames.h"
#include "sys/bug.h"
#include "sys/point.h"
#include "sys/sys.h"

struct spill_writer {
    struct spill_folder d;
    struct spill_file f;
    char *path, *new_path;
    struct sys_file *file; /* NULL before the first block */
    struct buf buf;        /* the open block, its header's place in front */
    struct spill_block open;
};

/* Durable each time: who made it may not have come so far. */
static int make_folder(const struct spill_folder *d, struct err *e)
{
    _cleanup_(mem_freep) char *path = spill__path(d, NULL);
    sys_point(d->sys, SYS_POINT_SPILL_BEFORE_MKDIR);
    int r = sys_mkdir(d->sys, path, e);
    if (r < 0 && r != ERR_EXISTS)
        return r;
    TRY(sys_sync_dir(d->sys, d->data, e));
    sys_point(d->sys, SYS_POINT_SPILL_AFTER_MKDIR);
    return 0;
}

static void begin_block(struct spill_writer *w)
{
    w->open = (struct spill_block){
        .offset = w->f.bytes,
        .table_id = w->f.table_id,
        .number = w->f.block_count,
    };
    buf_reset(&w->buf);
    memset(buf_reserve(&w->buf, SPILL_BLOCK_HEADER_BYTES), 0, SPILL_BLOCK_HEADER_BYTES);
    w->buf.len = SPILL_BLOCK_HEADER_BYTES;
}

int spill_writer_new(const struct spill_folder *d, uint32_t table_id, bronze_pos from,
                     bronze_pos prev_last, struct spill_writer **ret_writer, struct err *e)
{
    TRY(make_folder(d, e));
    struct spill_writer *w = mem_zalloc(sizeof(*w));
    w->d = *d;
    w->f = (struct spill_file){
        .table_id = table_id,
        .from = from,
        .prev_last = prev_last,
        .bytes = SPILL_HEADER_BYTES,
    };
    begin_block(w);
    *ret_writer = w;
    return 0;
}

/* The first row names the file. */
static int create(struct spill_writer *w, struct err *e)
{
    spill__name(w->f.table_id, w->f.first_pos, w->f.name);
    w->path = spill__path(&w->d, w->f.name);
    w->new_path = mem_printf("%s.new", w->path);
    return sys_open(w->d.sys, w->new_path, SYS_WRITE | SYS_CREATE | SYS_TRUNCATE, &w->file, e);
}

static int write_block(struct spill_writer *w, struct err *e)
{
    struct spill_block *b = &w->open;
    if (b->frame_count == 0)
        return 0;
    sys_point(w->d.sys, SYS_POINT_SPILL_BEFORE_WRITE);
    if (w->file == NULL)
        TRY(create(w, e));
    b->frame_bytes = (uint32_t)(w->buf.len - SPILL_BLOCK_HEADER_BYTES);
    spill__block_seal(&w->d.log, b, w->buf.data);
    TRY(sys_write(w->file, w->buf.data, w->buf.len, b->offset, e));
    sys_point(w->d.sys, SYS_POINT_SPILL_AFTER_WRITE);
    w->f.bytes += w->buf.len;
    w->f.block_count++;
    begin_block(w);
    return 0;
}

int spill_writer_add(struct spill_writer *w, const struct bronze_frame *f, struct err *e)
{
    must(f->table_id == w->f.table_id && f->row_count > 0 && f->kind != BRONZE_CONTROL);
    must(f->first_pos > w->f.last_pos);
    struct spill_block *b = &w->open;
    bronze_pos last = f->first_pos + f->row_count - 1;
    if (w->f.first_pos == 0)
        w->f.first_pos = f->first_pos;
    if (b->frame_count == 0)
        b->first_pos = f->first_pos;
    bronze_frame_add(f, &w->buf);
    b->frame_count++;
    b->row_count += f->row_count;
    b->last_pos = w->f.last_pos = last;
    w->f.row_count += f->row_count;
    return w->buf.len >= SPILL_BLOCK_BYTES_TARGET ? write_block(w, e) : 0;
}

uint64_t spill_writer_bytes(const struct spill_writer *w)
{
    return w->f.row_count == 0 ? 0 : w->f.bytes + w->buf.len - SPILL_BLOCK_HEADER_BYTES;
}

/* F1 */
static int make_durable(struct spill_writer *w, struct err *e)
{
    struct sys *s = w->d.sys;
    uint8_t header[SPILL_HEADER_BYTES];
    spill__header_encode(&w->d, &w->f, sys_now_us(s), header);
    TRY(sys_write(w->file, header, sizeof(header), 0, e));
    sys_point(s, SYS_POINT_SPILL_BEFORE_SYNC);
    if (!sys_bug(s, SYS_BUG_SPILL_NOT_SYNCED))
        TRY(sys_sync(w->file, e));
    sys_point(s, SYS_POINT_SPILL_AFTER_SYNC);
    w->file = sys_close(w->file);
    sys_point(s, SYS_POINT_SPILL_BEFORE_RENAME);
    TRY(sys_rename(s, w->new_path, w->path, e));
    sys_point(s, SYS_POINT_SPILL_AFTER_RENAME);
    sys_point(s, SYS_POINT_SPILL_BEFORE_SYNC_DIR);
    TRY(spill_sync(&w->d, e));
    sys_point(s, SYS_POINT_SPILL_AFTER_SYNC_DIR);
    return 0;
}

int spill_writer_finish(struct spill_writer *w, bronze_pos to, struct spill_file *ret_file,
                        struct err *e)
{
    must(w->f.row_count > 0 && to >= w->f.last_pos);
    TRY(write_block(w, e));
    w->f.to = to;
    TRY(make_durable(w, e));
    *ret_file = w->f;
    return 0;
}

struct spill_writer *spill_writer_free(struct spill_writer *w)
{
    if (w == NULL)
        return NULL;
    if (w->file != NULL) { /* not finished */
        w->file = sys_close(w->file);
        (void)sys_unlink(w->d.sys, w->new_path, NULL); /* or the next start does it */
    }
    buf_deinit(&w->buf);
    mem_free(w->path);
    mem_free(w->new_path);
    mem_free(w);
    return NULL;
}
