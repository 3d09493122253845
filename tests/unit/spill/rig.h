/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A data folder of its own, and frames of rows. */

#include "test.h"

#include "base/mem.h"
#include "spill_priv.h"
#include "sys/sys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rig {
    char path[64];
    struct sys *sys;
    struct spill_folder d;
    bronze_pos prev;
    struct buf payload;
    struct err e;
};

void rig_up(struct rig *x);
void rig_down(struct rig *x);
/* @rows rows of @len bytes for @table, from @pos on; borrowed until the next one. */
struct bronze_frame rig_frame(struct rig *x, uint32_t table, bronze_pos pos, uint32_t rows,
                              size_t len);
/* A finished file of @table with @frames frames of 3 rows, each 10 positions after the last. The
 * table's file before it ended at x->prev. */
struct spill_file rig_file(struct rig *x, uint32_t table, bronze_pos from, unsigned frames,
                           size_t len);
void rig_flip(struct rig *x, const char *name, uint64_t offset);
uint64_t rig_rows_of(struct rig *x, const struct spill_file *f, int *ret_end);
