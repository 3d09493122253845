/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator's nodes and paths. A node lives while a name, live or synced, or an open file
 * refers to it. Thread: with the simulator's mutex held.
 */
#include "sim_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <errno.h>
#include <string.h>

/* ---- bytes ---- */

/* Bytes that are new are zero. */
void sys__sim_bytes_resize(struct sim_bytes *b, size_t len)
{
    if (len > b->cap) {
        b->cap = MAX(len, b->cap * 2);
        b->data = mem_realloc(b->data, b->cap);
    }
    if (len > b->len)
        memset(b->data + b->len, 0, len - b->len);
    b->len = len;
}

void sys__sim_bytes_copy(struct sim_bytes *to, const struct sim_bytes *from)
{
    to->len = 0;
    sys__sim_bytes_resize(to, from->len);
    if (from->len > 0)
        memcpy(to->data, from->data, from->len);
}

/* ---- folders ---- */

static size_t find_entry(const struct sim_folder *f, const char *name)
{
    size_t i = 0;

    while (i < f->count && strcmp(f->entries[i].name, name) != 0)
        i++;
    return i;
}

struct sim_node *sys__sim_folder_find(const struct sim_folder *f, const char *name)
{
    size_t i = find_entry(f, name);

    return i < f->count ? f->entries[i].node : NULL;
}

void sys__sim_folder_remove(struct sim_folder *f, const char *name)
{
    size_t i = find_entry(f, name);

    must(i < f->count);
    mem_free(f->entries[i].name);
    sys__sim_node_unref(f->entries[i].node);
    f->entries[i] = f->entries[--f->count];
}

void sys__sim_folder_set(struct sim_folder *f, const char *name, struct sim_node *n)
{
    size_t i = find_entry(f, name);

    n->refs++;
    if (i < f->count) {
        sys__sim_node_unref(f->entries[i].node);
        f->entries[i].node = n;
        return;
    }
    f->entries = mem_realloc(f->entries, (f->count + 1) * sizeof(*f->entries));
    f->entries[f->count++] = (struct sim_entry){mem_strdup(name), n};
}

static void clear_folder(struct sim_folder *f)
{
    for (size_t i = 0; i < f->count; i++) {
        mem_free(f->entries[i].name);
        sys__sim_node_unref(f->entries[i].node);
    }
    mem_free(f->entries);
    *f = (struct sim_folder){NULL, 0};
}

void sys__sim_folder_copy(struct sim_folder *to, const struct sim_folder *from)
{
    struct sim_folder copy = {NULL, 0};

    for (size_t i = 0; i < from->count; i++)
        sys__sim_folder_set(&copy, from->entries[i].name, from->entries[i].node);
    clear_folder(to);
    *to = copy;
}

/* ---- nodes ---- */

struct sim_node *sys__sim_node_new(struct sim *s, bool is_folder)
{
    struct sim_node *n = mem_zalloc(sizeof(*n));

    n->is_folder = is_folder;
    n->next = s->nodes;
    n->link = &s->nodes;
    if (s->nodes != NULL)
        s->nodes->link = &n->next;
    s->nodes = n;
    return n;
}

void sys__sim_node_unref(struct sim_node *n)
{
    must(n->refs > 0);
    if (--n->refs > 0)
        return;
    *n->link = n->next;
    if (n->next != NULL)
        n->next->link = n->link;
    clear_folder(&n->names);
    clear_folder(&n->synced_names);
    mem_free(n->live.data);
    mem_free(n->synced.data);
    mem_free(n);
}

void sys__sim_node_revert(struct sim_node *n)
{
    sys__sim_bytes_copy(&n->live, &n->synced);
    n->dirty_from = n->dirty_to = 0;
    n->lock = NULL;
    sys__sim_folder_copy(&n->names, &n->synced_names);
}

/* Synced names may form a ring that no crash ever showed; so names are cleared first, then all
 * go. */
void sys__sim_nodes_free(struct sim *s)
{
    for (struct sim_node *n = s->nodes; n != NULL; n = n->next)
        n->refs++;
    for (struct sim_node *n = s->nodes; n != NULL; n = n->next) {
        clear_folder(&n->names);
        clear_folder(&n->synced_names);
    }
    s->root->refs--;
    while (s->nodes != NULL) {
        must(s->nodes->refs == 1);
        sys__sim_node_unref(s->nodes);
    }
}

/* ---- paths ---- */

/* The next part of *@path into @name; false at the end. Sets *@ret_errnum when it is no good. */
static bool next_part(const char **path, char name[SIM_NAME_BYTES_MAX + 1], int *ret_errnum)
{
    for (;;) {
        *path += strspn(*path, "/");
        size_t len = strcspn(*path, "/");
        if (len == 0)
            return false;
        if (len > SIM_NAME_BYTES_MAX) {
            *ret_errnum = ENAMETOOLONG;
            return false;
        }
        memcpy(name, *path, len);
        name[len] = '\0';
        *path += len;
        if (strcmp(name, ".") != 0)
            break;
    }
    if (strcmp(name, "..") == 0)
        *ret_errnum = EINVAL; /* nobody here writes such paths */
    return *ret_errnum == 0;
}

int sys__sim_find_parent(struct sim *s, const char *path, struct sim_node **ret_folder,
                         char ret_name[SIM_NAME_BYTES_MAX + 1])
{
    struct sim_node *folder = s->root;
    char name[SIM_NAME_BYTES_MAX + 1];
    int errnum = 0;

    if (path[0] == '\0')
        return ENOENT;
    ret_name[0] = '\0';
    while (next_part(&path, name, &errnum)) {
        if (ret_name[0] != '\0') {
            folder = sys__sim_folder_find(&folder->names, ret_name);
            if (folder == NULL)
                return ENOENT;
            if (!folder->is_folder)
                return ENOTDIR;
        }
        memcpy(ret_name, name, sizeof(name));
    }
    *ret_folder = folder;
    return errnum;
}

int sys__sim_find(struct sim *s, const char *path, struct sim_node **ret_node)
{
    char name[SIM_NAME_BYTES_MAX + 1];
    struct sim_node *folder;
    int errnum = sys__sim_find_parent(s, path, &folder, name);

    if (errnum != 0)
        return errnum;
    struct sim_node *n = name[0] == '\0' ? folder : sys__sim_folder_find(&folder->names, name);
    if (n == NULL)
        return ENOENT;
    *ret_node = n;
    return 0;
}
