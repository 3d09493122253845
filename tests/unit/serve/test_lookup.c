/* SPDX-License-Identifier: Apache-2.0 */
/* Requests taken apart by hand. */
#include "rig.h"

static int parse(const char *bytes, size_t len, bool multi, struct serve__request *r)
{
    struct err e;
    return serve__request_parse(slice_of(bytes, len), multi, r, &e);
}

Test(serve_lookup, request_fields_are_found_in_any_order)
{
    struct serve__request r;

    cr_assert_eq(parse("\x18\x01\x12\x02{}\x0a\x05"
                       "a.b.c",
                       13, false, &r),
                 0);

    cr_assert(slice_eq(r.table, slice_str("a.b.c")));
    cr_assert(slice_eq(r.key, slice_str("{}")));
    cr_assert_eq(r.format, SERVE__PROTO);
    cr_assert_eq(r.key_count, 1);
}

Test(serve_lookup, unknown_fields_are_passed_over)
{
    struct serve__request r;

    cr_assert_eq(parse("\x0a\x01t\x12\x02{}\x7a\x01x\x78\x05", 12, false, &r), 0);

    cr_assert(slice_eq(r.table, slice_str("t")));
}

Test(serve_lookup, malformed_or_incomplete_requests_are_refused)
{
    struct serve__request r;

    cr_assert_eq(parse("\x0a\x09x", 3, false, &r), ERR_INVALID);
    cr_assert_eq(parse("", 0, false, &r), ERR_INVALID);
    cr_assert_eq(parse("\x0a\x01t", 3, false, &r), ERR_INVALID);
    cr_assert_eq(parse("\x0a\x02t\0\x12\x02{}", 8, false, &r), ERR_INVALID);
    cr_assert_eq(parse("\x0a\x01t\x12\x02{}\x18\x02", 9, false, &r), ERR_INVALID);
    cr_assert_eq(parse("\x0a\x01t", 3, true, &r), 0); /* no keys: an empty answer */
}

Test(serve_lookup, too_many_keys_are_refused)
{
    struct buf request = BUF_NULL;
    buf_add(&request, "\x0a\x01t", 3);
    for (int i = 0; i < MULTI_GET_KEYS_MAX; i++)
        buf_add(&request, "\x12\x02{}", 4);
    struct serve__request r;

    cr_assert_eq(parse((const char *)request.data, request.len, true, &r), 0);
    buf_add(&request, "\x12\x02{}", 4);
    cr_assert_eq(parse((const char *)request.data, request.len, true, &r), ERR_INVALID);

    buf_deinit(&request);
}
