/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the codec tests share: schemas from DDL, descriptors by hand, expectations on errors. */

#include "codec/codec.h"
#include "codec/wire.h"

#include "base/mem.h"

#include "test.h"

#include <stdio.h>
#include <string.h>

enum proto_type {
    PB_DOUBLE = 1,
    PB_FLOAT,
    PB_INT64,
    PB_UINT64,
    PB_INT32,
    PB_FIXED64,
    PB_FIXED32,
    PB_BOOL,
    PB_STRING,
    PB_GROUP,
    PB_MESSAGE,
    PB_BYTES,
    PB_UINT32,
    PB_ENUM,
    PB_SFIXED32,
    PB_SFIXED64,
    PB_SINT32,
    PB_SINT64,
};
enum proto_label { PB_OPTIONAL = 1, PB_REQUIRED, PB_REPEATED };

static inline struct row_schema *help_schema(const char *ddl, const char *key)
{
    struct row_schema *s = NULL;
    cr_assert_eq(row_schema_parse(slice_str(ddl), &key, key != NULL, &s, NULL), 0);
    return s;
}

static inline void help_field(struct buf *descriptor, const char *name, uint32_t number,
                              enum proto_label label, enum proto_type type)
{
    struct buf f = BUF_NULL;
    wire_add_bytes(&f, 1, slice_str(name));
    wire_add_u64(&f, 3, number);
    wire_add_u64(&f, 4, label);
    wire_add_u64(&f, 5, type);
    wire_add_bytes(&f, 10, slice_str(name)); /* json_name */
    wire_add_u64(&f, 17, 1);                 /* proto3_optional */
    wire_add_bytes(descriptor, 2, buf_slice(&f));
    buf_deinit(&f);
}

static inline void help_expect(const char *what, int r, const struct err *e, int code,
                               const char *part)
{
    if (r != code || e->code != code || strstr(e->text, part) == NULL)
        fprintf(stderr, "%s: %d \"%s\", expected \"%s\"\n", what, r, e->text, part);
    cr_assert_eq(r, code);
    cr_assert_eq(e->code, code);
    cr_assert(strstr(e->text, part) != NULL);
}
