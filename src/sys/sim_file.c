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
    if (n == NULL && !sys__sim_has_space(s, 0))
        return ENOSPC;
    if (n == NULL) {
        n = sys__sim_node_new(s, false);
        n->modified_ns = s->now_ns;
        sys__sim_folder_set(&folder->names, name, n);
    }
    *ret_node = n;
    return 0;
}

void sys__sim_mark_dirty(struct sim_node *n, size_t from, size_t to)
{
    bool is_clean = n->dirty_from == n->dirty_to;

    n->dirty_from = is_clean ? from : MIN(n->dirty_from, from);
    n->dirty_to = is_clean ? to : MAX(n->dirty_to, to);
}

static int set_length(struct sim *s, struct sim_node *n, size_t len)
{
    if (len > n->live.len && !sys__sim_has_space(s, len - n->live.len))
        return ENOSPC;
    sys__sim_mark_dirty(n, MIN(n->live.len, len), MAX(n->live.len, len));
    sys__sim_bytes_resize(&n->live, len);
    return 0;
}

static void add_file(struct sim *s, struct sim_file *f)
{
    s->open_files++;
    f->next = s->files;
    f->link = &s->files;
    if (s->files != NULL)
        s->files->link = &f->next;
    s->files = f;
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
        add_file(s, f);
        if ((flags & SYS_TRUNCATE) != 0)
            errnum = set_length(s, n, 0); /* shorter: it cannot fail */
        *ret_file = &f->base;
    }
    sys_mutex_unlock(&s->lock);
    return errnum != 0 ? sys__fail(e, errnum, path, "open it") : 0;
}

void sys__sim_file_unlock(struct sim_file *f)
{
    if (f->node != NULL && f->node->lock == f)
        f->node->lock = NULL;
}

void sys__sim_file_unref(struct sim_file *f)
{
    must(f->refs > 0);
    if (--f->refs > 0)
        return;
    sys__sim_file_unlock(f);
    sim_of(&f->base)->open_files--;
    *f->link = f->next;
    if (f->next != NULL)
        f->next->link = f->link;
    if (f->node != NULL)
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
    bool dead = is_dead(f);
    size_t end = dead ? 0 : f->node->live.len;
    size_t n = offset >= end ? 0 : MIN(len, end - (size_t)offset);
    if (n > 0)
        memcpy(buf, f->node->live.data + offset, n);
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
    int errnum = to > n->live.len ? set_length(sim_of(&f->base), n, to) : 0;
    if (errnum != 0)
        return errnum;
    memcpy(n->live.data + from, buf, len);
    if (is_durable)
        sys__sim_put_synced(n, buf, len, from);
    else
        sys__sim_mark_dirty(n, from, to);
    return 0;
}

void sys__sim_put_synced(struct sim_node *n, const void *buf, size_t len, size_t offset)
{
    if (offset + len > n->synced.len)
        sys__sim_bytes_resize(&n->synced, offset + len);
    memcpy(n->synced.data + offset, buf, len);
}

int sys__sim_write(struct sys_file *base, const void *buf, size_t len, uint64_t offset,
                   struct err *e)
{
    struct sim *s = sim_of(base);
    uint64_t delay_ns = sys__sim_delay_ns(s, base->path);

    if (delay_ns > 0)
        sys__sim_sleep(&s->base, delay_ns);
    sys_mutex_lock(&s->lock);
    size_t done = sys__sim_draw_len(s, base->path, len);
    int errnum =
        sys__sim_apply((struct sim_file *)base, buf, done, offset, (base->flags & SYS_DSYNC) != 0);
    if (errnum == 0 && done < len)
        errnum = EIO;
    sys_mutex_unlock(&s->lock);
    return errnum != 0 ? sys__fail(e, errnum, base->path, "write it") : 0;
}

/* When it fails, the kernel drops the pages as clean: they can be read until the power goes, and
 * the next sync says nothing of them. */
static void sync_node(struct sim_node *n, bool fails)
{
    size_t to = MIN(n->dirty_to, n->live.len);

    if (!fails) {
        sys__sim_bytes_resize(&n->synced, n->live.len);
        if (n->dirty_from < to)
            memcpy(n->synced.data + n->dirty_from, n->live.data + n->dirty_from,
                   to - n->dirty_from);
    }
    n->dirty_from = n->dirty_to = 0;
}

int sys__sim_sync(struct sys_file *base, struct err *e)
{
    struct sim_file *f = (struct sim_file *)base;
    struct sim *s = sim_of(base);
    uint64_t delay_ns = sys__sim_delay_ns(s, base->path);

    if (delay_ns > 0)
        sys__sim_sleep(&s->base, delay_ns);
    sys_mutex_lock(&s->lock);
    bool fails = is_dead(f) || sys__sim_strikes(s, SYS_SIM_SYNC_ERROR, base->path);
    if (!is_dead(f))
        sync_node(f->node, fails);
    sys_mutex_unlock(&s->lock);
    return fails ? sys__fail(e, EIO, base->path, "sync it") : 0;
}

int sys__sim_size(struct sys_file *base, uint64_t *ret_size, struct err *e)
{
    struct sim_file *f = (struct sim_file *)base;
    struct sim *s = sim_of(base);

    sys_mutex_lock(&s->lock);
    bool dead = is_dead(f);
    uint64_t size = dead ? 0 : f->node->live.len;
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
        errnum = set_length(s, f->node, (size_t)size);
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
    bool dead = is_dead(f), busy = !dead && f->node->lock != NULL && f->node->lock != f;
    if (!dead && !busy)
        f->node->lock = f;
    sys_mutex_unlock(&s->lock);
    if (dead)
        return sys__fail(e, EIO, base->path, "lock it");
    return busy ? ERR_BUSY : 0;
}
