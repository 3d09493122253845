/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What spill files there are: names, headers, sizes. Whether their blocks are whole is seen when
 * they are read. A file that vanishes meanwhile (a server at work) is not there.
 */
#include "spill_priv.h"

#include "base/mem.h"
#include "sys/point.h"
#include "sys/sys.h"

#include <stdio.h>
#include <string.h>

#define NEW_SUFFIX ".spill.new"

static bool ends_with(const char *name, const char *ending)
{
    size_t len = strlen(name), end = strlen(ending);
    return len >= end && strcmp(name + len - end, ending) == 0;
}

static void tell(const struct spill_list *l, struct spill_file *f, const char *what)
{
    f->damaged = true;
    if (l->on_fault != NULL)
        l->on_fault(l->ctx, f, 0, what);
}

/* What is wrong with the header against the file itself. */
static const char *look_at(const struct spill_list *l, struct spill_file *f, const char *path,
                           int *ret_code, struct err *e)
{
    uint8_t header[SPILL_HEADER_BYTES];
    struct sys_file *file = NULL;
    struct spill_file said = *f;
    uint64_t size = 0;
    int r = sys_open(l->folder.sys, path, SYS_READ, &file, e);
    if (r == 0)
        r = sys_size(file, &size, e);
    if (r == 0 && size >= sizeof(header))
        r = sys_read(file, header, sizeof(header), 0, e);
    (void)sys_close(file);
    *ret_code = r;
    if (r < 0)
        return NULL;
    if (size < sizeof(header))
        return "it is shorter than its header";
    const char *what = spill__header_decode(&l->folder, header, &said);
    if (what != NULL)
        return what;
    if (said.table_id != f->table_id || said.first_pos != f->first_pos)
        return "its name is not that of what it holds";
    if (said.bytes != size)
        return "its size is not that of its header";
    *f = said;
    return NULL;
}

/* 1: it is there; 0: it is none of ours, or gone. */
static int take_name(const struct spill_list *l, const char *name, struct spill_file *f,
                     struct err *e)
{
    *f = (struct spill_file){0};
    _cleanup_(mem_freep) char *path = spill__path(&l->folder, name);
    if (l->clean && ends_with(name, NEW_SUFFIX))
        return sys_unlink(l->folder.sys, path, e);
    if (!spill__name_parse(name, &f->table_id, &f->first_pos))
        return 0;
    (void)snprintf(f->name, sizeof(f->name), "%s", name);
    int r;
    const char *what = look_at(l, f, path, &r, e);
    if (r == ERR_NOT_FOUND)
        return 0;
    if (r == ERR_EXHAUSTED || r == ERR_NO_MEMORY)
        return r;
    if (r < 0)
        what = "it cannot be read";
    if (what != NULL)
        tell(l, f, what);
    return 1;
}

int spill_list(const struct spill_list *l, struct spill_file **ret_files, size_t *ret_count,
               struct err *e)
{
    _cleanup_(mem_freep) char *path = spill__path(&l->folder, NULL);
    _cleanup_(sys_names_deinit) struct sys_names names = {0};
    bool there = false;
    *ret_files = NULL;
    *ret_count = 0;
    TRY(sys_exists(l->folder.sys, path, &there, e));
    if (!there)
        return 0;
    if (l->clean) { /* a life that was killed may have named a file and not come further */
        TRY(spill_sync(&l->folder, e));
        TRY(sys_sync_dir(l->folder.sys, l->folder.data, e));
    }
    TRY(sys_list(l->folder.sys, path, &names, e));
    struct spill_file *files = mem_calloc(names.count + 1, sizeof(*files));
    size_t count = 0;
    for (size_t i = 0; i < names.count; i++) {
        int r = take_name(l, names.names[i], &files[count], e);
        if (r < 0) {
            mem_free(files);
            return r;
        }
        count += r > 0;
    }
    *ret_files = files;
    *ret_count = count;
    return 0;
}

int spill_remove(const struct spill_folder *d, const struct spill_file *f, struct err *e)
{
    _cleanup_(mem_freep) char *path = spill__path(d, f->name);
    sys_point(d->sys, SYS_POINT_SPILL_BEFORE_REMOVE);
    int r = sys_unlink(d->sys, path, e);
    sys_point(d->sys, SYS_POINT_SPILL_AFTER_REMOVE);
    return r == ERR_NOT_FOUND ? 0 : r;
}

int spill_sync(const struct spill_folder *d, struct err *e)
{
    _cleanup_(mem_freep) char *path = spill__path(d, NULL);
    return sys_sync_dir(d->sys, path, e);
}

bronze_pos spill_missing(const struct spill_file *files, size_t count, bronze_pos committed,
                         bronze_pos marked)
{
    bronze_pos known = 0; /* the last row of the files so far */
    for (size_t i = 0; i < count; i++) {
        const struct spill_file *f = &files[i];
        if (f->damaged)
            return 0; /* that is told already, and nobody can say what it held */
        if (f->prev_last > committed && f->prev_last > known)
            return f->prev_last;
        known = MAX(known, f->last_pos);
    }
    return marked > committed && marked > known ? marked : 0;
}
