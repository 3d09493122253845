/* SPDX-License-Identifier: Apache-2.0 */
/*
 * objstore in a local folder.
 *
 * A put writes a temporary file beside its target, syncs it, gives it its name (rename, or a rename
 * that never replaces) and syncs the folder: readers see the whole object or none, and what
 * returned 0 survives power loss (rule D4). Folders that had to be made are synced into their
 * parents first. A failure after the rename leaves the fate open, as the face says. Temporary files
 * left by a crash are not objects: nobody lists them.
 *
 * Large objects go to the device directly: copying them into the page cache took a tenth of the
 * compactor's time, and pushed out of it what others read. Where a file system does not take that,
 * they go the plain way.
 *
 * No state but the root; any thread.
 */
#include "objstore/objstore.h"

#include "base/mem.h"
#include "base/must.h"
#include "sys/bug.h"
#include "sys/point.h"
#include "sys/sys.h"

#include "objstore_priv.h"

#include <stdlib.h>
#include <string.h>

#define DIRECT_CHUNK_BYTES (1024u * 1024)

struct folder {
    struct objstore base;
    struct sys *sys;
    char *root;
};

static struct folder *of(const struct objstore *o)
{
    return (struct folder *)(uintptr_t)o;
}

static char *path_of(const struct folder *f, const char *name)
{
    return name[0] == '\0' ? mem_strdup(f->root) : mem_printf("%s/%s", f->root, name);
}

/* The folder that holds @path; @path has a '/' in it or stands in the process's folder. */
static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return mem_strdup(".");
    return slash == path ? mem_strdup("/") : mem_strndup(path, (size_t)(slash - path));
}

/*
 * Make @path and the missing folders above it, each durable in its parent; one that is there too:
 * who made it may not have come so far.
 */
static int make_folder(struct sys *s, const char *path, struct err *e)
{
    _cleanup_(mem_freep) char *parent = parent_of(path);
    sys_point(s, SYS_POINT_LAKE_FOLDER_BEFORE_MKDIR);
    int r = sys_mkdir(s, path, e);
    if (r == ERR_NOT_FOUND && strlen(parent) < strlen(path)) {
        TRY(make_folder(s, parent, e));
        r = sys_mkdir(s, path, e);
    }
    if (r < 0 && r != ERR_EXISTS)
        return r;
    sys_point(s, SYS_POINT_LAKE_FOLDER_AFTER_MKDIR);
    sys_point(s, SYS_POINT_LAKE_FOLDER_BEFORE_SYNC_DIR);
    TRY(sys_sync_dir(s, parent, e));
    sys_point(s, SYS_POINT_LAKE_FOLDER_AFTER_SYNC_DIR);
    return 0;
}

/* What is put, and the named points that it passes: each kind has its own. */
struct object {
    struct slice data;
    enum sys_point points;
};

static enum sys_point points_of(const char *name)
{
    const char *in_log = strstr(name, "_delta_log/");
    if (!in_log)
        return SYS_POINT_LAKE_DATA_BEFORE_WRITE;
    if (strstr(in_log, "_last_checkpoint"))
        return SYS_POINT_LAKE_HINT_BEFORE_WRITE;
    return strstr(in_log, ".checkpoint") || strstr(in_log, "_sluice_state")
               ? SYS_POINT_LAKE_CHECKPOINT_BEFORE_WRITE
               : SYS_POINT_LAKE_COMMIT_BEFORE_WRITE;
}

static void pass(struct sys *s, const struct object *x, enum sys_put_step step)
{
    sys_point(s, sys_point_of_put(x->points, step));
}

/* Around the page cache, as far as that goes; the rest is the plain way's, and so are its errors:
 * there a write that failed is done again. Returns the bytes written. */
static size_t write_direct(struct sys *s, const char *path, struct slice data)
{
    _cleanup_(sys_closep) struct sys_file *file = NULL;
    size_t end = data.len - data.len % SYS_BLOCK, done = 0;
    if (data.len < DIRECT_CHUNK_BYTES || sys_open(s, path, SYS_WRITE | SYS_DIRECT, &file, NULL) < 0)
        return 0;
    uint8_t *chunk = mem_aligned(SYS_BLOCK, DIRECT_CHUNK_BYTES);
    while (done < end) {
        size_t len = MIN(end - done, (size_t)DIRECT_CHUNK_BYTES);
        memcpy(chunk, data.data + done, len);
        if (sys_write(file, chunk, len, done, NULL) < 0)
            break;
        done += len;
    }
    mem_free(chunk);
    return done;
}

static int write_all(struct sys *s, struct sys_file *file, const char *path, struct slice data,
                     struct err *e)
{
    size_t done = write_direct(s, path, data);
    return done == data.len ? 0 : sys_write(file, data.data + done, data.len - done, done, e);
}

static int write_temp(struct sys *s, const char *path, const struct object *x, struct err *e)
{
    _cleanup_(sys_closep) struct sys_file *file = NULL;
    TRY(sys_open(s, path, SYS_WRITE | SYS_CREATE | SYS_EXCLUSIVE, &file, e));
    pass(s, x, SYS_PUT_BEFORE_WRITE);
    int r = write_all(s, file, path, x->data, e);
    pass(s, x, SYS_PUT_AFTER_WRITE);
    pass(s, x, SYS_PUT_BEFORE_SYNC);
    bool is_data = x->points == SYS_POINT_LAKE_DATA_BEFORE_WRITE;
    if (r == 0 && !(is_data && sys_bug(s, SYS_BUG_DATA_NOT_SYNCED))) /* left out: against D4 */
        r = sys_sync(file, e);
    pass(s, x, SYS_PUT_AFTER_SYNC);
    if (r < 0) {
        file = sys_close(file);
        (void)sys_unlink(s, path, NULL); /* the failure told is the one that counts */
    }
    return r;
}

/* A new temporary file in folder @dir with the object, synced. *ret_path is given. */
static int make_temp(struct sys *s, const char *dir, const struct object *x, char **ret_path,
                     struct err *e)
{
    uint64_t random;
    sys_random(s, &random, sizeof(random));
    _cleanup_(mem_freep) char *path =
        mem_printf("%s/" OBJSTORE_TEMP_PREFIX "%016llx", dir, (unsigned long long)random);
    int r = write_temp(s, path, x, e);
    if (r == ERR_NOT_FOUND) {
        TRY(make_folder(s, dir, e));
        r = write_temp(s, path, x, e);
    }
    TRY(r);
    *ret_path = TAKE(path);
    return 0;
}

typedef int rename_fn(struct sys *s, const char *from, const char *to, struct err *e);

static int put_by(struct folder *f, const char *name, struct slice data, rename_fn *rename_to,
                  struct err *e)
{
    _cleanup_(mem_freep) char *path = path_of(f, name);
    _cleanup_(mem_freep) char *dir = parent_of(path);
    _cleanup_(mem_freep) char *temp = NULL;
    struct object x = {data, points_of(name)};
    TRY(make_temp(f->sys, dir, &x, &temp, e));
    pass(f->sys, &x, SYS_PUT_BEFORE_RENAME);
    int r = rename_to(f->sys, temp, path, e);
    pass(f->sys, &x, SYS_PUT_AFTER_RENAME);
    if (r < 0) {
        (void)sys_unlink(f->sys, temp, NULL); /* the rename's failure is the one to tell */
        if (r == ERR_EXISTS)
            TRY(sys_sync_dir(f->sys, dir, e));
        return r;
    }
    pass(f->sys, &x, SYS_PUT_BEFORE_SYNC_DIR);
    if (!(x.points == SYS_POINT_LAKE_COMMIT_BEFORE_WRITE &&
          sys_bug(f->sys, SYS_BUG_COMMIT_NOT_SYNCED))) /* left out: against D4 */
        TRY(sys_sync_dir(f->sys, dir, e));
    pass(f->sys, &x, SYS_PUT_AFTER_SYNC_DIR);
    return 0;
}

static int folder_put(struct objstore *o, const char *name, struct slice data, struct err *e)
{
    return put_by(of(o), name, data, sys_rename, e);
}

static int folder_put_absent(struct objstore *o, const char *name, struct slice data, struct err *e)
{
    struct folder *f = of(o);
    _cleanup_(mem_freep) char *path = path_of(f, name);
    bool there = false;
    TRY(sys_exists(f->sys, path, &there, e)); /* saves the write; the rename decides */
    if (there) { /* whoever hears this may build on it: it must be there for good (D4) */
        _cleanup_(mem_freep) char *dir = parent_of(path);
        TRY(sys_sync_dir(f->sys, dir, e));
        return err_set(e, ERR_EXISTS, "%s is there already", path);
    }
    return put_by(f, name, data, sys_rename_new, e);
}

static int folder_get(struct objstore *o, const char *name, size_t len_max, struct buf *out,
                      struct err *e)
{
    struct folder *f = of(o);
    _cleanup_(mem_freep) char *path = path_of(f, name);
    _cleanup_(mem_freep) char *data = NULL;
    size_t len = 0;
    TRY(sys_read_file(f->sys, path, len_max, &data, &len, e));
    buf_add(out, data, len);
    return 0;
}

static int folder_get_tail(struct objstore *o, const char *name, size_t len, struct buf *out,
                           struct err *e)
{
    struct folder *f = of(o);
    _cleanup_(mem_freep) char *path = path_of(f, name);
    _cleanup_(sys_closep) struct sys_file *file = NULL;
    uint64_t size = 0;
    TRY(sys_open(f->sys, path, SYS_READ, &file, e));
    TRY(sys_size(file, &size, e));
    len = (size_t)MIN(size, len);
    if (len == 0)
        return 0;
    TRY(sys_read(file, buf_reserve(out, len), len, size - len, e));
    out->len += len;
    return 0;
}

/* A name that is not there (any more) is no folder. */
static int is_folder(struct sys *s, const char *path, bool *ret_folder, struct err *e)
{
    struct sys_stat st = {.is_folder = false};
    int r = sys_stat(s, path, &st, e);
    *ret_folder = st.is_folder;
    return r == ERR_NOT_FOUND ? 0 : r;
}

static bool is_temp(const char *name)
{
    return strncmp(name, OBJSTORE_TEMP_PREFIX, strlen(OBJSTORE_TEMP_PREFIX)) == 0;
}

static int list_names(struct sys *s, const char *dir, const char *after,
                      const struct sys_names *names, struct objstore_list *l, struct err *e)
{
    for (size_t i = 0; i < names->count; i++) {
        if (is_temp(names->names[i]) || strcmp(names->names[i], after) <= 0)
            continue;
        _cleanup_(mem_freep) char *path = mem_printf("%s/%s", dir, names->names[i]);
        struct sys_stat st;
        int r = sys_stat(s, path, &st, e);
        if (r == ERR_NOT_FOUND || (r == 0 && st.is_folder))
            continue; /* it has just gone, or is none of ours to list */
        TRY(r);
        l->entries[l->count++] =
            (struct objstore_entry){mem_strdup(names->names[i]), st.size, st.modified_us};
    }
    return 0;
}

static int folder_list(struct objstore *o, const char *prefix, const char *after,
                       struct objstore_list *ret_list, struct err *e)
{
    struct folder *f = of(o);
    _cleanup_(mem_freep) char *dir = path_of(f, prefix);
    struct objstore_list l = {NULL, 0};
    struct sys_names names;
    int r = sys_list(f->sys, dir, &names, e);
    if (r == ERR_NOT_FOUND) {
        *ret_list = l;
        return 0;
    }
    TRY(r);
    l.entries = mem_calloc(names.count + 1, sizeof(*l.entries));
    r = list_names(f->sys, dir, after, &names, &l, e);
    sys_names_deinit(&names);
    if (r < 0) {
        objstore_list_deinit(&l);
        return r;
    }
    *ret_list = l;
    return 0;
}

static int folder_delete(struct objstore *o, const char *name, struct err *e)
{
    struct folder *f = of(o);
    _cleanup_(mem_freep) char *path = path_of(f, name);
    _cleanup_(mem_freep) char *dir = parent_of(path);
    int r = sys_unlink(f->sys, path, e);
    if (r == ERR_NOT_FOUND)
        return 0;
    TRY(r);
    return sys_sync_dir(f->sys, dir, e);
}

static int folder_clean(struct objstore *o, const char *prefix, int64_t before_us,
                        uint64_t *ret_count, struct err *e)
{
    struct folder *f = of(o);
    _cleanup_(mem_freep) char *dir = path_of(f, prefix);
    struct sys_names names;
    *ret_count = 0;
    int r = sys_list(f->sys, dir, &names, e);
    if (r < 0)
        return r == ERR_NOT_FOUND ? 0 : r;
    for (size_t i = 0; i < names.count && r == 0; i++) {
        _cleanup_(mem_freep) char *path = mem_printf("%s/%s", dir, names.names[i]);
        struct sys_stat st;
        if (!is_temp(names.names[i]) || sys_stat(f->sys, path, &st, NULL) < 0 || st.is_folder ||
            st.modified_us >= before_us)
            continue;
        r = sys_unlink(f->sys, path, e);
        *ret_count += r == 0;
        r = r == ERR_NOT_FOUND ? 0 : r;
    }
    sys_names_deinit(&names);
    return r;
}

/* Depth is bounded by the names' length limit. */
static int tree_is_empty(struct sys *s, const char *path, bool *ret_empty, struct err *e)
{
    struct sys_names names;
    int r = sys_list(s, path, &names, e);
    if (r == ERR_NOT_FOUND) {
        *ret_empty = true;
        return 0;
    }
    TRY(r);
    bool empty = true;
    for (size_t i = 0; i < names.count && empty && r == 0; i++) {
        if (is_temp(names.names[i]))
            continue;
        _cleanup_(mem_freep) char *child = mem_printf("%s/%s", path, names.names[i]);
        bool folder = false;
        r = is_folder(s, child, &folder, e);
        if (r == 0 && folder)
            r = tree_is_empty(s, child, &empty, e);
        else if (r == 0)
            empty = false;
    }
    sys_names_deinit(&names);
    TRY(r);
    *ret_empty = empty;
    return 0;
}

static int folder_is_empty(struct objstore *o, const char *prefix, bool *ret_empty, struct err *e)
{
    struct folder *f = of(o);
    _cleanup_(mem_freep) char *path = path_of(f, prefix);
    bool there = false, folder = false;
    TRY(sys_exists(f->sys, path, &there, e));
    TRY(is_folder(f->sys, path, &folder, e));
    if (there && !folder) {
        *ret_empty = false;
        return 0;
    }
    return tree_is_empty(f->sys, path, ret_empty, e);
}

/* From @prefix up to the root; the root itself was made durable when it was opened. */
static int folder_settle(struct objstore *o, const char *prefix, struct err *e)
{
    struct folder *f = of(o);
    _cleanup_(mem_freep) char *path = path_of(f, prefix);
    while (strlen(path) >= strlen(f->root)) {
        int r = sys_sync_dir(f->sys, path, e);
        if (r < 0 && r != ERR_NOT_FOUND)
            return r;
        char *parent = parent_of(path);
        bool is_top = strlen(parent) >= strlen(path);
        mem_free(path);
        path = parent;
        if (is_top)
            break;
    }
    return 0;
}

static int folder_move(struct objstore *o, const char *from, const char *to, struct err *e)
{
    struct folder *f = of(o);
    _cleanup_(mem_freep) char *from_path = path_of(f, from);
    _cleanup_(mem_freep) char *to_path = path_of(f, to);
    _cleanup_(mem_freep) char *from_dir = parent_of(from_path);
    _cleanup_(mem_freep) char *to_dir = parent_of(to_path);
    bool there = false;
    TRY(sys_exists(f->sys, from_path, &there, e));
    if (!there)
        return err_set(e, ERR_NOT_FOUND, "%s is not there", from_path);
    TRY(make_folder(f->sys, to_dir, e));
    sys_point(f->sys, SYS_POINT_LAKE_MOVE_BEFORE_RENAME);
    TRY(sys_rename_new(f->sys, from_path, to_path, e));
    sys_point(f->sys, SYS_POINT_LAKE_MOVE_AFTER_RENAME);
    sys_point(f->sys, SYS_POINT_LAKE_MOVE_BEFORE_SYNC_DIR);
    /* Up to the root: an earlier try may have made folders and failed to make them durable. */
    TRY(folder_settle(o, to, e));
    TRY(sys_sync_dir(f->sys, from_dir, e));
    sys_point(f->sys, SYS_POINT_LAKE_MOVE_AFTER_SYNC_DIR);
    return 0;
}

static const char *folder_root(const struct objstore *o)
{
    return of(o)->root;
}

static struct objstore *folder_close(struct objstore *o)
{
    struct folder *f = of(o);
    mem_free(f->root);
    mem_free(f);
    return NULL;
}

static const struct objstore_ops folder_ops = {
    .close = folder_close,
    .root = folder_root,
    .put = folder_put,
    .put_absent = folder_put_absent,
    .get = folder_get,
    .get_tail = folder_get_tail,
    .list = folder_list,
    .remove = folder_delete,
    .is_empty = folder_is_empty,
    .clean = folder_clean,
    .settle = folder_settle,
    .move = folder_move,
};

int objstore_open_folder(struct sys *s, const char *path, struct objstore **ret_store,
                         struct err *e)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    if (len == 0)
        return err_set(e, ERR_INVALID, "the lake's folder has no name");
    _cleanup_(mem_freep) char *root = mem_strndup(path, len);
    bool folder = false;
    int r = make_folder(s, root, e);
    TRY(is_folder(s, root, &folder, NULL));
    if (r < 0 && !(r == ERR_DENIED && folder)) /* not ours to sync then */
        return r;
    if (!folder)
        return err_set(e, ERR_INVALID, "%s is not a folder", root);
    struct folder *f = mem_zalloc(sizeof(*f));
    f->base.ops = &folder_ops;
    f->sys = s;
    f->root = TAKE(root);
    *ret_store = &f->base;
    return 0;
}
