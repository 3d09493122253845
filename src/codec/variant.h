/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * VARIANT: JSON text ↔ the binary variant encoding, version 1 (Parquet's VariantEncoding.md). A
 * variant is its metadata (a dictionary of field names, sorted) followed by its value; see
 * row_variant_split(). Any thread.
 *
 * Numbers: an integer of 64 bits takes the narrowest integer type; else a number without exponent
 * of at most 38 digits is a decimal with the digits as written; all others are doubles. Objects'
 * fields stand sorted by name; of a name that comes twice: ERR_INVALID. Text made from a variant is
 * canonical: equal values give equal text.
 */

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#define VARIANT_BYTES_MAX (16u * 1024 * 1024 - 1) /* what Spark takes */
#define VARIANT_DEPTH_MAX 100

/* Appends the variant of one JSON value; nothing is appended on failure. ERR_INVALID with the byte
 * (from 0) and the reason. */
must_use int codec_variant_from_json(struct slice json, struct buf *out, struct err *e);
/* The same without output. No allocation but for large objects. */
must_use int codec_variant_check(struct slice json, struct err *e);
/* Appends canonical JSON text. The bytes are not trusted: ERR_DAMAGED. */
must_use int codec_variant_to_json(struct slice variant, struct buf *out, struct err *e);
