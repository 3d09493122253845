/* SPDX-License-Identifier: Apache-2.0 */
#include "row_priv.h"

#include "base/mem.h"

#include "test.h"

static struct row__ddl on(const char *text, struct err *e)
{
    const uint8_t *p = (const uint8_t *)text;
    return (struct row__ddl){.start = p, .p = p, .end = p + strlen(text), .e = e};
}

Test(row_ddl_text, words_are_taken_whole_and_in_any_case)
{
    struct row__ddl d = on(" Not\tnull_", NULL);

    cr_assert_not(row__ddl_take_word(&d, "no"));
    cr_assert(row__ddl_take_word(&d, "NOT"));
    cr_assert_not(row__ddl_take_word(&d, "null"));
    cr_assert(slice_eq(row__ddl_peek_word(&d), slice_str("null_")));
    cr_assert_not(row__ddl_take_char(&d, '_'));
}

Test(row_ddl_text, a_failure_names_byte_what_stands_there_and_path)
{
    struct err e = {0};
    struct row__ddl d = on("a b", &e);
    cr_assert(row__ddl_take_word(&d, "a"));
    size_t outside = row__ddl_enter(&d, "x");
    size_t inside = row__ddl_enter(&d, "y");

    int r = row__ddl_fail(&d, ERR_INVALID, "reason");

    cr_assert_eq(r, ERR_INVALID);
    cr_assert_str_eq(e.text, "column list, byte 3, at \"b\": reason");
    cr_assert_str_eq(e.field, "x.y");
    row__ddl_leave(&d, inside);
    (void)row__ddl_fail(&d, ERR_INVALID, "reason");
    cr_assert_str_eq(e.field, "x");
    row__ddl_leave(&d, outside);
    (void)row__ddl_fail(&d, ERR_INVALID, "reason");
    cr_assert_str_eq(e.field, "");
    buf_deinit(&d.path);
}

Test(row_ddl_text, a_text_ends_at_its_quote)
{
    struct row__ddl d = on("'a''b\\'c\\\\' x", NULL);
    char *text = NULL;

    cr_assert_eq(row__ddl_text(&d, &text), 0);

    cr_assert_str_eq(text, "a'b'c\\");
    cr_assert(row__ddl_take_word(&d, "x"));
    mem_free(text);
}
