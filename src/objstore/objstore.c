/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The face of objstore: checks names, then calls the implementation's table of functions. Nothing
 * reaches an implementation with a name that could leave its root.
 */
#include "objstore/objstore.h"

#include "base/mem.h"
#include "base/must.h"

#include "objstore_priv.h"

#include <string.h>

static bool part_is_bad(const char *part, size_t len)
{
    if (len == 0 || (len == 1 && part[0] == '.') || (len == 2 && part[0] == '.' && part[1] == '.'))
        return true;
    size_t n = strlen(OBJSTORE_TEMP_PREFIX);
    if (len >= n && memcmp(part, OBJSTORE_TEMP_PREFIX, n) == 0)
        return true;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)part[i] < 0x20 || part[i] == 0x7f || part[i] == '\\')
            return true;
    return false;
}

int objstore__name_check(const char *name, struct err *e)
{
    if (strlen(name) > OBJSTORE_NAME_BYTES_MAX)
        return err_set(e, ERR_INVALID, "object name is longer than %d bytes",
                       OBJSTORE_NAME_BYTES_MAX);
    for (const char *p = name;; p++) {
        size_t len = strcspn(p, "/");
        if (part_is_bad(p, len))
            return err_set(e, ERR_INVALID, "'%s' is not a usable object name", name);
        p += len;
        if (*p == '\0')
            return 0;
    }
}

struct objstore *objstore_close(struct objstore *o)
{
    return o ? o->ops->close(o) : NULL;
}

const char *objstore_root(const struct objstore *o)
{
    return o->ops->root(o);
}

int objstore_put(struct objstore *o, const char *name, struct slice data, struct err *e)
{
    TRY(objstore__name_check(name, e));
    return o->ops->put(o, name, data, e);
}

int objstore_put_absent(struct objstore *o, const char *name, struct slice data, struct err *e)
{
    TRY(objstore__name_check(name, e));
    return o->ops->put_absent(o, name, data, e);
}

int objstore_get(struct objstore *o, const char *name, size_t len_max, struct buf *out,
                 struct err *e)
{
    TRY(objstore__name_check(name, e));
    return o->ops->get(o, name, len_max, out, e);
}

int objstore_get_tail(struct objstore *o, const char *name, size_t len, struct buf *out,
                      struct err *e)
{
    TRY(objstore__name_check(name, e));
    return o->ops->get_tail(o, name, len, out, e);
}

int objstore_list(struct objstore *o, const char *prefix, const char *after,
                  struct objstore_list *ret_list, struct err *e)
{
    if (prefix[0] != '\0')
        TRY(objstore__name_check(prefix, e));
    return o->ops->list(o, prefix, after, ret_list, e);
}

void objstore_list_deinit(struct objstore_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        mem_free(l->entries[i].name);
    mem_free(l->entries);
    *l = (struct objstore_list){NULL, 0};
}

int objstore_delete(struct objstore *o, const char *name, struct err *e)
{
    TRY(objstore__name_check(name, e));
    return o->ops->remove(o, name, e);
}

int objstore_is_empty(struct objstore *o, const char *prefix, bool *ret_empty, struct err *e)
{
    if (prefix[0] != '\0')
        TRY(objstore__name_check(prefix, e));
    return o->ops->is_empty(o, prefix, ret_empty, e);
}

int objstore_clean(struct objstore *o, const char *prefix, int64_t before_us, uint64_t *ret_count,
                   struct err *e)
{
    TRY(objstore__name_check(prefix, e));
    return o->ops->clean(o, prefix, before_us, ret_count, e);
}

int objstore_settle(struct objstore *o, const char *prefix, struct err *e)
{
    TRY(objstore__name_check(prefix, e));
    return o->ops->settle(o, prefix, e);
}

int objstore_move(struct objstore *o, const char *from, const char *to, struct err *e)
{
    TRY(objstore__name_check(from, e));
    TRY(objstore__name_check(to, e));
    return o->ops->move(o, from, to, e);
}
