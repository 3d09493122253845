/* SPDX-License-Identifier: Apache-2.0 */
/* Sentences that several files of codec say: columns by their path, foreign bytes. Thread: any. */
#include "codec_priv.h"

#include <stdarg.h>
#include <stdio.h>

int codec__fail_at(struct err *e, int code, const char *path, const char *fmt, ...)
{
    char sentence[ERR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(sentence, sizeof(sentence), fmt, args); /* cut at the limit on purpose */
    va_end(args);
    (void)err_set(e, code, "column %s%s", path, sentence);
    (void)err_blame(e, path);
    return code;
}

int codec__fail_missing(const char *path, struct err *e)
{
    return codec__fail_at(e, ERR_INVALID, path, " is NOT NULL but the record has no value");
}

struct codec__text codec__show(struct slice s)
{
    struct codec__text t = {{0}};
    size_t len = MIN(s.len, 48);
    for (size_t i = 0; i < len; i++)
        t.text[i] = s.data[i] >= 0x20 && s.data[i] < 0x7f ? (char)s.data[i] : '?';
    if (s.len > 48)
        memcpy(t.text + 48, "...", 4);
    return t;
}

struct codec__text codec__type_text(const struct row_column *c)
{
    struct buf b = BUF_NULL;
    row_type_name(c, false, &b);
    struct codec__text t = codec__show(buf_slice(&b));
    buf_deinit(&b);
    return t;
}
