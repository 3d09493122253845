/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Errors. A function that can fail returns int: 0 done; negative = an ERR_ code, passed up
 * unchanged with TRY(); positive = an outcome named in the face, handled by the caller.
 * The sentence for people goes into a struct err that the request owns, written once where the
 * failure is born.
 */

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>

/* X(name, value, gRPC status, client may retry, text) */
#define ERR_TABLE(X)                                                                               \
    X(INVALID, -1, 3, false, "invalid argument")                                                   \
    X(NOT_FOUND, -2, 5, false, "not found")                                                        \
    X(EXISTS, -3, 6, false, "already exists")                                                      \
    X(DENIED, -4, 7, false, "permission denied")                                                   \
    X(UNAUTHENTICATED, -5, 16, false, "unauthenticated")                                           \
    X(EXHAUSTED, -6, 8, true, "a limit was reached")                                               \
    X(UNSUPPORTED, -7, 12, false, "not supported")                                                 \
    X(UNAVAILABLE, -8, 14, true, "unavailable")                                                    \
    X(INTERNAL, -9, 13, true, "internal fault")                                                    \
    X(IO, -10, 13, true, "input/output error")                                                     \
    X(NO_SPACE, -11, 8, true, "no space left on the device")                                       \
    X(NO_MEMORY, -12, 8, true, "memory budget used up")                                            \
    X(DAMAGED, -13, 15, false, "stored data is damaged")                                           \
    X(PRECONDITION, -14, 9, false, "not possible in the present state")                            \
    X(TIMEOUT, -15, 4, true, "deadline exceeded")                                                  \
    X(CANCELLED, -16, 1, true, "cancelled")                                                        \
    X(BUSY, -17, 14, true, "in use by another process")

enum err_code {
#define X(name, value, grpc, retry, text) ERR_##name = (value),
    ERR_TABLE(X)
#undef X
};

#define ERR_TEXT_MAX  1024
#define ERR_FIELD_MAX 256

/* What went wrong, for people; and for programs which field of a row is to blame. Owned by the
 * request; texts are always terminated. */
struct err {
    int code;
    char text[ERR_TEXT_MAX];
    char field[ERR_FIELD_MAX]; /* path of a column: "address.street[3]"; "" = none */
};

/* Name of the code ("INVALID"), its general text, its gRPC status number, retry by the client. */
const char *err_name(int code);
const char *err_text(int code);
int err_grpc_status(int code);
bool err_is_retryable(int code);

/* The error for an errno value: ENOSPC and EDQUOT are NO_SPACE, ENOENT NOT_FOUND and so on. */
int err_from_errno(int errnum);

/* Write code and sentence into @e (which may be NULL) and return the code. */
int err_set(struct err *e, int code, const char *fmt, ...) printf_like(3, 4);

/* Name the field to blame in an error that was just set. Returns e->code. @e may be NULL. */
int err_blame(struct err *e, const char *field);

/* Put "<context>: " before the sentence that @e already holds. Returns e->code. */
int err_wrap(struct err *e, const char *fmt, ...) printf_like(2, 3);

/* Pass a failure up unchanged; outcomes (> 0) are for the caller and go on. */
#define TRY(expr)                                                                                  \
    do {                                                                                           \
        int try_r_ = (expr);                                                                       \
        if (unlikely(try_r_ < 0))                                                                  \
            return try_r_;                                                                         \
    } while (0)
