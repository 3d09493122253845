/* SPDX-License-Identifier: Apache-2.0 */
/* The report on a refused request: all bad records named, within what clients take. */
#include "report_priv.h"

#include "codec/wire.h"

#include "test.h"

#include <stdio.h>
#include <string.h>

static const struct report_about about = {"a.b.c", "a-stream", 7, 500};

static void fault(struct report *r, uint32_t record, const char *field, const char *text)
{
    struct err e = {0};
    (void)err_set(&e, ERR_INVALID, "%s", text);
    (void)err_blame(&e, field);
    ingest__report_add(r, record, &e);
}

/* The @nth field @number of the message, as bytes; data NULL: there is none. */
static struct slice part(struct slice m, uint32_t number, uint32_t nth)
{
    const uint8_t *p = m.data, *end = m.data + m.len;
    struct wire_field f;
    while (wire_next(&p, end, &f) > 0)
        if (f.number == number && f.type == WIRE_LEN && nth-- == 0)
            return f.bytes;
    return SLICE_NULL;
}

/* Value of the Any of this type in a Status. */
static struct slice any(struct slice status, const char *type)
{
    for (uint32_t i = 0;; i++) {
        struct slice a = part(status, 3, i);
        if (a.data == NULL || slice_eq(part(a, 1, 0), slice_str(type)))
            return part(a, 2, 0);
    }
}

#define BAD_REQUEST "type.googleapis.com/google.rpc.BadRequest"
#define ERROR_INFO  "type.googleapis.com/google.rpc.ErrorInfo"

static bool is(struct slice s, const char *text)
{
    return slice_eq(s, slice_str(text));
}

Test(ingest_report, of_one_bad_record_is_its_sentence_with_the_place)
{
    struct report r = {0};
    struct buf details = BUF_NULL;
    struct err e = {0};
    fault(&r, 17, "address.street", "column address.street is too long");

    cr_assert_eq(ingest__report_tell(&r, &about, &details, &e), ERR_INVALID);

    cr_assert_str_eq(e.text, "table a.b.c, offset 7, record 17: column address.street is too long");
    cr_assert_str_eq(e.field, "address.street");
    struct slice status = buf_slice(&details);
    const uint8_t *p = status.data;
    struct wire_field f;
    cr_assert_gt(wire_next(&p, p + status.len, &f), 0);
    cr_assert_eq(f.number, 1);
    cr_assert_eq(f.value, 3);
    cr_assert(is(part(status, 2, 0), e.text));
    struct slice violation = part(any(status, BAD_REQUEST), 1, 0);
    cr_assert(is(part(violation, 1, 0), "records[17].address.street"));
    cr_assert(is(part(violation, 2, 0), "column address.street is too long"));
    struct slice info = any(status, ERROR_INFO);
    cr_assert(is(part(info, 1, 0), "BAD_RECORDS"));
    cr_assert(is(part(info, 2, 0), "sluice"));
    cr_assert(is(part(part(info, 3, 0), 1, 0), "table"));
    cr_assert(is(part(part(info, 3, 0), 2, 0), "a.b.c"));
    ingest__report_deinit(&r);
    buf_deinit(&details);
}

Test(ingest_report, names_each_of_several_and_says_only_once_what_they_share)
{
    struct report r = {0};
    struct buf details = BUF_NULL;
    struct err e = {0};
    fault(&r, 1, "id", "column id is NOT NULL but the record has no value");
    fault(&r, 4, "", "malformed");
    fault(&r, 9, "id", "column id is NOT NULL but the record has no value");

    cr_assert_eq(ingest__report_tell(&r, &about, &details, &e), ERR_INVALID);

    cr_assert_not_null(strstr(e.text, "offset 7: 3 of 500 records are bad: record 1: column id"));
    cr_assert_not_null(strstr(e.text, "; record 4: malformed; record 9: column id"));
    struct slice bad = any(buf_slice(&details), BAD_REQUEST);
    cr_assert(is(part(part(bad, 1, 1), 1, 0), "records[4]"));
    cr_assert(is(part(part(bad, 1, 2), 2, 0), "as records[1]"));
    ingest__report_deinit(&r);
    buf_deinit(&details);
}

/* What a client counts: the header's text, and the details in base64. */
static size_t metadata_bytes(const struct err *e, const struct buf *details)
{
    size_t bytes = (details->len + 2) / 3 * 4;
    for (const char *p = e->text; *p != '\0'; p++)
        bytes += *p < ' ' || *p > '~' || *p == '%' ? 3 : 1;
    return bytes;
}

Test(ingest_report, of_many_names_a_hundred_and_counts_the_others_within_the_limit)
{
    struct report r = {0};
    struct buf details = BUF_NULL;
    struct err e = {0};
    char text[400];
    for (uint32_t i = 0; i < 400; i++) {
        memset(text, 'x', sizeof(text));
        (void)snprintf(text, sizeof(text), "%u", i);
        text[strlen(text)] = ' ';
        text[sizeof(text) - 1] = '\0';
        fault(&r, 1000 + i, "a.rather.long.path", text);
    }

    cr_assert_eq(ingest__report_tell(&r, &about, &details, &e), ERR_INVALID);

    cr_assert_eq(r.total, 400);
    cr_assert_not_null(strstr(e.text, "400 of 500"), "%s", e.text);
    cr_assert_not_null(strstr(e.text, "also records 1001, 1002"), "%s", e.text);
    cr_assert_not_null(strstr(e.text, " more"), "%s", e.text);
    struct slice bad = any(buf_slice(&details), BAD_REQUEST);
    cr_assert(is(part(part(bad, 1, 99), 1, 0), "records[1099].a.rather.long.path"));
    cr_assert_null(part(bad, 1, 100).data);
    cr_assert_leq(metadata_bytes(&e, &details), STATUS_METADATA_BYTES_MAX);
    ingest__report_deinit(&r);
    buf_deinit(&details);
}

static bool is_utf8(struct slice s)
{
    for (size_t i = 0; i < s.len;) {
        size_t more = s.data[i] < 0x80 ? 0 : s.data[i] < 0xe0 ? 1 : s.data[i] < 0xf0 ? 2 : 3;
        if ((s.data[i] & 0xc0) == 0x80 || i + more >= s.len)
            return false;
        for (size_t k = 1; k <= more; k++)
            if ((s.data[i + k] & 0xc0) != 0x80)
                return false;
        i += 1 + more;
    }
    return true;
}

Test(ingest_report, cuts_between_characters_only_and_counts_what_they_take_in_a_header)
{
    struct report r = {0};
    struct buf details = BUF_NULL, text = BUF_NULL;
    struct err e = {0};
    for (int i = 0; i < 200; i++)
        buf_add_str(&text, i % 3 == 0 ? "\xe2\x82\xac" : "\xc3\xbc");
    for (uint32_t i = 0; i < 100; i++)
        fault(&r, i, i % 2 ? "" : "p", buf_cstr(&text) + (i % 7 ? 0 : 3));

    cr_assert_eq(ingest__report_tell(&r, &about, &details, &e), ERR_INVALID);

    cr_assert(is_utf8(slice_str(e.text)));
    cr_assert_leq(metadata_bytes(&e, &details), STATUS_METADATA_BYTES_MAX);
    struct slice bad = any(buf_slice(&details), BAD_REQUEST);
    for (uint32_t i = 0; i < 100; i++)
        cr_assert(is_utf8(part(part(bad, 1, i), 2, 0)), "%u", i);
    ingest__report_deinit(&r);
    buf_deinit(&details);
    buf_deinit(&text);
}
