/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The log's index in the store (never on the ack path): written by the apply thread with each
 * block, sparse, so that `find` needs a short scan and not the whole log. Keys:
 * docs/formats/store.md.
 */

#include "bronze/bronze.h"

struct store;
struct store_batch;
struct bronze_index; /* remembers what was last indexed, to stay sparse; one per apply thread */

struct bronze_index *bronze_index_new(void);
struct bronze_index *bronze_index_free(struct bronze_index *x);
/* Put the entries of @b into @batch. */
void bronze_index_add(struct bronze_index *x, const struct bronze_block *b,
                      struct store_batch *batch);
/* Remove the entries of what lies below @bound. Blocks on the store. */
must_use int bronze_index_trim(struct store *st, bronze_pos bound, struct err *e);

/*
 * Rule S3: does the newest part of the index, up to position @applied, say what stands in the log?
 * ERR_PRECONDITION: no; the store is of another log, or of another past of this one.
 */
must_use int bronze_index_check(struct bronze *log, struct store *st, bronze_pos applied,
                                struct err *e);

struct bronze_place {
    bronze_pos pos;
    uint64_t segment, offset;  /* of its block */
    struct bronze_frame frame; /* payload is not set */
};
/* Each returns 0 with the place, or ERR_NOT_FOUND (nothing such in the log any more, or not
 * yet). */
must_use int bronze_find_pos(struct bronze *log, struct store *st, bronze_pos pos,
                             struct bronze_place *ret_place, struct err *e);
must_use int bronze_find_time(struct bronze *log, struct store *st, int64_t time_us,
                              struct bronze_place *ret_place, struct err *e);
must_use int bronze_find_offset(struct bronze *log, struct store *st, uint32_t table_id,
                                uint64_t stream_id, uint64_t offset, struct bronze_place *ret_place,
                                struct err *e);
