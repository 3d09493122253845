/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "image.h"

#include <stdio.h>

/* Kinds of operation, for cuts and faults that wait for one. */
enum kind {
    KIND_WRITE = 1,
    KIND_SYNC = 2,
    KIND_SYNCDIR = 4,
    KIND_RENAME = 8,
    KIND_CREATE = 16,
    KIND_REMOVE = 32,
    KIND_ALLOCATE = 64,
    KIND_ANY = 127,
};

#define PART_MAX 128

#define LIE (-1) /* say that it is done, and do not make it durable */

struct fault {
    unsigned kinds; /* 0 = none */
    int error;      /* errno or LIE */
    uint64_t left;  /* how often yet */
    char part[PART_MAX];
};

struct powerfs {
    struct image *image;
    const char *mount_point;
    /* The cut that is ordered: at once, or at the next operation of these kinds. */
    bool is_ordered, is_due;
    unsigned at_kinds;
    char at_part[PART_MAX];
    uint64_t seed;
    int64_t due_ms; /* the latest moment, monotonic */
    const char *cut_at;
    struct fault fault;
    uint64_t writes, syncs, folder_syncs, renames, creates, removes, faults;
};

/* What is to become of an operation: 0 go on, the errno to answer, or LIE. Sets is_due. */
int powerfs_verdict(struct powerfs *fs, enum kind kind, const struct node *n, const char *name);
/* One line of the control channel; answers on stdout. false: the end. */
bool powerfs_command(struct powerfs *fs, char *line);
int64_t mono_ms(void);

struct fuse_lowlevel_ops;
extern const struct fuse_lowlevel_ops powerfs_ops;
