/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names: each folder has two tables, the one that programs see and the durable one. A change is
 * made in the first at once and waits as an operation for the second.
 *
 * A sync of a folder makes every waiting operation durable that puts a name into it or drops one
 * from it; a move counts where it leads to. Before an operation, all earlier ones of the same node
 * become durable: a file is never in two places, or in none, because of a move. Syncing a file
 * does nothing for its name.
 */
#include "image_priv.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static uint32_t hash_of(const char *text)
{
    uint32_t h = 2166136261u;
    for (; *text != '\0'; text++)
        h = (h ^ (uint8_t)*text) * 16777619u;
    return h;
}

static struct name *find(const struct names *names, const char *text)
{
    uint32_t hash = hash_of(text);
    for (size_t i = 0; i < names->count; i++)
        if (names->all[i].hash == hash && strcmp(names->all[i].text, text) == 0)
            return &names->all[i];
    return NULL;
}

static void names_put(struct names *names, const char *text, struct node *n)
{
    struct name *there = find(names, text);
    if (there != NULL) {
        there->node = n;
        return;
    }
    if (names->count == names->room) {
        names->room = names->room * 2 + 8;
        names->all = mem_realloc(names->all, names->room * sizeof(*names->all));
    }
    names->all[names->count++] =
        (struct name){mem_strdup(text), hash_of(text), ++names->last_cookie, n};
}

static void names_drop(struct names *names, const char *text, const struct node *n)
{
    struct name *there = find(names, text);
    if (there == NULL || there->node != n)
        return;
    mem_free(there->text);
    size_t behind = names->count - (size_t)(there - names->all) - 1;
    memmove(there, there + 1, behind * sizeof(*there));
    names->count--;
}

static void names_clear(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        mem_free(names->all[i].text);
    names->count = 0;
}

void image__names_free(struct names *names)
{
    if (names == NULL)
        return;
    names_clear(names);
    mem_free(names->all);
    mem_free(names);
}

static void place(struct node *n, struct node *folder, const char *text)
{
    mem_free(n->name);
    n->name = mem_strdup(text);
    n->parent = folder;
}

void image__names_become_durable(struct node *folder)
{
    names_clear(folder->now);
    for (size_t i = 0; i < folder->durable->count; i++) {
        const struct name *e = &folder->durable->all[i];
        names_put(folder->now, e->text, e->node);
        place(e->node, folder, e->text);
        e->node->links = 1;
    }
}

/* ---- operations that wait ---- */

static void op_add(struct image *im, const struct op *op)
{
    if (im->op_count == im->op_room) {
        im->op_room = im->op_room * 2 + 64;
        im->ops = mem_realloc(im->ops, im->op_room * sizeof(*im->ops));
    }
    struct op *o = &im->ops[im->op_count++];
    *o = *op;
    o->from_name = op->from_name != NULL ? mem_strdup(op->from_name) : NULL;
    o->to_name = op->to_name != NULL ? mem_strdup(op->to_name) : NULL;
}

static void op_apply(struct op *o)
{
    if (o->from != NULL)
        names_drop(o->from->durable, o->from_name, o->node);
    if (o->to != NULL)
        names_put(o->to->durable, o->to_name, o->node);
}

static void op_free(struct op *o)
{
    mem_free(o->from_name);
    mem_free(o->to_name);
}

void image__ops_free(struct image *im)
{
    for (size_t i = 0; i < im->op_count; i++)
        op_free(&im->ops[i]);
    mem_free(im->ops);
    im->ops = NULL;
    im->op_count = im->op_room = 0;
}

bool image__ops_hold(const struct image *im, const struct node *n)
{
    for (size_t i = 0; i < im->op_count; i++) {
        const struct op *o = &im->ops[i];
        if (o->node == n || o->from == n || o->to == n)
            return true;
    }
    return false;
}

/* Whether a later operation of the same node is chosen: then this one is as well. */
static void choose_earlier(const struct image *im, bool *chosen)
{
    for (size_t i = im->op_count; i-- > 0;)
        for (size_t j = i; chosen[i] && j-- > 0;)
            chosen[j] = chosen[j] || im->ops[j].node == im->ops[i].node;
}

static void apply_chosen(struct image *im, const bool *chosen)
{
    size_t left = 0;

    for (size_t i = 0; i < im->op_count; i++) {
        if (chosen[i]) {
            op_apply(&im->ops[i]);
            op_free(&im->ops[i]);
        } else {
            im->ops[left++] = im->ops[i];
        }
    }
    im->op_count = left;
}

void image_sync_folder(struct image *im, struct node *folder)
{
    if (im->op_count == 0)
        return;
    bool *chosen = mem_calloc(im->op_count, sizeof(*chosen));
    for (size_t i = 0; i < im->op_count; i++) {
        const struct op *o = &im->ops[i];
        chosen[i] = o->to != NULL ? o->to == folder : o->from == folder;
    }
    choose_earlier(im, chosen);
    apply_chosen(im, chosen);
    mem_free(chosen);
}

void image__cut_names(struct image *im, const struct cut *c)
{
    if (im->op_count == 0)
        return;
    bool *chosen = mem_calloc(im->op_count, sizeof(*chosen));
    size_t border = image_random(c->random) % (im->op_count + 1);
    uint64_t how = c->all_lost ? 0 : image_random(c->random) % 3;
    for (size_t i = 0; i < im->op_count; i++)
        chosen[i] = how == 1 ? i < border : how == 2 && image_random(c->random) % 2 == 0;
    choose_earlier(im, chosen);
    for (size_t i = 0; i < im->op_count; i++)
        c->report->names_kept += chosen[i];
    c->report->names += im->op_count;
    apply_chosen(im, chosen);
    image__ops_free(im);
    mem_free(chosen);
}

/* ---- what programs do ---- */

struct node *image_find(struct node *folder, const char *text)
{
    const struct name *e = find(folder->now, text);
    return e != NULL ? e->node : NULL;
}

const struct name *image_next(const struct node *folder, uint64_t cookie)
{
    for (size_t i = 0; i < folder->now->count; i++)
        if (folder->now->all[i].cookie > cookie)
            return &folder->now->all[i];
    return NULL;
}

int image_link(struct image *im, struct node *n, struct node *folder, const char *text)
{
    if (find(folder->now, text) != NULL)
        return -EEXIST;
    names_put(folder->now, text, n);
    place(n, folder, text);
    n->links++;
    op_add(im, &(struct op){.node = n, .to = folder, .to_name = (char *)text});
    return 0;
}

struct node *image_create(struct image *im, struct node *folder, const char *text, mode_t mode)
{
    struct node *n = image__node_new(im, mode);
    (void)image_link(im, n, folder, text); /* the caller looked: there is no such name */
    return n;
}

int image_remove(struct image *im, struct node *folder, const char *text, bool is_folder)
{
    struct node *n = image_find(folder, text);

    if (n == NULL)
        return -ENOENT;
    if (is_folder != S_ISDIR(n->mode))
        return is_folder ? -ENOTDIR : -EISDIR;
    if (is_folder && n->now->count > 0)
        return -ENOTEMPTY;
    names_drop(folder->now, text, n);
    n->links--;
    im->removed++;
    op_add(im, &(struct op){.node = n, .from = folder, .from_name = (char *)text});
    return 0;
}

int image_rename(struct image *im, const struct move *m)
{
    struct node *n = image_find(m->from, m->from_name), *there = image_find(m->to, m->to_name);

    if (n == NULL)
        return -ENOENT;
    if (n == there)
        return 0;
    if (there != NULL) {
        if (!m->may_replace)
            return -EEXIST;
        if (S_ISDIR(n->mode) != S_ISDIR(there->mode))
            return S_ISDIR(n->mode) ? -ENOTDIR : -EISDIR;
        if (S_ISDIR(there->mode) && there->now->count > 0)
            return -ENOTEMPTY;
        there->links--;
        im->removed++;
    }
    names_drop(m->from->now, m->from_name, n);
    names_put(m->to->now, m->to_name, n);
    place(n, m->to, m->to_name);
    op_add(im, &(struct op){.node = n,
                            .from = m->from,
                            .from_name = (char *)m->from_name,
                            .to = m->to,
                            .to_name = (char *)m->to_name});
    return 0;
}
