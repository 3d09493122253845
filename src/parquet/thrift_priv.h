/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Thrift's compact protocol, writing only: fields of a struct in rising order of id, lists, and
 * structs in both. Nesting is at most PARQUET_THRIFT_DEPTH_MAX deep.
 */

#include "base/buf.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define PARQUET_THRIFT_DEPTH_MAX 12

/* The types as they stand in field and list headers. */
enum parquet_thrift_type {
    THRIFT_TRUE = 1, /* also the type of a list of booleans */
    THRIFT_FALSE = 2,
    THRIFT_BYTE = 3,
    THRIFT_I16 = 4,
    THRIFT_I32 = 5,
    THRIFT_I64 = 6,
    THRIFT_BINARY = 8,
    THRIFT_LIST = 9,
    THRIFT_STRUCT = 12,
};

struct parquet_thrift {
    struct buf *out; /* borrowed */
    uint32_t depth;
    int last_id[PARQUET_THRIFT_DEPTH_MAX];
};

void parquet__thrift_init(struct parquet_thrift *t, struct buf *out); /* begins the outermost */
void parquet__thrift_end(struct parquet_thrift *t);                   /* ends any struct */

/* Fields of the current struct. */
void parquet__thrift_bool(struct parquet_thrift *t, int id, bool v);
void parquet__thrift_i8(struct parquet_thrift *t, int id, int8_t v);
void parquet__thrift_i16(struct parquet_thrift *t, int id, int16_t v);
void parquet__thrift_i32(struct parquet_thrift *t, int id, int32_t v);
void parquet__thrift_i64(struct parquet_thrift *t, int id, int64_t v);
void parquet__thrift_binary(struct parquet_thrift *t, int id, struct slice v);
void parquet__thrift_struct(struct parquet_thrift *t, int id); /* until parquet__thrift_end() */
void parquet__thrift_list(struct parquet_thrift *t, int id, enum parquet_thrift_type of,
                          size_t count);

/* Elements of the list just begun. */
void parquet__thrift_item_bool(struct parquet_thrift *t, bool v);
void parquet__thrift_item_int(struct parquet_thrift *t, int64_t v); /* i16, i32, i64 */
void parquet__thrift_item_binary(struct parquet_thrift *t, struct slice v);
void parquet__thrift_item_struct(struct parquet_thrift *t); /* until parquet__thrift_end() */

/* Base-128, low groups first; also used by the level encoding. At most 10 bytes. */
void parquet__varint(struct buf *out, uint64_t v);
