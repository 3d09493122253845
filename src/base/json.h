/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Writing JSON text into a buffer. Commas are put by the writer; the caller opens and closes.
 *
 *   json_open(&j, '{'); json_key(&j, "rows"); json_u64(&j, 7); json_close(&j, '}');
 */

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct json {
    struct buf *out;
    bool comma; /* private: the next value needs one */
};

static inline struct json json_on(struct buf *out)
{
    return (struct json){out, false};
}

void json_open(struct json *j, char bracket);  /* '{' or '[' */
void json_close(struct json *j, char bracket); /* '}' or ']' */
void json_key(struct json *j, const char *key);
void json_key_slice(struct json *j, struct slice key);
void json_str(struct json *j, const char *s);
void json_slice(struct json *j, struct slice utf8); /* escaped as RFC 8259 asks */
void json_i64(struct json *j, int64_t v);
void json_u64(struct json *j, uint64_t v);
void json_double(struct json *j,
                 double v); /* shortest form that reads back equal; NaN, inf: null */
void json_bool(struct json *j, bool v);
void json_null(struct json *j);
void json_raw(struct json *j, struct slice text); /* a complete value, as it is */
