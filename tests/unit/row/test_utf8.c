/* SPDX-License-Identifier: Apache-2.0 */
#include "row/utf8.h"

#include "base/attr.h"

#include "test.h"

#include <string.h>

Test(row_utf8, well_formed_text_passes_and_every_malformed_kind_fails_at_every_place)
{
    static const char *good[] = {"\xc2\x80",         "\xdf\xbf",        "\xe0\xa0\x80",
                                 "\xed\x9f\xbf",     "\xee\x80\x80",    "\xef\xbf\xbf",
                                 "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
    static const char *bad[] = {"\x80",
                                "\xbf",
                                "\xc0\x80",
                                "\xc1\xbf",
                                "\xc2",
                                "\xc2x",
                                "\xe0\x9f\xbf",
                                "\xe1\x80",
                                "\xed\xa0\x80",
                                "\xed\xbf\xbf",
                                "\xf0\x8f\xbf\xbf",
                                "\xf0\x90\x80",
                                "\xf4\x90\x80\x80",
                                "\xf5\x80\x80\x80",
                                "\xff"};

    for (size_t before = 0; before < 20; before++)
        for (size_t after = 0; after < 20; after++) {
            uint8_t text[64];
            memset(text, 'a', sizeof(text));
            cr_assert(row_utf8_ok(slice_of(text, before + after)));
            for (size_t i = 0; i < ARRAY_LEN(good); i++) {
                memset(text, 'a', sizeof(text));
                memcpy(text + before, good[i], strlen(good[i]));
                cr_assert(row_utf8_ok(slice_of(text, before + strlen(good[i]) + after)));
            }
            for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
                memset(text, 'a', sizeof(text));
                memcpy(text + before, bad[i], strlen(bad[i]));
                cr_assert_not(row_utf8_ok(slice_of(text, before + strlen(bad[i]) + after)));
            }
        }
}
