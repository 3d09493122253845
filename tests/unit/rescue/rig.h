/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A data folder and a lake made by the real log, catalog and compactor, then closed: what an
 * offline command finds. Two tables with a key, whose rows stand mixed in the log.
 */

#include "test.h"

#include "base/mem.h"
#include "compact/compact.h"
#include "objstore/objstore.h"
#include "rescue_priv.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RIG_KEYS        50
#define RIG_TABLES      2
#define RIG_COLUMNS_MAX 4

struct rig {
    char path[64], data[96], lake_path[96];
    struct sys *sys;
    struct bronze *log;
    struct catalog *catalog;
    struct catalog_table *tables[RIG_TABLES];
    uint32_t table_ids[RIG_TABLES];
    int64_t newest[RIG_TABLES][RIG_KEYS]; /* n of the newest row; -1 = none */
    int64_t rows;                         /* so far; also the next n */
    bronze_pos last;
    struct err e;
};

void rig_up(struct rig *x); /* the log is open */
void rig_down(struct rig *x);
void rig_open(struct rig *x);
void rig_close(struct rig *x);
/* @count rows over both tables: key and n by turns, @filler bytes of text. Durable on return. */
void rig_load(struct rig *x, unsigned count, size_t filler);
/* Each table gets the column note; rows that follow have it. */
void rig_alter(struct rig *x);
void rig_commit(struct rig *x); /* everything into Delta */
void rig_trim(struct rig *x);   /* everything that is committed; at least one segment goes */
/* The path of the n-th file in a folder of the rig, whose name ends with @ending. Given. */
char *rig_file(struct rig *x, const char *folder, const char *ending, size_t n);
void rig_flip(const char *path, long offset); /* from the end when negative */

/* Does the store say of every key what was written last? */
void rig_check_store(struct rig *x);
