/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * image: a tree of files in memory that knows what of it is durable.
 *
 * Each file has its bytes as programs see them now, and for every 512-byte sector written since
 * the last sync what the disk holds instead. Each folder has its names as programs see them and
 * the durable ones; between the two stands a list of operations in order. image_cut() takes the
 * power away: of what is not durable, a part drawn from the seed survives.
 *
 * One thread. Memory never runs out here: the process ends instead.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define IMAGE_PAGE   4096u
#define IMAGE_SECTOR 512u

struct page;
struct names;

struct node {
    uint64_t id;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    int64_t mtime_ns;
    uint64_t lookups;    /* held by the kernel */
    struct node *parent; /* where it was last put, with its name there: for faults by path */
    char *name;
    unsigned links;
    bool marked;
    /* a file */
    uint64_t size, size_durable;
    struct page *pages;
    size_t page_count;
    uint32_t *dirty; /* numbers of pages with sectors that are not durable */
    size_t dirty_count, dirty_room;
    /* a folder */
    struct names *now, *durable;
};

struct name {
    char *text;
    uint32_t hash;
    uint64_t cookie; /* grows; readdir goes on behind it */
    struct node *node;
};

struct names {
    struct name *all; /* by cookie */
    size_t count, room;
    uint64_t last_cookie;
};

struct image;

/* What a cut did: sectors and name operations that were not durable, and how many survived. */
struct cut_report {
    uint64_t files, sectors, sectors_kept, sizes, sizes_kept, names, names_kept;
};

struct image *image_new(void);
void image_free(struct image *im);
struct node *image_root(struct image *im);
uint64_t image_bytes(const struct image *im); /* in use, as programs see it */

struct node *image_find(struct node *folder, const char *name);
/* Name after @cookie; NULL at the end. */
const struct name *image_next(const struct node *folder, uint64_t cookie);
/* These change what programs see; a sync of the folder makes it durable. 0 or -errno. */
struct node *image_create(struct image *im, struct node *folder, const char *name, mode_t mode);
int image_link(struct image *im, struct node *n, struct node *folder, const char *name);
int image_remove(struct image *im, struct node *folder, const char *name, bool is_folder);

struct move {
    struct node *from, *to;
    const char *from_name, *to_name;
    bool may_replace;
};
int image_rename(struct image *im, const struct move *m);
void image_sync_folder(struct image *im, struct node *folder);

size_t image_read(const struct node *n, void *buf, size_t len, uint64_t offset);
struct span {
    const void *data; /* NULL: zeros */
    size_t len;
    uint64_t offset;
};
void image_write(struct image *im, struct node *n, const struct span *s);
void image_truncate(struct image *im, struct node *n, uint64_t size);
void image_sync_file(struct node *n);
/* Only these bytes, and the length that they need: what a write to an O_DSYNC file is given. */
void image_sync_range(struct node *n, uint64_t offset, size_t len);
/* The same for a random part of the sectors: a write that the power cut met half way. */
void image_tear_range(struct node *n, const struct span *s, uint64_t *random);

/* The power goes: afterwards everything is durable, the lookups are forgotten. */
struct cut_report image_cut(struct image *im, uint64_t seed);
/* Free what no name and no kernel holds; cheap when little was removed since the last time. */
void image_sweep(struct image *im);
uint64_t image_random(uint64_t *state);
