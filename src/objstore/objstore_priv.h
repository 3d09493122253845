/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What an implementation of objstore fills in. Names have been checked before a call gets here. */

#include "objstore/objstore.h"

struct objstore_ops {
    struct objstore *(*close)(struct objstore *o);
    const char *(*root)(const struct objstore *o);
    int (*put)(struct objstore *o, const char *name, struct slice data, struct err *e);
    int (*put_absent)(struct objstore *o, const char *name, struct slice data, struct err *e);
    int (*get)(struct objstore *o, const char *name, size_t len_max, struct buf *out,
               struct err *e);
    int (*get_tail)(struct objstore *o, const char *name, size_t len, struct buf *out,
                    struct err *e);
    int (*list)(struct objstore *o, const char *prefix, const char *after,
                struct objstore_list *ret_list, struct err *e);
    int (*remove)(struct objstore *o, const char *name, struct err *e);
    int (*is_empty)(struct objstore *o, const char *prefix, bool *ret_empty, struct err *e);
    int (*clean)(struct objstore *o, const char *prefix, int64_t before_us, uint64_t *ret_count,
                 struct err *e);
    int (*settle)(struct objstore *o, const char *prefix, struct err *e);
    int (*move)(struct objstore *o, const char *from, const char *to, struct err *e);
};

/* First member of each implementation. */
struct objstore {
    const struct objstore_ops *ops;
};

#define OBJSTORE_NAME_BYTES_MAX 1024
/* Files under construction begin with this; they are no objects: not listed, and their names
 * refused. */
#define OBJSTORE_TEMP_PREFIX ".tmp-"

/* A relative path that stays below the root: no empty, "." or ".." part, no control character. */
must_use int objstore__name_check(const char *name, struct err *e);
