/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Parquet files of ours read back: bytes → column batches. Reads what parquet.h writes (PLAIN or
 * dictionary, zstd, data page v1 with CRC) and refuses everything else. A file may be older than
 * the table's schema: added columns are null then, narrow values are widened. The bytes are not
 * trusted: every length is checked, every level, every page's checksum too. Pure: the file is in
 * memory; no I/O, no threads.
 */

#include "base/attr.h"
#include "base/err.h"
#include "base/slice.h"
#include "row/row.h"

#include <stdint.h>

struct parquet_reader;

/* @file is borrowed until free; its columns must be those of @schema, or of what it was before
 * (row_widening_ok). ERR_DAMAGED with the byte in
 * the file; ERR_UNSUPPORTED: a file that we would not have written (other columns, other codec). */
must_use int parquet_reader_new(struct row_schema *schema, struct slice file,
                                struct parquet_reader **ret_reader, struct err *e);
uint32_t parquet_reader_group_count(const struct parquet_reader *r);
uint64_t parquet_reader_row_count(const struct parquet_reader *r);
/* Row group @group replaces what is in @batch (of the same schema). */
must_use int parquet_reader_batch(struct parquet_reader *r, uint32_t group, struct row_batch *batch,
                                  struct err *e);
struct parquet_reader *parquet_reader_free(struct parquet_reader *r); /* takes NULL; returns NULL */
CLEANUP_FUNC(struct parquet_reader *, parquet_reader_free)
