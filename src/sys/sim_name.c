/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator's names: what a name refers to changes at once for the process, and for a power
 * loss when its folder is synced. Any thread; each call takes the simulator's mutex.
 */
#include "sim_priv.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

#define DISK_BYTES (UINT64_C(1) << 40) /* shown when no capacity is set */

int sys__sim_mkdir(struct sys *base, const char *path, struct err *e)
{
    struct sim *s = (struct sim *)base;
    char name[SIM_NAME_BYTES_MAX + 1];
    struct sim_node *folder;

    sys_mutex_lock(&s->lock);
    int errnum = sys__sim_find_parent(s, path, &folder, name);
    if (errnum == 0 && (name[0] == '\0' || sys__sim_folder_find(&folder->names, name) != NULL))
        errnum = EEXIST;
    if (errnum == 0 && !sys__sim_has_space(s, 0))
        errnum = ENOSPC;
    if (errnum == 0)
        sys__sim_folder_set(&folder->names, name, sys__sim_node_new(s, true));
    sys_mutex_unlock(&s->lock);
    return errnum != 0 ? sys__fail(e, errnum, path, "make the folder") : 0;
}

int sys__sim_sync_dir(struct sys *base, const char *path, struct err *e)
{
    struct sim *s = (struct sim *)base;
    struct sim_node *n;
    uint64_t delay_ns = sys__sim_delay_ns(s, path);

    if (delay_ns > 0)
        sys__sim_sleep(base, delay_ns);
    sys_mutex_lock(&s->lock);
    int errnum = sys__sim_find(s, path, &n);
    if (errnum == 0 && !n->is_folder)
        errnum = ENOTDIR;
    if (errnum == 0 && sys__sim_strikes(s, SYS_SIM_SYNC_ERROR, path))
        errnum = EIO;
    if (errnum == 0)
        sys__sim_folder_copy(&n->synced_names, &n->names);
    sys_mutex_unlock(&s->lock);
    return errnum != 0 ? sys__fail(e, errnum, path, "sync the folder") : 0;
}

int sys__sim_unlink(struct sys *base, const char *path, struct err *e)
{
    struct sim *s = (struct sim *)base;
    char name[SIM_NAME_BYTES_MAX + 1];
    struct sim_node *folder;

    sys_mutex_lock(&s->lock);
    int errnum = sys__sim_find_parent(s, path, &folder, name);
    struct sim_node *n = errnum == 0 ? sys__sim_folder_find(&folder->names, name) : NULL;
    if (errnum == 0 && n == NULL)
        errnum = name[0] == '\0' ? EISDIR : ENOENT;
    if (errnum == 0 && n->is_folder)
        errnum = EISDIR;
    if (errnum == 0)
        sys__sim_folder_remove(&folder->names, name);
    sys_mutex_unlock(&s->lock);
    return errnum != 0 ? sys__fail(e, errnum, path, "remove it") : 0;
}

/* Is @n the folder @inside or above it? */
static bool holds(const struct sim_node *n, const struct sim_node *inside)
{
    if (n == inside)
        return true;
    for (size_t i = 0; i < n->names.count; i++) {
        if (n->names.entries[i].node->is_folder && holds(n->names.entries[i].node, inside))
            return true;
    }
    return false;
}

/* May @n take the place of @old? 0 or an errno value. */
static int check_replace(const struct sim_node *n, const struct sim_node *old, bool may_replace)
{
    if (old == NULL)
        return 0;
    if (!may_replace)
        return EEXIST;
    if (n->is_folder != old->is_folder)
        return old->is_folder ? EISDIR : ENOTDIR;
    return old->names.count > 0 ? ENOTEMPTY : 0;
}

static int rename_in(struct sim *s, const char *from, const char *to, bool may_replace)
{
    char from_name[SIM_NAME_BYTES_MAX + 1], to_name[SIM_NAME_BYTES_MAX + 1];
    struct sim_node *from_folder, *to_folder;
    int errnum = sys__sim_find_parent(s, from, &from_folder, from_name);

    if (errnum == 0)
        errnum = sys__sim_find_parent(s, to, &to_folder, to_name);
    if (errnum != 0)
        return errnum;
    if (from_name[0] == '\0' || to_name[0] == '\0')
        return EBUSY;
    struct sim_node *n = sys__sim_folder_find(&from_folder->names, from_name);
    struct sim_node *old = sys__sim_folder_find(&to_folder->names, to_name);
    if (n == NULL)
        return ENOENT;
    if (old == n)
        return may_replace ? 0 : EEXIST;
    if (n->is_folder && holds(n, to_folder))
        return EINVAL;
    errnum = check_replace(n, old, may_replace);
    if (errnum != 0)
        return errnum;
    sys__sim_folder_set(&to_folder->names, to_name, n);
    sys__sim_folder_remove(&from_folder->names, from_name);
    return 0;
}

int sys__sim_rename(struct sys *base, const char *from, const char *to, bool may_replace,
                    struct err *e)
{
    struct sim *s = (struct sim *)base;

    sys_mutex_lock(&s->lock);
    int errnum = rename_in(s, from, to, may_replace);
    sys_mutex_unlock(&s->lock);
    if (errnum == 0)
        return 0;
    return err_set(e, err_from_errno(errnum), "%s: cannot rename it to %s: %s", from, to,
                   strerrordesc_np(errnum));
}

int sys__sim_exists(struct sys *base, const char *path, bool *ret_exists, struct err *e)
{
    struct sim *s = (struct sim *)base;
    struct sim_node *n;

    sys_mutex_lock(&s->lock);
    int errnum = sys__sim_find(s, path, &n);
    sys_mutex_unlock(&s->lock);
    if (errnum != 0 && errnum != ENOENT && errnum != ENOTDIR)
        return sys__fail(e, errnum, path, "look for it");
    *ret_exists = errnum == 0;
    return 0;
}

int sys__sim_stat(struct sys *base, const char *path, struct sys_stat *ret_stat, struct err *e)
{
    struct sim *s = (struct sim *)base;
    struct sim_node *n;

    sys_mutex_lock(&s->lock);
    int errnum = sys__sim_find(s, path, &n);
    if (errnum == 0)
        *ret_stat = (struct sys_stat){n->is_folder, n->live.len,
                                      n->is_folder ? 0 : sys__sim_wall_us(n->modified_ns)};
    sys_mutex_unlock(&s->lock);
    return errnum != 0 ? sys__fail(e, errnum, path, "look at it") : 0;
}

int sys__sim_free_bytes(struct sys *base, const char *path, uint64_t *ret_bytes, struct err *e)
{
    struct sim *s = (struct sim *)base;
    struct sim_node *node;

    sys_mutex_lock(&s->lock);
    int errnum = sys__sim_find(s, path, &node);
    uint64_t size = s->capacity == UINT64_MAX ? DISK_BYTES : s->capacity;
    sys_mutex_unlock(&s->lock);
    if (errnum != 0)
        return sys__fail(e, errnum, path, "read its free space");
    uint64_t used = sys_sim_used(base);
    *ret_bytes = used < size ? size - used : 0;
    return 0;
}

int sys__sim_list(struct sys *base, const char *path, struct sys_names *names, struct err *e)
{
    struct sim *s = (struct sim *)base;
    struct sim_node *n;

    sys_mutex_lock(&s->lock);
    int errnum = sys__sim_find(s, path, &n);
    if (errnum == 0 && !n->is_folder)
        errnum = ENOTDIR;
    for (size_t i = 0; errnum == 0 && i < n->names.count; i++)
        sys__names_add(names, n->names.entries[i].name);
    sys_mutex_unlock(&s->lock);
    return errnum != 0 ? sys__fail(e, errnum, path, "list the folder") : 0;
}
