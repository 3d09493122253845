/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

static struct codec_plan *plan(struct row_schema **ret_schema, bool iso8601)
{
    *ret_schema = help_schema("t TIMESTAMP, n TIMESTAMP_NTZ, d DATE, a ARRAY<TIMESTAMP>", NULL);
    struct codec_plan *own = codec_plan_new_own(*ret_schema);
    if (iso8601)
        codec_plan_take_iso8601(own);
    return own;
}

/* The figures were computed with Python's datetime. */
Test(codec_json_time, text_by_rfc_3339_is_the_number_of_microseconds)
{
    static const struct {
        const char *text, *number;
    } cases[] = {
        {"{\"t\":\"1970-01-01T00:00:00Z\"}", "{\"t\":0}"},
        {"{\"t\":\"1969-12-31T23:59:59.999999Z\"}", "{\"t\":-1}"},
        {"{\"t\":\"2026-02-28T12:00:00.000001Z\"}", "{\"t\":1772280000000001}"},
        {"{\"t\":\"2026-02-28t12:00:00.5z\"}", "{\"t\":1772280000500000}"},
        {"{\"t\":\"2024-02-29T23:59:59+01:00\"}", "{\"t\":1709247599000000}"},
        {"{\"t\":\"2024-02-29T23:59:59.120-23:59\"}", "{\"t\":1709337539120000}"},
        {"{\"t\":\"0001-01-01T00:00:00Z\"}", "{\"t\":-62135596800000000}"},
        {"{\"t\":\"9999-12-31T23:59:59.999999-00:00\"}", "{\"t\":253402300799999999}"},
        {"{\"n\":\"2026-02-28T12:00:00.000001\"}", "{\"n\":1772280000000001}"},
        {"{\"n\":\"1600-02-29T00:00:00\"}", "{\"n\":-11670998400000000}"},
        {"{\"t\":\"1772280000000001\"}", "{\"t\":1772280000000001}"},
        {"{\"a\":[\"1970-01-01T00:00:01Z\",5]}", "{\"a\":[1000000,5]}"},
        {"{\"d\":\"2024-02-29\"}", "{\"d\":19782}"},
    };
    struct row_schema *s;
    struct codec_plan *own = plan(&s, true);
    struct buf text = BUF_NULL, number = BUF_NULL;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = {0};
        buf_reset(&text);
        buf_reset(&number);
        if (codec_json_to_row(own, slice_str(cases[i].text), &text, &e) != 0)
            fprintf(stderr, "%s: %s\n", cases[i].text, e.text);
        cr_assert_eq(codec_json_to_row(own, slice_str(cases[i].number), &number, &e), 0);
        cr_assert(slice_eq(buf_slice(&text), buf_slice(&number)));
        cr_assert(text.len > 0);
    }
    codec_plan_unref(own);
    row_schema_unref(s);
    buf_deinit(&text);
    buf_deinit(&number);
}

Test(codec_json_time, what_is_no_time_is_refused_with_the_reason)
{
    static const struct {
        const char *json, *part;
    } cases[] = {
        {"{\"t\":\"2026-02-28T12:00:00\"}", "column t (timestamp): the text is not of the form"},
        {"{\"t\":\"2026-02-28 12:00:00Z\"}", "not of the form"},
        {"{\"t\":\"2026-02-28\"}", "not of the form"},
        {"{\"t\":\"\"}", "not of the form"},
        {"{\"t\":\"2026-02-28T12:00:00Zx\"}", "not of the form"},
        {"{\"t\":\"2026-02-28T12:00:00+1:00\"}", "not of the form"},
        {"{\"t\":\"2026-02-28T12:00:00+0100\"}", "not of the form"},
        {"{\"t\":\"2026-02-28T12:00:00+24:00\"}", "not of the form"},
        {"{\"t\":\"2026-02-28T12:00:00+01:60\"}", "not of the form"},
        {"{\"t\":\"2026-02-29T12:00:00Z\"}", "there is no such day"},
        {"{\"t\":\"1900-02-29T12:00:00Z\"}", "there is no such day"},
        {"{\"t\":\"2026-00-01T12:00:00Z\"}", "there is no such day"},
        {"{\"t\":\"2026-13-01T12:00:00Z\"}", "there is no such day"},
        {"{\"t\":\"2026-04-31T12:00:00Z\"}", "there is no such day"},
        {"{\"t\":\"0000-01-01T12:00:00Z\"}", "there is no such day"},
        {"{\"t\":\"2026/02/28T12:00:00Z\"}", "there is no such day"},
        {"{\"t\":\"2026-02-28T24:00:00Z\"}", "no such time of day"},
        {"{\"t\":\"2026-02-28T12:60:00Z\"}", "no such time of day"},
        {"{\"t\":\"2016-12-31T23:59:60Z\"}", "no such time of day"},
        {"{\"t\":\"2026-02-28T12.00.00Z\"}", "no such time of day"},
        {"{\"t\":\"2026-02-28T12:00:00.0000001Z\"}", "one to six digits"},
        {"{\"t\":\"2026-02-28T12:00:00.Z\"}", "one to six digits"},
        {"{\"n\":\"2026-02-28T12:00:00Z\"}",
         "column n (timestamp_ntz): the text is not of the form"},
        {"{\"n\":\"2026-02-28T12:00:00+01:00\"}", "no zone"},
        {"{\"a\":[1,\"x\"]}", "byte 8: column a[1] (timestamp)"},
        {"{\"t\":1.5}", "the number is not an integer"},
        {"{\"d\":\"2026-02-30\"}", "neither YYYY-MM-DD nor"},
        {"{\"d\":\"2026-2-3\"}", "neither YYYY-MM-DD nor"},
    };
    struct row_schema *s;
    struct codec_plan *own = plan(&s, true);
    struct buf out = BUF_NULL;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = {0};
        int r = codec_json_to_row(own, slice_str(cases[i].json), &out, &e);
        help_expect(cases[i].json, r, &e, ERR_INVALID, cases[i].part);
    }
    codec_plan_unref(own);
    row_schema_unref(s);
    buf_deinit(&out);
}

Test(codec_json_time, text_is_refused_where_nobody_asked_for_it)
{
    struct row_schema *s;
    struct codec_plan *own = plan(&s, false);
    struct buf out = BUF_NULL;
    struct err e = {0};

    int r = codec_json_to_row(own, slice_str("{\"t\":\"1970-01-01T00:00:00Z\"}"), &out, &e);

    help_expect("text", r, &e, ERR_INVALID, "a whole number of microseconds since 1970-01-01");
    codec_plan_unref(own);
    row_schema_unref(s);
    buf_deinit(&out);
}
