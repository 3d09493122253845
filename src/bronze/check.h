/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The log's files, looked at without opening the log: nothing is written, nothing repaired. Every
 * segment header, every block and every checksum, and whether each segment continues the one before
 * it. Unlike recovery it does not stop at the first fault: what can be read behind it is read.
 *
 * Thread: the caller's; blocks. The caller holds the folder's lock, or says that a server is at
 * work.
 */

#include "bronze/bronze.h"

/* @file is relative to the data folder; @what a sentence without file and place. */
typedef void bronze_fault_fn(void *ctx, const char *file, uint64_t offset, const char *what);

struct bronze_check {
    const char *path; /* data folder */
    bool live;        /* a server writes: what it has not finished is no fault */
    bronze_dump_fn *on_block;
    bronze_fault_fn *on_fault; /* NULL: nobody is told */
    void *ctx;
    /* set on return 0, and as far as it came by each call of on_block */
    struct uuid uuid;
    uint64_t timeline, epoch;    /* of the last life */
    uint64_t segments, blocks;   /* read */
    uint64_t bytes, bytes_total; /* of the blocks read; of the segment files */
    uint64_t faults;
    bronze_pos first_pos, end_pos; /* positions [first_pos, end_pos) are there, but for faults */
    uint64_t torn_bytes;           /* behind the end of the last life: never acknowledged */
    bool sealed; /* the last block is an empty one: idle, or stopped in good order */
};
/* 0 also with faults; negative when the folder is not a log, or a file cannot be read at all; what
 * on_block returns, when that is negative. */
must_use int bronze_check(struct sys *s, struct bronze_check *k, struct err *e);
