/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "codec_priv.h"

Test(codec_fail, a_column_is_named_by_its_path_in_the_sentence_and_in_the_field)
{
    struct err e = {0};

    int r = codec__fail_at(&e, ERR_UNSUPPORTED, "a.b[2]", ": %d is %s", 5, "odd");

    cr_assert_eq(r, ERR_UNSUPPORTED);
    cr_assert_str_eq(e.text, "column a.b[2]: 5 is odd");
    cr_assert_str_eq(e.field, "a.b[2]");
    cr_assert_eq(codec__fail_missing("x", &e), ERR_INVALID);
    cr_assert_str_eq(e.text, "column x is NOT NULL but the record has no value");
    cr_assert_str_eq(e.field, "x");
    cr_assert_eq(codec__fail_missing("x", NULL), ERR_INVALID);
}

Test(codec_fail, foreign_bytes_are_shown_as_ascii_and_cut)
{
    static const char longer[] = "0123456789012345678901234567890123456789012345678";

    cr_assert_str_eq(codec__show(slice_of("a\0\xff\n~", 5)).text, "a???~");
    cr_assert_str_eq(codec__show(slice_of(longer, 48)).text,
                     "012345678901234567890123456789012345678901234567");
    cr_assert_str_eq(codec__show(slice_str(longer)).text,
                     "012345678901234567890123456789012345678901234567...");
}
