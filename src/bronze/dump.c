/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading segment files as they are, without opening the log: for `sluice bronze dump`. Each
 * segment is read to its first block that is not valid; no judgement is made (that is recovery's).
 */
#include "bronze_priv.h"

#include "base/mem.h"

static int dump_file(struct sys *s, const char *path, const char *name, bronze_dump_fn *fn,
                     void *ctx, struct err *e)
{
    _cleanup_(sys_closep) struct sys_file *f = NULL;
    TRY(sys_open(s, path, SYS_READ | SYS_DIRECT, &f, e));
    uint64_t bytes;
    TRY(sys_size(f, &bytes, e));
    struct segment_header h;
    uint8_t *head = mem_aligned(BLOCK_ALIGN, SEGMENT_HEADER_BYTES);
    int r = bytes < SEGMENT_HEADER_BYTES ? 1 : sys_read(f, head, SEGMENT_HEADER_BYTES, 0, e);
    bool used = r == 0 && bronze__segment_decode(head, &h);
    mem_free(head);
    TRY(r);
    if (!used)
        return 0;
    struct scan sc;
    bronze__scan_init(&sc, f, &h, bytes / BLOCK_ALIGN * BLOCK_ALIGN);
    struct bronze_block b;
    while ((r = bronze__scan_next(&sc, &b, e)) == 0) {
        r = fn(ctx, name, &b);
        if (r != 0)
            break;
    }
    bronze__scan_deinit(&sc);
    return r < 0 ? r : 0;
}

int bronze_dump(struct sys *s, const char *path, bronze_dump_fn *fn, void *ctx, struct err *e)
{
    char *folder = mem_printf("%s/log", path);
    struct sys_names names;
    int r = sys_list(s, folder, &names, e);
    if (r < 0) {
        mem_free(folder);
        return r;
    }
    for (size_t i = 0; r == 0 && i < names.count; i++) {
        char *file = mem_printf("%s/%s", folder, names.names[i]);
        r = dump_file(s, file, names.names[i], fn, ctx, e);
        mem_free(file);
    }
    sys_names_deinit(&names);
    mem_free(folder);
    return r;
}
