/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backups: a folder of the simulator's disk as it was at one moment, and putting it back.
 * Any thread; each call takes the simulator's mutex.
 */
#include "sim_priv.h"

#include "base/mem.h"

#include <errno.h>

struct image_node {
    char *name;
    bool is_folder;
    struct sim_bytes bytes;
    struct image_node *children;
    size_t count;
};

struct sys_sim_image {
    char *path;
    struct image_node root;
};

static void copy_out(struct image_node *to, const char *name, const struct sim_node *from)
{
    *to = (struct image_node){.name = mem_strdup(name), .is_folder = from->is_folder};
    sys__sim_bytes_copy(&to->bytes, &from->live);
    to->children = mem_calloc(from->names.count + 1, sizeof(*to->children));
    for (; to->count < from->names.count; to->count++) {
        const struct sim_entry *x = &from->names.entries[to->count];
        copy_out(&to->children[to->count], x->name, x->node);
    }
}

/* A node like the image, all of it synced. */
static struct sim_node *copy_in(struct sim *s, const struct image_node *from)
{
    struct sim_node *n = sys__sim_node_new(s, from->is_folder);

    sys__sim_bytes_copy(&n->live, &from->bytes);
    sys__sim_bytes_copy(&n->synced, &from->bytes);
    for (size_t i = 0; i < from->count; i++)
        sys__sim_folder_set(&n->names, from->children[i].name, copy_in(s, &from->children[i]));
    sys__sim_folder_copy(&n->synced_names, &n->names);
    return n;
}

static void free_node(struct image_node *n)
{
    for (size_t i = 0; i < n->count; i++)
        free_node(&n->children[i]);
    mem_free(n->children);
    mem_free(n->bytes.data);
    mem_free(n->name);
}

int sys_sim_snapshot(struct sys *base, const char *path, struct sys_sim_image **ret_image,
                     struct err *e)
{
    struct sim *s = (struct sim *)base;
    struct sys_sim_image *image = mem_zalloc(sizeof(*image));
    struct sim_node *n;

    sys_mutex_lock(&s->lock);
    int errnum = sys__sim_find(s, path, &n);
    if (errnum == 0) {
        copy_out(&image->root, "", n);
        image->path = mem_strdup(path);
    }
    sys_mutex_unlock(&s->lock);
    if (errnum != 0) {
        mem_free(image);
        return sys__fail(e, errnum, path, "copy it");
    }
    *ret_image = image;
    return 0;
}

/* The root keeps its node: everything hangs from it. */
static void put_back(struct sim *s, struct sim_node *at, const struct image_node *from)
{
    struct sim_node *n = copy_in(s, from);

    n->refs++;
    sys__sim_bytes_copy(&at->live, &n->live);
    sys__sim_bytes_copy(&at->synced, &n->synced);
    at->dirty_from = at->dirty_to = 0;
    sys__sim_folder_copy(&at->names, &n->names);
    sys__sim_folder_copy(&at->synced_names, &n->names);
    sys__sim_node_unref(n);
}

int sys_sim_restore(struct sys *base, const struct sys_sim_image *image, struct err *e)
{
    struct sim *s = (struct sim *)base;
    struct sim_node *n;

    sys_mutex_lock(&s->lock);
    int errnum = sys__sim_find(s, image->path, &n);
    if (errnum == 0 && n->is_folder != image->root.is_folder)
        errnum = ENOTDIR;
    if (errnum == 0) {
        put_back(s, n, &image->root);
        s->hits[SYS_SIM_RESTORED]++;
    }
    sys_mutex_unlock(&s->lock);
    return errnum != 0 ? sys__fail(e, errnum, image->path, "put it back") : 0;
}

struct sys_sim_image *sys_sim_image_free(struct sys_sim_image *image)
{
    if (image != NULL) {
        free_node(&image->root);
        mem_free(image->path);
        mem_free(image);
    }
    return NULL;
}
