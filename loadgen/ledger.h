/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The ledger of a run (docs/formats/ledger.md): rows sent, acks received. One file, a lane for each
 * stream. A lane belongs to whoever holds its stream's lock; lanes write to the file by turns.
 */

#include "loadgen.h"
#include "rowset.h"

#include "base/slice.h"

struct ledger;
struct ledger_lane;

struct ledger *ledger_open(const char *path); /* NULL with a sentence on stderr */
must_use int ledger_close(struct ledger *l);  /* takes NULL; an exit code: was all written? */

/* @stream: the server's id. @o: whose rows. */
struct ledger_lane *ledger_lane_new(struct ledger *l, const char *stream, const char *table,
                                    const struct rows_options *o);
/* Writes what it still holds. Takes NULL; returns NULL. */
struct ledger_lane *ledger_lane_free(struct ledger_lane *n);
void ledger_row(struct ledger_lane *n, int64_t offset, uint64_t seq, struct slice row);
void ledger_ack(struct ledger_lane *n, int64_t offset);
