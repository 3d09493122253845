/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator's files. Writes change the live bytes and note where; a sync copies that part to
 * the synced bytes; a DSYNC write goes into both at once, and nothing else of the file does.
 * Any thread; each call takes the simulator's mutex.
 */
#include "sim_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <errno.h>
#include <string.h>

#define FILE_BYTES_MAX (UINT64_C(1) << 32) /* memory, not a disk */

static struct sim *sim_of(const struct sys_file *f)
{
    return (struct sim *)f->sys;
}

static bool is_dead(const struct sim_file *f)
{
    return f->life != sim_of(&f->base)->life;
}

/* ---- opening ---- */

/* 0 or an errno value; the node may be new. */
static int find_or_create(struct sim *s, const char *path, unsigned flags,
                          struct sim_node **ret_node)
{
    char name[SIM_NAME_BYTES_MAX + 1];
    struct sim_node *folder;
    int errnum = sys__sim_find_parent(s, path, &folder, name);

    if (errnum != 0)
        return errnum;
    struct sim_node *n = name[0] == '\0' ? folder : sys__sim_folder_find(&folder->names, name);
    if (n != NULL && (flags & SYS_EXCLUSIVE) != 0)
        return EEXIST;
    if (n != NULL && n->is_folder)
        return EISDIR;
    if (n == NULL && (flags & SYS_CREATE) == 0)
        return ENOENT;
    if (n == NULL) {
        n = sys__sim_node_new(s, false);
        n->modified_ns = s->now_ns;
        sys__sim_folder_set(&folder->names, name, n);
    }
    *ret_node = n;
    return 0;
}

static void mark_dirty(struct sim_node *n, size_t from, size_t to)
{
    bool is_clean = n->dirty_from == n->dirty_to;

    n->dirty_from = is_clean ? from : MIN(n->dirty_from, from);
    n->dirty_to = is_clean ? to : MAX(n->dirty_to, to);
}

static void set_length(struct sim_node *n, size_t len)
{
    mark_dirty(n, MIN(n->live.len, len), MAX(n->live.len, len));
    sys__sim_bytes_resize(&n->live, len);
}

int sys__sim_open(struct sys *base, const char *path, unsigned flags, struct sys_file **ret_file,
                  struct err *e)
{
    struct sim *s = (struct sim *)base;
    struct sim_node *n = NULL;

    sys_mutex_lock(&s->lock);
    int errnum = find_or_create(s, path, flags, &n);
    if (errnum == 0) {
        struct sim_file *f = mem_zalloc(sizeof(*f));
        f->base = (struct sys_file){base, mem_strdup(path), flags};
        f->node = n;
        f->life = s->life;
        f->refs = 1;
        n->refs++;
        s->open_files++;
        if ((flags & SYS_TRUNCATE) != 0)
            set_length(n, 0);
        *ret_file = &f->base;
    }
    sys_mutex_unlock(&s->lock);
    return errnum != 0 ? sys__fail(e, errnum, path, "open it") : 0;
}

void sys__sim_file_unref(struct sim_file *f)
{
    must(f->refs > 0);
    if (--f->refs > 0)
        return;
    if (f->node->lock == f)
        f->node->lock = NULL;
    sim_of(&f->base)->open_files--;
    sys__sim_node_unref(f->node);
    mem_free(f->base.path);
    mem_free(f);
}

void sys__sim_close(struct sys_file *f)
{
    struct sim *s = sim_of(f);

    sys_mutex_lock(&s->lock);
    sys__sim_file_unref((struct sim_file *)f);
    sys_mutex_unlock(&s->lock);
}

/* ---- bytes ---- */

int sys__sim_read_some(struct sys_file *base, void *buf, size_t len, uint64_t offset,
                       size_t *ret_len, struct err *e)
{
    struct sim_file *f = (struct sim_file *)base;
    struct sim *s = sim_of(base);

    sys_mutex_lock(&s->lock);
    const struct sim_bytes *live = &f->node->live;
    bool dead = is_dead(f);
    size_t n = offset >= live->len ? 0 : MIN(len, live->len - (size_t)offset);
    if (n > 0 && !dead)
        memcpy(buf, live->data + offset, n);
    sys_mutex_unlock(&s->lock);
    if (dead)
        return sys__fail(e, EIO, base->path, "read it");
    *ret_len = n;
    return 0;
}

int sys__sim_apply(struct sim_file *f, const void *buf, size_t len, uint64_t offset,
                   bool is_durable)
{
    struct sim_node *n = f->node;

    if (is_dead(f))
        return EIO;
    if ((f->base.flags & SYS_APPEND) != 0)
        offset = n->live.len;
    if (offset > FILE_BYTES_MAX || len > FILE_BYTES_MAX - offset)
        return EFBIG;
    if (len == 0)
        return 0;
    n->modified_ns = sim_of(&f->base)->now_ns;
    size_t from = (size_t)offset, to = from + len;
    if (to > n->live.len)
        set_length(n, to);
    memcpy(n->live.data + from, buf, len);
    if (!is_durable) {
        mark_dirty(n, from, to);
        return 0;
    }
    if (to > n->synced.len)
        sys__sim_bytes_resize(&n->synced, to);
    memcpy(n->synced.data + from, buf, len);
    return 0;
}

int sys__sim_write(struct sys_file *base, const void *buf, size_t len, uint64_t offset,
                   struct err *e)
{
    struct sim *s = sim_of(base);

    sys_mutex_lock(&s->lock);
    int errnum =
        sys__sim_apply((struct sim_file *)base, buf, len, offset, (base->flags & SYS_DSYNC) != 0);
    sys_mutex_unlock(&s->lock);
    return errnum != 0 ? sys__fail(e, errnum, base->path, "write it") : 0;
}

int sys__sim_sync(struct sys_file *base, struct err *e)
{
    struct sim_file *f = (struct sim_file *)base;
    struct sim *s = sim_of(base);

    sys_mutex_lock(&s->lock);
    struct sim_node *n = f->node;
    bool dead = is_dead(f);
    if (!dead) {
        sys__sim_bytes_resize(&n->synced, n->live.len);
        size_t to = MIN(n->dirty_to, n->live.len);
        if (n->dirty_from < to)
            memcpy(n->synced.data + n->dirty_from, n->live.data + n->dirty_from,
                   to - n->dirty_from);
        n->dirty_from = n->dirty_to = 0;
    }
    sys_mutex_unlock(&s->lock);
    return dead ? sys__fail(e, EIO, base->path, "sync it") : 0;
}

int sys__sim_size(struct sys_file *base, uint64_t *ret_size, struct err *e)
{
    struct sim_file *f = (struct sim_file *)base;
    struct sim *s = sim_of(base);

    sys_mutex_lock(&s->lock);
    bool dead = is_dead(f);
    uint64_t size = f->node->live.len;
    sys_mutex_unlock(&s->lock);
    if (dead)
        return sys__fail(e, EIO, base->path, "read its size");
    *ret_size = size;
    return 0;
}

static int resize(struct sys_file *base, uint64_t size, bool may_shrink, struct err *e)
{
    struct sim_file *f = (struct sim_file *)base;
    struct sim *s = sim_of(base);
    int errnum = 0;

    sys_mutex_lock(&s->lock);
    if (is_dead(f))
        errnum = EIO;
    else if (size > FILE_BYTES_MAX)
        errnum = EFBIG;
    else if (size > f->node->live.len || may_shrink)
        set_length(f->node, (size_t)size);
    sys_mutex_unlock(&s->lock);
    return errnum != 0 ? sys__fail(e, errnum, base->path, "set its length") : 0;
}

int sys__sim_allocate(struct sys_file *f, uint64_t size, struct err *e)
{
    return resize(f, size, false, e);
}

int sys__sim_truncate(struct sys_file *f, uint64_t size, struct err *e)
{
    return resize(f, size, true, e);
}

int sys__sim_try_lock(struct sys_file *base, struct err *e)
{
    struct sim_file *f = (struct sim_file *)base;
    struct sim *s = sim_of(base);

    sys_mutex_lock(&s->lock);
    bool dead = is_dead(f), busy = f->node->lock != NULL && f->node->lock != f;
    if (!dead && !busy)
        f->node->lock = f;
    sys_mutex_unlock(&s->lock);
    if (dead)
        return sys__fail(e, EIO, base->path, "lock it");
    return busy ? ERR_BUSY : 0;
}
