/* SPDX-License-Identifier: Apache-2.0 */
/* See rig.h. */
#include "rig.h"

#include "base/bits.h"

void rig_up(struct rig *x)
{
    *x = (struct rig){.path = "/tmp/spill-test-XXXXXX"};
    cr_assert_not_null(mkdtemp(x->path));
    cr_assert_eq(sys_new_uring(&x->sys, &x->e), 0);
    x->d = (struct spill_folder){.sys = x->sys, .data = x->path, .timeline = 1};
    memset(x->d.log.bytes, 0x5a, sizeof(x->d.log.bytes));
}

void rig_down(struct rig *x)
{
    char command[128];
    buf_deinit(&x->payload);
    x->sys = sys_free(x->sys);
    (void)snprintf(command, sizeof(command), "rm -rf %s", x->path);
    cr_assert_eq(system(command), 0);
}

struct bronze_frame rig_frame(struct rig *x, uint32_t table, bronze_pos pos, uint32_t rows,
                              size_t len)
{
    buf_reset(&x->payload);
    for (uint32_t i = 0; i < rows; i++) {
        uint8_t *p = buf_reserve(&x->payload, 4 + len);
        put_le32(p, (uint32_t)len);
        memset(p + 4, (int)(pos + i), len);
        x->payload.len += 4 + len;
    }
    return (struct bronze_frame){
        .first_pos = pos,
        .row_count = rows,
        .table_id = table,
        .descriptor_id = 7,
        .kind = BRONZE_ROWS,
        .stream_id = 9,
        .first_offset = pos * 2,
        .offset_count = 1,
        .time_us = (int64_t)pos * 1000,
        .payload = buf_slice(&x->payload),
    };
}

struct spill_file rig_file(struct rig *x, uint32_t table, bronze_pos from, unsigned frames,
                           size_t len)
{
    struct spill_writer *w;
    struct spill_file f;
    cr_assert_eq(spill_writer_new(&x->d, table, from, x->prev, &w, &x->e), 0, "%s", x->e.text);
    for (unsigned i = 0; i < frames; i++) {
        struct bronze_frame frame = rig_frame(x, table, from + 10 * i, 3, len);
        cr_assert_eq(spill_writer_add(w, &frame, &x->e), 0, "%s", x->e.text);
    }
    cr_assert_eq(spill_writer_finish(w, from + 10 * frames, &f, &x->e), 0, "%s", x->e.text);
    spill_writer_free(w);
    return f;
}

void rig_flip(struct rig *x, const char *name, uint64_t offset)
{
    char *path = mem_printf("%s/spill/%s", x->path, name);
    struct sys_file *f;
    uint8_t byte;
    cr_assert_eq(sys_open(x->sys, path, SYS_WRITE, &f, &x->e), 0);
    cr_assert_eq(sys_read(f, &byte, 1, offset, &x->e), 0);
    byte ^= 4;
    cr_assert_eq(sys_write(f, &byte, 1, offset, &x->e), 0);
    (void)sys_close(f);
    mem_free(path);
}

uint64_t rig_rows_of(struct rig *x, const struct spill_file *f, int *ret_end)
{
    struct spill_reader *r = NULL;
    struct bronze_block b;
    struct bronze_frame frame;
    struct slice row;
    uint64_t rows = 0;
    int rc = spill_reader_open(&x->d, f, &r, &x->e);
    while (rc == 0 && (rc = spill_reader_next(r, &b, &x->e)) == 0)
        for (size_t at = 0; bronze_block_frame(&b, &at, &frame);)
            for (size_t k = 0; bronze_frame_row(&frame, &k, &row);)
                rows++;
    spill_reader_close(r);
    *ret_end = rc;
    return rows;
}
