/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report on a request that is refused for its rows.
 *
 *   sentence   table a.b.c, offset 7: 3 of 500 records are bad: record 1: …; record 17: …
 *   details    google.rpc.Status { code, message, [ErrorInfo, BadRequest { violation … }] }
 *              violation: field "records[17].address.street", description
 *
 * Both travel as trailing metadata, of which clients take 8 KiB; so every bad record is named, and
 * what is said of each is cut to its share. Text is cut between characters only: the messages are
 * UTF-8. Numbers of the messages' fields: google/rpc/status.proto, error_details.proto.
 */
#include "report_priv.h"

#include "base/mem.h"
#include "codec/wire.h"

#include <stdio.h>
#include <string.h>

/* The sentence when there are several: it stands twice in the metadata. */
#define SENTENCE_BYTES_MAX 700
/* Of them, for what is wrong with the first ones; the others are named only. */
#define REASONS_BYTES_MAX 420
/* Tags and lengths of one violation, at most. */
#define VIOLATION_OVERHEAD 10

void ingest__report_deinit(struct report *r)
{
    mem_free(r->faults);
    *r = (struct report){0};
}

void ingest__report_reset(struct report *r)
{
    r->total = r->count = 0;
}

/* As much of @len bytes as fits into @max without cutting a character. */
static size_t cut(const char *text, size_t len, size_t max)
{
    if (len <= max)
        return len;
    while (max > 0 && ((uint8_t)text[max] & 0xc0) == 0x80)
        max--;
    return max;
}

static void copy(char *to, size_t cap, const char *from)
{
    size_t len = cut(from, strlen(from), cap - 1);
    memcpy(to, from, len);
    to[len] = '\0';
}

void ingest__report_add(struct report *r, uint32_t record, const struct err *e)
{
    r->total++;
    if (!ingest__report_wants(r))
        return;
    if (r->faults == NULL)
        r->faults = mem_calloc(BAD_RECORDS_TOLD_MAX, sizeof(*r->faults));
    struct report_fault *f = &r->faults[r->count++];
    f->record = record;
    copy(f->field, sizeof(f->field), e->field);
    copy(f->text, sizeof(f->text), e->text);
}

/* ---- the sentence ---- */

static void add_reasons(const struct report *r, struct buf *out, uint32_t *ret_told)
{
    uint32_t i = 0;
    for (; i < r->count; i++) {
        const struct report_fault *f = &r->faults[i];
        size_t room = REASONS_BYTES_MAX - MIN(out->len, (size_t)REASONS_BYTES_MAX);
        size_t len = strlen(f->text), fits = cut(f->text, len, room);
        if (i > 0 && fits < len)
            break;
        buf_printf(out, "%srecord %u: %.*s", i > 0 ? "; " : "", f->record, (int)fits, f->text);
    }
    *ret_told = i;
}

/* The indexes of those that no reason was told of, as far as they fit. */
static void add_indexes(const struct report *r, uint32_t told, struct buf *out)
{
    uint32_t i = told;
    for (; i < r->count && out->len + 40 < SENTENCE_BYTES_MAX; i++)
        buf_printf(out, i == told ? "; also records %u" : ", %u", r->faults[i].record);
    if (i < r->total)
        buf_printf(out, " and %u more", r->total - i);
}

static void make_sentence(const struct report *r, const struct report_about *a, struct err *e)
{
    if (r->total == 1) {
        (void)err_set(e, ERR_INVALID, "table %s, offset %lld, record %u: %s", a->table,
                      (long long)a->offset, r->faults[0].record, r->faults[0].text);
        (void)err_blame(e, r->faults[0].field);
        return;
    }
    struct buf text = BUF_NULL;
    uint32_t told;
    add_reasons(r, &text, &told);
    add_indexes(r, told, &text);
    (void)err_set(e, ERR_INVALID, "table %s, offset %lld: %u of %u records are bad: %s", a->table,
                  (long long)a->offset, r->total, a->records, buf_cstr(&text));
    buf_deinit(&text);
}

/* ---- the details ---- */

static void add_text(struct buf *out, uint32_t number, const char *text)
{
    wire_add_bytes(out, number, slice_str(text));
}

/* Status.details: Any { type_url = 1, value = 2 } */
static void add_any(struct buf *out, const char *type, const struct buf *value)
{
    char url[64];
    (void)snprintf(url, sizeof(url), "type.googleapis.com/google.rpc.%s", type);
    struct buf any = BUF_NULL;
    add_text(&any, 1, url);
    wire_add_bytes(&any, 2, buf_slice(value));
    wire_add_bytes(out, 3, buf_slice(&any));
    buf_deinit(&any);
}

/* ErrorInfo.metadata: map<string, string> = 3 */
static void add_fact(struct buf *out, const char *key, const char *value)
{
    struct buf entry = BUF_NULL;
    add_text(&entry, 1, key);
    add_text(&entry, 2, value);
    wire_add_bytes(out, 3, buf_slice(&entry));
    buf_deinit(&entry);
}

static void add_number(struct buf *out, const char *key, long long value)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%lld", value);
    add_fact(out, key, text);
}

/* ErrorInfo { reason = 1, domain = 2, metadata = 3 } */
static void add_info(const struct report *r, const struct report_about *a, struct buf *out)
{
    struct buf info = BUF_NULL;
    add_text(&info, 1, "BAD_RECORDS");
    add_text(&info, 2, "sluice");
    add_fact(&info, "table", a->table);
    add_fact(&info, "stream_id", a->stream);
    add_number(&info, "offset", a->offset);
    add_number(&info, "records", a->records);
    add_number(&info, "bad_records", r->total);
    add_any(out, "ErrorInfo", &info);
    buf_deinit(&info);
}

/* What to say of fault @i: its text, or that it is as an earlier one's when that is shorter. */
static void describe(const struct report *r, uint32_t i, char out[REPORT_TEXT_MAX])
{
    const struct report_fault *f = &r->faults[i];
    copy(out, REPORT_TEXT_MAX, f->text);
    for (uint32_t k = 0; k < i; k++) {
        if (strcmp(r->faults[k].text, f->text) != 0)
            continue;
        char as[32];
        int len = snprintf(as, sizeof(as), "as records[%u]", r->faults[k].record);
        if ((size_t)len < strlen(out))
            memcpy(out, as, (size_t)len + 1);
        return;
    }
}

/* BadRequest.field_violations = 1: FieldViolation { field = 1, description = 2 } in @room bytes */
static void add_violation(const struct report *r, uint32_t i, size_t room, struct buf *out)
{
    const struct report_fault *f = &r->faults[i];
    char field[ERR_FIELD_MAX + 32], text[REPORT_TEXT_MAX];
    (void)snprintf(field, sizeof(field), "records[%u]%s%s", f->record, f->field[0] ? "." : "",
                   f->field);
    describe(r, i, text);
    room -= MIN(room, (size_t)VIOLATION_OVERHEAD);
    size_t field_len = cut(field, strlen(field), room);
    size_t text_len = cut(text, strlen(text), room - field_len);
    struct buf violation = BUF_NULL;
    wire_add_bytes(&violation, 1, slice_of(field, field_len));
    if (text_len > 0)
        wire_add_bytes(&violation, 2, slice_of(text, text_len));
    wire_add_bytes(out, 1, buf_slice(&violation));
    buf_deinit(&violation);
}

/* Bytes of the sentence as a header: what is not plain ASCII takes three. */
static size_t header_bytes(const char *text)
{
    size_t bytes = 0;
    for (; *text != '\0'; text++)
        bytes += *text < ' ' || *text > '~' || *text == '%' ? 3 : 1;
    return bytes;
}

static void make_details(const struct report *r, const struct report_about *a, const struct err *e,
                         struct buf *out)
{
    size_t spent = header_bytes(e->text);
    size_t room = spent < STATUS_METADATA_BYTES_MAX
                      ? (STATUS_METADATA_BYTES_MAX - spent) / 4 * 3 /* it travels as base64 */
                      : 0;
    buf_reset(out);
    wire_add_u64(out, 1, (uint64_t)err_grpc_status(ERR_INVALID));
    add_text(out, 2, e->text);
    add_info(r, a, out);
    size_t used = out->len + 64; /* the head of what follows */
    room = used < room ? room - used : 0;
    struct buf bad = BUF_NULL;
    for (uint32_t i = 0; i < r->count; i++)
        add_violation(r, i, (room - MIN(room, bad.len)) / (r->count - i), &bad);
    add_any(out, "BadRequest", &bad);
    buf_deinit(&bad);
}

int ingest__report_tell(const struct report *r, const struct report_about *a, struct buf *details,
                        struct err *e)
{
    make_sentence(r, a, e);
    make_details(r, a, e, details);
    return ERR_INVALID;
}
