/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image.h"

struct page {
    uint8_t *now, *old; /* NULL: zeros; nothing kept */
    uint8_t dirty;      /* a bit for each sector that is not durable */
};

/* One change of names that no sync has made durable: put (to only), drop (from only), move (both).
 */
struct op {
    struct node *node;
    struct node *from, *to; /* folders; NULL = not this half */
    char *from_name, *to_name;
};

struct image {
    struct node *root;
    struct node **nodes;
    size_t node_count, node_room;
    struct op *ops; /* in order */
    size_t op_count, op_room;
    uint64_t last_id, pages;
    unsigned removed; /* since the last sweep */
};

struct cut {
    uint64_t *random;
    struct cut_report *report;
    bool all_lost; /* this time nothing survives that was not synced */
};

struct node *image__node_new(struct image *im, mode_t mode);
void image__names_free(struct names *names);
void image__names_become_durable(struct node *folder);
void image__cut_names(struct image *im, const struct cut *c);
bool image__ops_hold(const struct image *im, const struct node *n);
void image__ops_free(struct image *im);
