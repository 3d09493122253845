/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel asks: each request is answered from the image, at once. A node's number is its
 * address; the root's is 1. The kernel writes through (no write-back cache), so whatever a program
 * has written is here before its call returns, and what it has not synced is not durable.
 */
#define FUSE_USE_VERSION 314
#include "powerfs.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define FOREVER_S   3600.0
#define TOTAL_BYTES (64ull << 30)

static struct powerfs *fs_of(fuse_req_t req)
{
    return fuse_req_userdata(req);
}

static struct node *node_of(fuse_req_t req, fuse_ino_t ino)
{
    return ino == FUSE_ROOT_ID ? image_root(fs_of(req)->image) : (struct node *)ino;
}

static void attr_of(const struct node *n, struct stat *st)
{
    memset(st, 0, sizeof(*st));
    st->st_ino = n->id;
    st->st_mode = n->mode;
    st->st_nlink = S_ISDIR(n->mode) ? 2 : n->links;
    st->st_uid = n->uid;
    st->st_gid = n->gid;
    st->st_size = (off_t)n->size;
    st->st_blksize = IMAGE_PAGE;
    st->st_blocks = (blkcnt_t)((n->size + 511) / 512);
    st->st_mtim.tv_sec = n->mtime_ns / 1000000000;
    st->st_mtim.tv_nsec = n->mtime_ns % 1000000000;
    st->st_atim = st->st_ctim = st->st_mtim;
}

static void entry_of(struct node *n, struct fuse_entry_param *e)
{
    memset(e, 0, sizeof(*e));
    e->ino = (fuse_ino_t)n;
    e->attr_timeout = e->entry_timeout = FOREVER_S;
    attr_of(n, &e->attr);
    n->lookups++;
}

/* Answer with the error that the verdict orders, or the lie; true: it is answered. */
static bool refused(fuse_req_t req, enum kind kind, const struct node *n, const char *name)
{
    int error = powerfs_verdict(fs_of(req), kind, n, name);
    if (error != 0)
        fuse_reply_err(req, error == LIE ? 0 : error);
    return error != 0;
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
    (void)userdata;
    conn->want &= ~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE |
                              FUSE_CAP_WRITEBACK_CACHE);
    conn->max_write = 1u << 20;
    conn->max_background = 64;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct node *n = image_find(node_of(req, parent), name);
    struct fuse_entry_param e;

    if (n == NULL) {
        fuse_reply_err(req, ENOENT);
        return;
    }
    entry_of(n, &e);
    fuse_reply_entry(req, &e);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
    struct node *n = node_of(req, ino);
    n->lookups -= count < n->lookups ? count : n->lookups;
    fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *all)
{
    for (size_t i = 0; i < count; i++) {
        struct node *n = node_of(req, all[i].ino);
        n->lookups -= all[i].nlookup < n->lookups ? all[i].nlookup : n->lookups;
    }
    fuse_reply_none(req);
}

static void reply_attr(fuse_req_t req, const struct node *n)
{
    struct stat st;
    attr_of(n, &st);
    fuse_reply_attr(req, &st, FOREVER_S);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)fi;
    reply_attr(req, node_of(req, ino));
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int set,
                       struct fuse_file_info *fi)
{
    struct node *n = node_of(req, ino);

    (void)fi;
    if ((set & FUSE_SET_ATTR_SIZE) != 0) {
        int error = powerfs_verdict(fs_of(req), KIND_WRITE, n, NULL);
        if (error > 0) {
            fuse_reply_err(req, error);
            return;
        }
        image_truncate(fs_of(req)->image, n, (uint64_t)st->st_size);
    }
    if ((set & FUSE_SET_ATTR_MODE) != 0)
        n->mode = (n->mode & S_IFMT) | (st->st_mode & ~(mode_t)S_IFMT);
    if ((set & FUSE_SET_ATTR_UID) != 0)
        n->uid = st->st_uid;
    if ((set & FUSE_SET_ATTR_GID) != 0)
        n->gid = st->st_gid;
    if ((set & FUSE_SET_ATTR_MTIME) != 0)
        n->mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
    reply_attr(req, n);
}

/* Make a node; NULL when the request is answered already. */
static struct node *make(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    struct powerfs *fs = fs_of(req);
    struct node *folder = node_of(req, parent);

    if (image_find(folder, name) != NULL) {
        fuse_reply_err(req, EEXIST);
        return NULL;
    }
    if (refused(req, KIND_CREATE, folder, name))
        return NULL;
    struct node *n = image_create(fs->image, folder, name, mode);
    const struct fuse_ctx *ctx = fuse_req_ctx(req);
    n->uid = ctx->uid;
    n->gid = ctx->gid;
    fs->creates++;
    return n;
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
    struct node *n = make(req, parent, name, S_IFDIR | (mode & 07777));
    struct fuse_entry_param e;

    if (n == NULL)
        return;
    entry_of(n, &e);
    fuse_reply_entry(req, &e);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
                      struct fuse_file_info *fi)
{
    struct node *n = make(req, parent, name, S_IFREG | (mode & 07777));
    struct fuse_entry_param e;

    if (n == NULL)
        return;
    entry_of(n, &e);
    fuse_reply_create(req, &e, fi);
}

static void remove_name(fuse_req_t req, fuse_ino_t parent, const char *name, bool is_folder)
{
    struct powerfs *fs = fs_of(req);
    struct node *folder = node_of(req, parent);

    if (refused(req, KIND_REMOVE, folder, name))
        return;
    int r = image_remove(fs->image, folder, name, is_folder);
    fs->removes += r == 0;
    fuse_reply_err(req, -r);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    remove_name(req, parent, name, false);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    remove_name(req, parent, name, true);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to,
                      const char *to_name, unsigned flags)
{
    struct powerfs *fs = fs_of(req);
    struct move m = {node_of(req, parent), node_of(req, to), name, to_name,
                     (flags & RENAME_NOREPLACE) == 0};

    if ((flags & ~(unsigned)RENAME_NOREPLACE) != 0) {
        fuse_reply_err(req, EINVAL);
        return;
    }
    if (refused(req, KIND_RENAME, m.to, to_name))
        return;
    int r = image_rename(fs->image, &m);
    fs->renames += r == 0;
    fuse_reply_err(req, -r);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
    struct node *n = node_of(req, ino), *folder = node_of(req, parent);
    struct fuse_entry_param e;

    if (refused(req, KIND_CREATE, folder, name))
        return;
    int r = image_link(fs_of(req)->image, n, folder, name);
    if (r < 0) {
        fuse_reply_err(req, -r);
        return;
    }
    entry_of(n, &e);
    fuse_reply_entry(req, &e);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    if ((fi->flags & O_TRUNC) != 0)
        image_truncate(fs_of(req)->image, node_of(req, ino), 0);
    fuse_reply_open(req, fi);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                    struct fuse_file_info *fi)
{
    (void)fi;
    char *buf = mem_alloc(size + 1);
    size_t got = image_read(node_of(req, ino), buf, size, (uint64_t)offset);
    fuse_reply_buf(req, buf, got);
    mem_free(buf);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
                     struct fuse_file_info *fi)
{
    struct powerfs *fs = fs_of(req);
    struct node *n = node_of(req, ino);
    struct span s = {data, size, (uint64_t)offset};
    bool is_durable = (fi->flags & O_DSYNC) != 0; /* O_SYNC holds that bit too */
    int error = powerfs_verdict(fs, KIND_WRITE, n, NULL);

    if (error > 0 && !fs->is_due) {
        fuse_reply_err(req, error);
        return;
    }
    fs->writes++;
    image_write(fs->image, n, &s);
    if (error > 0) { /* the power goes in the middle of it */
        if (is_durable)
            image_tear_range(n, &s, &fs->seed);
        fuse_reply_err(req, error);
        return;
    }
    if (is_durable && error != LIE)
        image_sync_range(n, (uint64_t)offset, size);
    fuse_reply_write(req, size);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    struct powerfs *fs = fs_of(req);
    struct node *n = node_of(req, ino);

    (void)datasync;
    (void)fi;
    if (refused(req, KIND_SYNC, n, NULL))
        return;
    fs->syncs++;
    image_sync_file(n);
    fuse_reply_err(req, 0);
}

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
                         struct fuse_file_info *fi)
{
    struct powerfs *fs = fs_of(req);
    struct node *n = node_of(req, ino);
    uint64_t from = (uint64_t)offset, end = (uint64_t)(offset + length);

    (void)fi;
    if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)) != 0) {
        fuse_reply_err(req, EOPNOTSUPP);
        return;
    }
    if (refused(req, KIND_ALLOCATE, n, NULL))
        return;
    if ((mode & FALLOC_FL_PUNCH_HOLE) != 0 && from < n->size) {
        size_t len = (size_t)((end < n->size ? end : n->size) - from);
        image_write(fs->image, n, &(struct span){NULL, len, from});
    } else if (mode == 0 && end > n->size) {
        image_truncate(fs->image, n, end);
    }
    fuse_reply_err(req, 0);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    (void)ino;
    fuse_reply_open(req, fi);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
                       struct fuse_file_info *fi)
{
    struct node *folder = node_of(req, ino);
    char *buf = mem_alloc(size);
    size_t used = 0;
    const struct name *e;

    (void)fi;
    for (uint64_t at = (uint64_t)offset; (e = image_next(folder, at)) != NULL; at = e->cookie) {
        struct stat st;
        attr_of(e->node, &st);
        size_t len =
            fuse_add_direntry(req, buf + used, size - used, e->text, &st, (off_t)e->cookie);
        if (len > size - used)
            break;
        used += len;
    }
    fuse_reply_buf(req, buf, used);
    mem_free(buf);
}

static void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    struct powerfs *fs = fs_of(req);
    struct node *folder = node_of(req, ino);

    (void)datasync;
    (void)fi;
    if (refused(req, KIND_SYNCDIR, folder, NULL))
        return;
    fs->folder_syncs++;
    image_sync_folder(fs->image, folder);
    fuse_reply_err(req, 0);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    uint64_t used = image_bytes(fs_of(req)->image);
    struct statvfs st = {.f_bsize = IMAGE_PAGE,
                         .f_frsize = IMAGE_PAGE,
                         .f_blocks = TOTAL_BYTES / IMAGE_PAGE,
                         .f_namemax = 255};

    (void)ino;
    st.f_bfree = used < TOTAL_BYTES ? (TOTAL_BYTES - used) / IMAGE_PAGE : 0;
    st.f_bavail = st.f_bfree;
    fuse_reply_statfs(req, &st);
}

const struct fuse_lowlevel_ops powerfs_ops = {
    .init = op_init,
    .lookup = op_lookup,
    .forget = op_forget,
    .forget_multi = op_forget_multi,
    .getattr = op_getattr,
    .setattr = op_setattr,
    .mkdir = op_mkdir,
    .create = op_create,
    .unlink = op_unlink,
    .rmdir = op_rmdir,
    .rename = op_rename,
    .link = op_link,
    .open = op_open,
    .read = op_read,
    .write = op_write,
    .fsync = op_fsync,
    .fallocate = op_fallocate,
    .opendir = op_opendir,
    .readdir = op_readdir,
    .fsyncdir = op_fsyncdir,
    .statfs = op_statfs,
};
