/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* store, inside: what an implementation provides. store.c is the face and calls through it. */

#include "store/store.h"

#include "sys/sys.h"

/* How a read is meant; @snap NULL = now. */
struct store_read {
    const struct store_snapshot *snap;
    bool cached_only;
    bool persisted;
};

struct store_ops {
    void (*close)(struct store *s);
    int (*write)(struct store *s, struct store_batch *b, struct err *e);
    int (*flush)(struct store *s, struct err *e);
    int (*reopen)(struct store *s, struct err *e);
    struct store_snapshot *(*snapshot_new)(struct store *s);
    void (*snapshot_free)(struct store *s, struct store_snapshot *snap);
    int (*get)(struct store *s, struct store_read how, struct slice key, struct buf *out,
               struct err *e);

    struct store_batch *(*batch_new)(struct store *s);
    void (*batch_free)(struct store_batch *b);
    void (*batch_put)(struct store_batch *b, struct slice key, struct slice value);
    void (*batch_delete)(struct store_batch *b, struct slice key);
    void (*batch_delete_range)(struct store_batch *b, struct slice from, struct slice to);
    void (*batch_clear)(struct store_batch *b);
    size_t (*batch_bytes)(const struct store_batch *b);

    /* With a @prefix that is not empty the iterator need not see keys outside of it. */
    struct store_iter *(*iter_new)(struct store *s, struct store_read how, struct slice prefix);
    void (*iter_free)(struct store_iter *it);
    void (*iter_seek)(struct store_iter *it, struct slice from);
    void (*iter_seek_back)(struct store_iter *it, struct slice from);
    void (*iter_next)(struct store_iter *it);
    bool (*iter_valid)(const struct store_iter *it);
    struct slice (*iter_key)(const struct store_iter *it);
    struct slice (*iter_value)(const struct store_iter *it);
    /* May also say STORE_COLD. */
    int (*iter_status)(const struct store_iter *it, struct err *e);
};

/* First member of each implementation's own structs. */
struct store {
    const struct store_ops *ops;
    _Atomic uint32_t users; /* calls under way; snapshots and iterators alive: none at a close */
    _Atomic bool closing;   /* it is being opened again: newcomers wait */
    _Atomic int failure;    /* of the first write or flush that failed since it was opened */
    struct sys_event opened;
};
struct store_batch {
    const struct store_ops *ops;
};
struct store_iter {
    struct store *store;
};
