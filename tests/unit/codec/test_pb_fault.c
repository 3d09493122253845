/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "pb_priv.h"

/* The longest path there is: it is cut, not written behind its room. */
Test(codec_fault, a_path_that_is_too_long_is_cut_at_its_end)
{
    char name[COLUMN_NAME_BYTES_MAX + 1];
    struct buf ddl = BUF_NULL;
    struct err e = {0};
    memset(name, 'n', COLUMN_NAME_BYTES_MAX);
    name[COLUMN_NAME_BYTES_MAX] = '\0';
    buf_printf(&ddl, "top struct<%s struct<a int not null>>", name);
    struct row_schema *s = help_schema(buf_cstr(&ddl), NULL);
    struct codec_plan *p = codec_plan_new_own(s);

    cr_assert_eq(codec_check(p, slice_of("\x0a\x02\x0a\x00", 4), &e), ERR_INVALID);

    cr_assert_eq(strlen(e.field), ERR_FIELD_MAX - 1);
    cr_assert(strncmp(e.field, "top.nnn", 7) == 0);
    cr_assert_eq(codec_check(p, slice_of("\x0a\x02\x0a\x00", 4), NULL), ERR_INVALID);
    codec_plan_unref(p);
    row_schema_unref(s);
    buf_deinit(&ddl);
}

/* Foreign bytes do not get into a sentence, and a later fault has nothing of an earlier one. */
Test(codec_fault, keys_are_shown_as_ascii_and_each_fault_stands_alone)
{
    struct row_schema *s = help_schema("m map<string,int>, n int", NULL);
    struct codec_plan *p = codec_plan_new_own(s);

    help_expect_refused(p, "1{#0a02c3bc 2'x'}", "column m[\"??\"]: the field at byte 6",
                        "m[\"??\"]");
    help_expect_refused(p,
                        "1{1'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' 2'x'}",
                        "column m[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\"]",
                        "m[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\"]");
    help_expect_refused(p, "2'x'", "column n: the field at byte 0 has wire type 2, not 0", "n");
    help_expect_refused(p, "#07", "malformed protobuf at byte 0", "");
    codec_plan_unref(p);
    row_schema_unref(s);
}
