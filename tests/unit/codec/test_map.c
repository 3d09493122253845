/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "pb_priv.h"

/* Entries (k, i) for i in 0..count, k = i * 7919 modulo @keys: the value of a key is the last i. */
static void check_unique(uint32_t count, uint32_t keys)
{
    struct row_schema *s = help_schema("m map<bigint,bigint>", NULL);
    struct arena arena = ARENA_NULL;
    struct row_value *items = mem_calloc(2 * count, sizeof(*items));
    for (uint32_t i = 0; i < count; i++) {
        items[2 * i].i64 = (int64_t)i * 7919 % keys - 3;
        items[2 * i + 1].i64 = i;
    }
    struct row_value map = {.item_count = 2 * count, .items = items};

    codec__map_unique(&s->columns[0], &map, &arena);

    cr_assert_eq(map.item_count, 2 * (count < keys ? count : keys));
    for (uint32_t i = 0; i < map.item_count / 2; i++) {
        uint32_t last = i + (count - 1 - i) / keys * keys;
        cr_assert_not(items[2 * i].null);
        cr_assert_eq(items[2 * i].i64, (int64_t)i * 7919 % keys - 3);
        cr_assert_eq(items[2 * i + 1].i64, last);
    }
    mem_free(items);
    arena_deinit(&arena);
    row_schema_unref(s);
}

Test(codec_map, of_a_key_that_comes_again_the_last_value_stays_in_the_first_place)
{
    for (uint32_t count = 1; count < 60; count++) {
        check_unique(count, 1);
        check_unique(count, 5);
        check_unique(count, 17);
        check_unique(count, 101);
    }
    check_unique(5000, 4999);
    check_unique(5000, 3);
}

Test(codec_map, keys_are_compared_as_what_they_are)
{
    struct row_schema *s = help_schema("t map<string,int>, b map<boolean,int>", NULL);
    struct arena arena = ARENA_NULL;
    struct row_value texts[40] = {{.null = false}};
    for (int i = 0; i < 20; i++) {
        texts[2 * i].bytes = slice_of("aaaaaaaaaaaaaaaaaa", (size_t)(i % 18));
        texts[2 * i + 1].i64 = i;
    }
    struct row_value map = {.item_count = 40, .items = texts};
    struct row_value bits[6] = {{.boolean = true}, {.i64 = 1},        {.boolean = false},
                                {.i64 = 2},        {.boolean = true}, {.i64 = 3}};
    struct row_value small = {.item_count = 6, .items = bits};

    codec__map_unique(&s->columns[0], &map, &arena);
    codec__map_unique(&s->columns[1], &small, &arena);

    cr_assert_eq(map.item_count, 36u);
    cr_assert_eq(texts[1].i64, 18);
    cr_assert_eq(texts[3].i64, 19);
    cr_assert_eq(texts[5].i64, 2);
    cr_assert_eq(small.item_count, 4u);
    cr_assert_eq(bits[1].i64, 3);
    cr_assert_eq(bits[3].i64, 2);
    arena_deinit(&arena);
    row_schema_unref(s);
}
