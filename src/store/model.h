/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* store_open_model()'s powers that only tests and the simulator use. */

#include <stdbool.h>
#include <stddef.h>

struct store;

/* What a crash does: everything since the last flush is gone. No snapshot or iterator is alive. */
void store_model_crash(struct store *model);

/*
 * The real store may flush by itself at any time, so a crash leaves any number of the batches
 * written since the last flush, the oldest first. Remember them from now on (@on), so that
 * store_model_crash_keep() can keep the first @batches of them.
 */
void store_model_remember(struct store *model, bool on);
size_t store_model_unflushed(struct store *model); /* batches remembered */
void store_model_crash_keep(struct store *model, size_t batches);

/* The next @count writes and flushes fail with ERR_IO; after one has, all do until store_reopen(),
 * which loses what was not flushed (rule S5). A crash forgets it. */
void store_model_fail(struct store *model, unsigned count);
