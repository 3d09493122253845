/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What people and their tools see of a table's types: a JSON schema of its rows, and the .proto of
 * its own message. Any thread.
 */

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "row/row.h"

#include <stdbool.h>

/*
 * JSON schema (2020-12) of a JSON row. Whatever holds by it is taken as a row, but for the ranges
 * of numbers that stand in text; rows.md says what else is taken (other letter case of keys).
 * @iso_timestamps: the table takes timestamps as text of RFC 3339.
 */
void codec_json_schema(const struct row_schema *s, const char *title, bool iso_timestamps,
                       struct buf *out);
/* A DescriptorProto as a file for protoc (proto2), other types nested in the message. ERR_INVALID:
 * not a descriptor, or one with what own messages never have (groups, enums). */
must_use int codec_proto_text(struct slice descriptor, struct buf *out, struct err *e);
/* Standard alphabet, padded. */
void codec_base64(struct slice bytes, struct buf *out);
