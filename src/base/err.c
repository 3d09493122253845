/* SPDX-License-Identifier: Apache-2.0 */
/* The error table and the sentences. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int code, grpc;
    bool retry;
    const char *name, *text;
} table[] = {
#define X(name, value, grpc, retry, text) {(value), (grpc), (retry), #name, (text)},
    ERR_TABLE(X)
#undef X
};

static size_t row_of(int code)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (table[i].code == code)
            return i;
    return 8; /* INTERNAL */
}

const char *err_name(int code)
{
    return code == 0 ? "OK" : table[row_of(code)].name;
}

const char *err_text(int code)
{
    return code == 0 ? "done" : table[row_of(code)].text;
}

int err_grpc_status(int code)
{
    return code == 0 ? 0 : table[row_of(code)].grpc;
}

bool err_is_retryable(int code)
{
    return code != 0 && table[row_of(code)].retry;
}

int err_from_errno(int errnum)
{
    switch (errnum) {
    case ENOENT: return ERR_NOT_FOUND;
    case EEXIST: return ERR_EXISTS;
    case EACCES:
    case EPERM: return ERR_DENIED;
    case ENOSPC:
    case EDQUOT: return ERR_NO_SPACE;
    case EMFILE:
    case ENFILE: return ERR_EXHAUSTED;
    case ENOMEM: return ERR_NO_MEMORY;
    case EWOULDBLOCK:
    case EBUSY: return ERR_BUSY;
    default: return ERR_IO;
    }
}

/* A limit cut @text: not in the middle of a UTF-8 character, for it may become a STRING. */
static void end_whole(char *text)
{
    size_t len = strlen(text), more = 0; /* bytes behind the character's first one */
    while (more < 3 && more < len && ((uint8_t)text[len - 1 - more] & 0xc0) == 0x80)
        more++;
    if (more == len)
        return;
    char *first = &text[len - 1 - more];
    uint8_t lead = (uint8_t)*first;
    size_t want = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
    if (more < want)
        *first = '\0';
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
    if (e == NULL)
        return code;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(e->text, sizeof(e->text), fmt, args); /* cut at the limit on purpose */
    va_end(args);
    end_whole(e->text);
    e->code = code;
    e->field[0] = '\0';
    return code;
}

int err_blame(struct err *e, const char *field)
{
    if (e == NULL)
        return ERR_INTERNAL;
    (void)snprintf(e->field, sizeof(e->field), "%s", field); /* cut at the limit on purpose */
    end_whole(e->field);
    return e->code;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
    if (e == NULL)
        return ERR_INTERNAL;
    char before[ERR_TEXT_MAX];
    memcpy(before, e->text, sizeof(before));
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(e->text, sizeof(e->text), fmt, args);
    va_end(args);
    size_t used = n < 0 ? 0 : MIN((size_t)n, sizeof(e->text) - 1);
    size_t room = sizeof(e->text) - used;
    size_t len =
        MIN(strlen(before), room > 3 ? room - 3 : 0); /* ": " and the end; cut on purpose */
    if (room > 3) {
        memcpy(e->text + used, ": ", 2);
        memcpy(e->text + used + 2, before, len);
        e->text[used + 2 + len] = '\0';
    }
    end_whole(e->text);
    return e->code;
}
