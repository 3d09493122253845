/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * codec: bytes ↔ rows. A plan is compiled once from a DescriptorProto and a schema and says, per
 * field number, which column it fills; with it protobuf rows are checked in one pass, decoded into
 * values, and JSON rows are turned into the table's own protobuf. Pure: no I/O, no threads, no
 * allocation per row. Mapping and rules: docs/formats/rows.md.
 *
 * A plan is immutable and shared by counting (any thread). A failure names the column and the
 * reason in @e, and the column's path in e->field; the caller puts table, offset and record in
 * front (err_wrap).
 */

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "row/row.h"

struct codec_plan;

/*
 * @descriptor: a serialised google.protobuf.DescriptorProto (not a FileDescriptorProto). Fields are
 * matched to columns by name, letter case ignored; the field must have the type that the column
 * asks for. Each NOT NULL column needs a field; nullable columns may be absent.
 * Returns: 0. ERR_INVALID naming field, column and reason. ERR_UNSUPPORTED (groups).
 */
must_use int codec_plan_new(struct slice descriptor, struct row_schema *schema,
                            struct codec_plan **ret_plan, struct err *e);
/* The plan of the table's own message (see codec_table_descriptor): for rows that came as JSON. */
struct codec_plan *codec_plan_new_own(struct row_schema *schema);
/* From now on timestamps in JSON may be RFC 3339 text, too. Only before the plan is shared. */
void codec_plan_take_iso8601(struct codec_plan *own);
/*
 * What @descriptor has beyond the schema, as row_change.adds takes it: "path TYPE", each ended by a
 * NUL byte, appended to @out. Fields of columns that are there are not judged. ERR_INVALID: a field
 * whose type cannot be a column's.
 */
must_use int codec_new_columns(struct slice descriptor, const struct row_schema *s, struct buf *out,
                               size_t *ret_count, struct err *e);
struct codec_plan *codec_plan_ref(struct codec_plan *p);
struct codec_plan *codec_plan_unref(struct codec_plan *p); /* takes NULL; returns NULL */
CLEANUP_FUNC(struct codec_plan *, codec_plan_unref)
struct row_schema *codec_plan_schema(const struct codec_plan *p); /* borrowed */

/* The table's own record message as a DescriptorProto: field number = field_id, proto2 labels. */
void codec_table_descriptor(const struct row_schema *s, const char *message_name, struct buf *out);

/* Is @row a valid row? One walk over the wire, no output. The hot path. ERR_INVALID with the
 * column. */
must_use int codec_check(const struct codec_plan *p, struct slice row, struct err *e);

/*
 * Decode a row that codec_check() has accepted: @values one per column of the schema, absent =
 * null. Bytes are borrowed from @row or from @arena, items from @arena (NULL will do when the
 * schema is flat). Of a flat value only the member of its type is set. ERR_DAMAGED when it is not
 * valid after all: then @values hold nothing of use.
 */
must_use int codec_decode(const struct codec_plan *p, struct slice row, struct arena *arena,
                          struct row_value *values);
/* The same, straight into a column batch. @arena is scratch, reset here; kept from row to row it
 * saves allocations (NULL will do when the schema is flat). Takes 64 KiB of stack. */
must_use int codec_decode_into(const struct codec_plan *p, struct slice row, struct arena *arena,
                               struct row_batch *batch);

/* One JSON object → a row of the own plan's message, appended to @out. ERR_INVALID with column/path
 * and byte offset; nothing is appended then. */
must_use int codec_json_to_row(const struct codec_plan *own, struct slice json, struct buf *out,
                               struct err *e);
/* A key as a JSON object with exactly the key columns → its memcomparable form, appended to @out.
 * ERR_PRECONDITION: the table has no key. Takes 64 KiB of stack. */
must_use int codec_json_to_key(const struct row_schema *s, struct slice json, struct buf *out,
                               struct err *e);

/* Values → one JSON object. Null columns are written as null. Decimals and 64-bit integers: see
 * rows.md. */
void codec_values_to_json(const struct row_schema *s, const struct row_value *values,
                          struct buf *out);
/* Values → a row of the table's own message. */
void codec_values_to_row(const struct row_schema *s, const struct row_value *values,
                         struct buf *out);
