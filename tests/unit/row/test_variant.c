/* SPDX-License-Identifier: Apache-2.0 */
#include "row/row.h"

#include "test.h"

#define BYTES(text)                                                                                \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

Test(row_variant, metadata_ends_behind_its_strings)
{
    static const struct {
        struct slice metadata, value;
    } cases[] = {
        {BYTES("\x01\0\0"), BYTES("\0")}, /* no strings; null */
        {BYTES("\x11\x02\0\x01\x03"
               "abc"),
         BYTES("\x0c\x05")}, /* "a", "bc", sorted */
        {BYTES("\x41\x01\0\0\0\x02\0"
               "zz"),
         BYTES("\x05z")},                               /* numbers of two bytes */
        {BYTES("\x81\0\0\0\0\0\0"), BYTES("\x04")},     /* of three */
        {BYTES("\xc1\0\0\0\0\0\0\0\0"), BYTES("\x08")}, /* of four */
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf both = BUF_NULL;
        struct slice metadata, value;
        buf_add_slice(&both, cases[i].metadata);
        buf_add_slice(&both, cases[i].value);

        int r = row_variant_split(buf_slice(&both), &metadata, &value);

        cr_assert_eq(r, 0);
        cr_assert(slice_eq(metadata, cases[i].metadata));
        cr_assert(slice_eq(value, cases[i].value));
        buf_deinit(&both);
    }
}

Test(row_variant, what_is_no_metadata_or_has_no_value_is_refused)
{
    static const struct slice cases[] = {
        BYTES(""),
        BYTES("\x01"),
        BYTES("\x02\0\0\0"), /* version 2 */
        BYTES("\x01\0"),     /* no places */
        BYTES("\x01\0\0"),   /* no value */
        BYTES("\x01\x01\0\x05"
              "abc"), /* strings end outside */
        BYTES("\x01\xff\0\x05"
              "abc"),                            /* places end outside */
        BYTES("\xc1\xff\xff\xff\xff\0\0\0\0\0"), /* as large as can be said */
        BYTES("\xc1\0\0\0\0\xff\xff\xff\xff\0"),
        BYTES("\xc1\0\0"),
    };
    struct slice metadata, value;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        cr_assert_eq(row_variant_split(cases[i], &metadata, &value), ERR_INVALID);
}
