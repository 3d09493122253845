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

/* ---- paths ---- */

static void add(struct codec__path *p, const char *text)
{
    size_t len = MIN(strlen(text), sizeof(p->text) - 1 - p->len);
    memcpy(p->text + p->len, text, len);
    p->len += len;
    p->text[p->len] = '\0';
}

static void add_key(struct codec__path *p, const struct codec__step *s)
{
    char number[24];
    if (s->key_type->type == ROW_BOOLEAN) {
        add(p, s->key.boolean ? "true" : "false");
        return;
    }
    if (s->key_type->type != ROW_STRING) {
        (void)snprintf(number, sizeof(number), "%lld", (long long)s->key.i64);
        add(p, number);
        return;
    }
    struct codec__text key = codec__show(s->key.bytes);
    add(p, "\"");
    for (const char *c = key.text; *c != '\0'; c++) {
        const char one[3] = {'\\', *c, '\0'};
        add(p, *c == '"' || *c == '\\' ? one : one + 1);
    }
    add(p, "\"");
}

void codec__path_add(struct codec__path *p, const struct codec__step *s)
{
    char number[16];
    if (s->name != NULL) {
        add(p, p->len == 0 ? "" : ".");
        add(p, s->name);
        return;
    }
    add(p, "[");
    if (s->key_type != NULL) {
        add_key(p, s);
    } else {
        (void)snprintf(number, sizeof(number), "%u", s->index);
        add(p, number);
    }
    add(p, "]");
}
