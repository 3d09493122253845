/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Checking a store's files without taking it into use: nothing is written, no lock is taken.
 * <store>.sums beside the folder lists size and CRC-32C of its files (docs/formats/store.md).
 */

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct sys;
struct store;

/* @file: a name in the folder, or "" for the list itself. */
typedef void store_fault_fn(void *ctx, const char *file, const char *what);

struct store_files {
    bool recorded; /* there is a list */
    bool closed;   /* it was made at a stop in good order: of all files, as they must be now */
    uint64_t files, bytes; /* compared */
    uint64_t unlisted;     /* files that the list does not speak of */
};
/* Compare the files of the store at @path with its list. @live: a server has it open; then only
 * files that never change are compared. Returns 0 also with faults. */
must_use int store_check_files(struct sys *s, const char *path, bool live, store_fault_fn *fn,
                               void *ctx, struct store_files *ret, struct err *e);

/* Open for reading only what is flushed. ERR_NOT_FOUND: there is none. ERR_DAMAGED. */
must_use int store_open_look(const char *path, struct store **ret_store, struct err *e);
