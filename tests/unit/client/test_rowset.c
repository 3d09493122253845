/* SPDX-License-Identifier: Apache-2.0 */
/* The load tool's rows: whole protobuf or JSON, numbered without gaps. */
#include "rowset.h"

#include "base/buf.h"
#include "codec/wire.h"

#include "test.h"

#include <stdio.h>

static const char *const group_names[] = {"200b", "1kb", "keyed", "farm"};

/* Field @number of @row as a number; fails when the row is malformed. */
static uint64_t field_of(struct slice row_bytes, uint32_t number)
{
    const uint8_t *p = row_bytes.data, *end = p + row_bytes.len;
    struct wire_field f;
    uint64_t value = UINT64_MAX;
    int r;
    while ((r = wire_next(&p, end, &f)) == 1)
        if (f.number == number)
            value = f.value;
    cr_assert_eq(r, 0);
    return value;
}

static uint32_t column_of(const struct rowset *s, const char *name)
{
    for (uint32_t i = 0; i < s->column_count; i++)
        if (strcmp(s->columns[i].name, name) == 0)
            return i + 1;
    cr_assert_fail("no such column");
    return 0;
}

Test(loadgen_rows, are_numbered_in_every_set)
{
    for (size_t g = 0; g < ARRAY_LEN(group_names); g++) {
        const struct rowset_group *group = rowset_find(group_names[g]);
        for (size_t i = 0; i < group->set_count; i++) {
            const struct rowset *s = group->sets[i];
            struct rows *r = rows_new(&(struct rows_options){.set = s, .stream_no = 7});

            for (uint64_t seq = 0; seq < 20000; seq++) {
                struct slice one = rows_next(r, 1767225600000000);
                cr_assert_eq(field_of(one, column_of(s, "seq")), seq);
                cr_assert_eq(field_of(one, column_of(s, "stream_no")), 7);
            }

            rows_free(r);
        }
    }
}

Test(loadgen_rows, are_numbered_in_json_too)
{
    const struct rowset *s = rowset_find("200b")->sets[0];
    struct rows *r = rows_new(&(struct rows_options){.set = s, .json = true, .stream_no = 3});

    for (unsigned seq = 0; seq < 1100; seq++) {
        struct slice one = rows_next(r, 1767225600000000);
        char text[1024], front[80];
        cr_assert_lt(one.len, sizeof(text));
        memcpy(text, one.data, one.len);
        text[one.len] = '\0';
        snprintf(front, sizeof(front), "{\"stream_no\":3,\"seq\":%u,\"at\":1767225600000000,", seq);
        cr_assert_eq(strncmp(text, front, strlen(front)), 0);
        cr_assert_eq(text[one.len - 1], '}');
    }

    rows_free(r);
}

Test(loadgen_rows, have_the_size_that_their_set_promises)
{
    struct rows *small = rows_new(&(struct rows_options){.set = rowset_find("200b")->sets[0]});
    struct rows *large = rows_new(&(struct rows_options){.set = rowset_find("1kb")->sets[0]});

    size_t small_bytes = 0, large_bytes = 0;
    for (int i = 0; i < 1000; i++) {
        small_bytes += rows_next(small, 1767225600000000).len;
        large_bytes += rows_next(large, 1767225600000000).len;
    }

    cr_assert_gt(small_bytes / 1000, 185);
    cr_assert_lt(small_bytes / 1000, 215);
    cr_assert_gt(large_bytes / 1000, 950);
    cr_assert_lt(large_bytes / 1000, 1100);
    rows_free(small);
    rows_free(large);
}

Test(loadgen_rowset, describes_each_column_once)
{
    const struct rowset *s = rowset_find("1kb")->sets[0];
    struct buf descriptor = BUF_NULL;

    rowset_descriptor(s, &descriptor);

    const uint8_t *p = descriptor.data, *end = p + descriptor.len;
    struct wire_field f;
    size_t fields = 0;
    int r;
    while ((r = wire_next(&p, end, &f)) == 1)
        fields += f.number == 2;
    cr_assert_eq(r, 0);
    cr_assert_eq(fields, 40);
    buf_deinit(&descriptor);
}
