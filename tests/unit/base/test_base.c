/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/crc.h"
#include "base/err.h"
#include "base/json.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/uuid.h"

#include "test.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

Test(base_crc, equals_the_check_value_of_rfc_3720)
{
    uint8_t zeros[32] = {0};

    cr_assert_eq(crc32c(0, "123456789", 9), 0xe3069283u);
    cr_assert_eq(crc32c(0, zeros, sizeof(zeros)), 0x8a9136aau);
}

Test(base_crc, ieee_equals_the_check_value_of_zlib_and_chains)
{
    cr_assert_eq(crc32_ieee(0, "123456789", 9), 0xcbf43926u);
    cr_assert_eq(crc32_ieee(crc32_ieee(0, "1234", 4), "56789", 5), 0xcbf43926u);
}

/* The three-lane path must agree with the byte path at every length around its borders. */
Test(base_crc, of_the_whole_equals_the_chained_crc_of_its_parts)
{
    size_t len = 40000;
    uint8_t *data = mem_alloc(len);
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(i * 131 + (i >> 7));

    for (size_t cut = 0; cut <= len; cut += 1237)
        cr_assert_eq(crc32c(0, data, len), crc32c(crc32c(0, data, cut), data + cut, len - cut));
    uint32_t bytewise = 0;
    for (size_t i = 0; i < len; i++)
        bytewise = crc32c(bytewise, data + i, 1);
    cr_assert_eq(crc32c(0, data, len), bytewise);
    mem_free(data);
}

Test(base_map, keeps_what_was_put_through_growth_and_removal)
{
    struct map m = MAP_NULL;
    static uint64_t values[5000];
    for (uint64_t k = 0; k < 5000; k++) {
        values[k] = k;
        cr_assert_null(map_put(&m, map_key_u64(&k), &values[k]));
    }

    for (uint64_t k = 0; k < 5000; k += 3)
        cr_assert_eq(map_remove(&m, map_key_u64(&k)), &values[k]);

    for (uint64_t k = 0; k < 5000; k++)
        cr_assert_eq(map_get(&m, map_key_u64(&k)), k % 3 == 0 ? NULL : &values[k]);
    size_t i = 0, count = 0;
    while (map_next(&m, &i) != NULL)
        count++;
    cr_assert_eq(count, m.len);
    map_deinit(&m);
}

Test(base_json, escapes_and_separates)
{
    struct buf b = BUF_NULL;
    struct json j = json_on(&b);

    json_open(&j, '{');
    json_key(&j, "a\"b");
    json_open(&j, '[');
    json_i64(&j, -1);
    json_double(&j, 0.1);
    json_str(&j, "x\n\x01");
    json_close(&j, ']');
    json_key(&j, "n");
    json_null(&j);
    json_close(&j, '}');

    cr_assert_str_eq(buf_cstr(&b), "{\"a\\\"b\":[-1,0.1,\"x\\n\\u0001\"],\"n\":null}");
    buf_deinit(&b);
}

static void says(double v, const char *text)
{
    struct buf b = BUF_NULL;
    struct json j = json_on(&b);
    json_double(&j, v);
    cr_assert_str_eq(buf_cstr(&b), text);
    buf_deinit(&b);
}

Test(base_json, writes_a_number_with_as_few_digits_as_say_it)
{
    says(0.1, "0.1");
    says(-0.25, "-0.25");
    says(21.5, "21.5");
    says(-3, "-3");
    says(1e6, "1000000");
    says(999999999.999999, "999999999.999999");
    says(0.0001, "0.0001");
    says(0.00009, "9e-05");
    says(0, "0");
    says(1.0 / 3, "0.3333333333333333");
    says(0.1 + 0.2, "0.30000000000000004");
    says(1e300, "1e+300");
    says(2251799813685249.5, "2251799813685249.5");
}

Test(base_json, short_decimals_are_what_printf_says)
{
    uint64_t random = 1;
    for (unsigned i = 0; i < 20000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        double v = (double)(int64_t)(random >> 14) / 1e6 / (double)(1u << i % 40 / 2);
        char want[40];
        for (int digits = 15; digits <= 17; digits++) {
            (void)snprintf(want, sizeof(want), "%.*g", digits, v);
            if (strtod(want, NULL) == v)
                break;
        }
        says(v, want);
    }
}

Test(base_err, wraps_the_sentence_and_keeps_the_code)
{
    struct err e = {0};

    cr_assert_eq(err_set(&e, ERR_INVALID, "column %s", "x"), ERR_INVALID);
    cr_assert_eq(err_wrap(&e, "offset %d", 7), ERR_INVALID);

    cr_assert_str_eq(e.text, "offset 7: column x");
    cr_assert_eq(err_grpc_status(ERR_INVALID), 3);
    cr_assert_eq(err_from_errno(ENOSPC), ERR_NO_SPACE);
    cr_assert_eq(err_from_errno(EMFILE), ERR_EXHAUSTED);
}

Test(base_uuid, survives_text)
{
    uint8_t random[16];
    memset(random, 0xff, sizeof(random));
    struct uuid u = uuid_from_random(random), back;
    char text[UUID_TEXT_LEN + 1];

    uuid_format(&u, text);

    cr_assert_str_eq(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    cr_assert(uuid_parse(text, &back));
    cr_assert_arr_eq(back.bytes, u.bytes, 16);
    cr_assert_not(uuid_parse("ffffffff-ffff-4fff-bfff-fffffffffffg", &back));
}

DeathTest(base_must, ends_the_process)
{
    must(1 + 1 == 3);
}

#ifdef SLUICE_MUST_HANDLER

struct death {
    jmp_buf out;
    char sentence[200];
};

static void note_death(void *ctx, const char *sentence)
{
    struct death *d = ctx;
    (void)snprintf(d->sentence, sizeof(d->sentence), "%s", sentence);
    longjmp(d->out, 1);
}

Test(base_must, lets_a_handler_leave_with_the_sentence)
{
    struct death d = {.sentence = ""};
    must_set_handler(note_death, &d);

    if (setjmp(d.out) == 0)
        must_die("promise %d is broken", 8);

    must_set_handler(NULL, NULL);
    cr_assert_str_eq(d.sentence, "promise 8 is broken");
}

Test(base_must, tells_a_handler_which_claim_does_not_hold)
{
    struct death d = {.sentence = ""};
    volatile int two = 2;
    must_set_handler(note_death, &d);

    if (setjmp(d.out) == 0)
        must(two == 3);

    must_set_handler(NULL, NULL);
    cr_assert_not_null(strstr(d.sentence, "this must hold: two == 3"));
}

#endif

Test(base_arena, what_it_gives_is_aligned_and_apart)
{
    struct arena a = ARENA_NULL;
    uint8_t *last = NULL;

    for (size_t size = 1; size < 3000; size += 7) {
        uint8_t *p = arena_alloc(&a, size);
        cr_assert_eq((uintptr_t)p % 16, 0u);
        cr_assert(last == NULL || p >= last || p + size < last);
        memset(p, (int)size, size); /* for the sanitizer to see */
        last = p + size;
    }
    arena_deinit(&a);
}

Test(base_arena, what_recurs_takes_no_new_memory)
{
    struct arena a = ARENA_NULL;
    for (int i = 0; i < 100; i++)
        (void)arena_alloc(&a, 1000);
    arena_reset(&a);
    uint8_t *first = arena_alloc(&a, 1000), *last = first;
    arena_reset(&a);

    for (int round = 0; round < 10; round++) {
        cr_assert_eq(arena_alloc(&a, 1000), first);
        for (int i = 0; i < 30; i++)
            last = arena_alloc(&a, 1000);
        cr_assert_eq(last, first + (size_t)30 * 1008);
        arena_reset(&a);
    }
    arena_deinit(&a);
}

Test(base_arena, a_reset_gives_back_what_was_extraordinarily_large)
{
    struct arena a = ARENA_NULL;
    (void)arena_alloc(&a, 100);
    (void)arena_alloc(&a, ARENA_KEEP_BYTES + 1);

    arena_reset(&a);

    cr_assert_leq((size_t)(a.end - a.at), ARENA_KEEP_BYTES);
    cr_assert_neq(a.chunks, NULL);
    arena_deinit(&a);
    cr_assert_eq(a.chunks, NULL);
}

Test(base_arena, nothing_asked_for_is_fine)
{
    struct arena a = ARENA_NULL;
    (void)arena_alloc(&a, 0);
    arena_reset(&a);
    arena_deinit(&a);
    cr_assert_eq(a.chunks, NULL);
}

Test(base_arena, keeps_what_it_gave_until_the_reset)
{
    struct arena a = ARENA_NULL;
    uint8_t *small = arena_alloc(&a, 10);
    memset(small, 1, 10);

    uint8_t *large = arena_alloc(&a, 3u << 20);
    memset(large, 2, 3u << 20);
    uint8_t *next = arena_alloc(&a, 5000);
    memset(next, 3, 5000);

    cr_assert_eq((uintptr_t)small % 16, 0);
    cr_assert_eq((uintptr_t)next % 16, 0);
    cr_assert_eq(small[9], 1);
    cr_assert_eq(large[(3u << 20) - 1], 2);
    arena_reset(&a);
    cr_assert_neq(arena_alloc(&a, 16), NULL);
    arena_deinit(&a);
    cr_assert_eq(a.chunks, NULL);
}

Test(base_err, a_blamed_field_goes_with_the_next_error)
{
    struct err e;
    (void)err_set(&e, ERR_INVALID, "column a.b: too large");
    cr_assert_eq(err_blame(&e, "a.b"), ERR_INVALID);
    cr_assert_str_eq(e.field, "a.b");

    (void)err_set(&e, ERR_IO, "the disk");

    cr_assert_str_eq(e.field, "");
}

Test(base_err, a_text_that_the_limit_cuts_ends_with_a_whole_character)
{
    struct err e;
    char text[ERR_TEXT_MAX];
    for (size_t i = 0; i + 1 < sizeof(text); i += 3)
        memcpy(text + i, "\xe2\x82\xac", 3);
    text[sizeof(text) - 1] = '\0'; /* 1023 bytes: 341 characters */

    for (int before = 0; before < 4; before++) {
        (void)err_set(&e, ERR_INVALID, "%.*s%s", before, "abc", text);
        cr_assert_eq(strlen(e.text), before == 0 ? 1023 : 1020 + (size_t)before);
        (void)err_set(&e, ERR_INVALID, "%s", text);
        (void)err_wrap(&e, "%.*s", before, "abc");
        cr_assert_eq((strlen(e.text) - (size_t)before - 2) % 3, 0);
    }
    (void)err_blame(&e, text + 3);
    cr_assert_eq(strlen(e.field) % 3, 0);
}
