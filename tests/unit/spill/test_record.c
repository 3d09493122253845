/* SPDX-License-Identifier: Apache-2.0 */
/* Names and bytes of spill files. */
#include "rig.h"

static struct spill_file sample(void)
{
    return (struct spill_file){
        .table_id = 7,
        .block_count = 2,
        .from = 40,
        .to = 99,
        .first_pos = 41,
        .last_pos = 90,
        .prev_last = 30,
        .row_count = 12,
        .bytes = 4000,
    };
}

Test(spill_record, a_header_says_all_that_it_was_given)
{
    struct spill_folder d = {.timeline = 3};
    uint8_t bytes[SPILL_HEADER_BYTES], again[SPILL_HEADER_BYTES];
    struct spill_file in = sample(), out = {0};

    spill__header_encode(&d, &in, 123, bytes);

    cr_assert_null(spill__header_decode(&d, bytes, &out));
    cr_assert_eq(out.prev_last, 30);
    spill__header_encode(&d, &out, 123, again);
    cr_assert_eq(memcmp(bytes, again, sizeof(bytes)), 0);
}

Test(spill_record, every_bit_of_a_header_counts)
{
    struct spill_folder d = {.timeline = 3};
    uint8_t bytes[SPILL_HEADER_BYTES];
    struct spill_file in = sample(), out;
    spill__header_encode(&d, &in, 123, bytes);

    for (unsigned i = 0; i < SPILL_HEADER_BYTES * 8; i++) {
        bytes[i / 8] ^= (uint8_t)(1u << i % 8);
        cr_assert_not_null(spill__header_decode(&d, bytes, &out), "bit %u", i);
        bytes[i / 8] ^= (uint8_t)(1u << i % 8);
    }
}

Test(spill_record, a_file_of_another_log_or_timeline_is_refused)
{
    struct spill_folder d = {.timeline = 3}, other = {.timeline = 4};
    uint8_t bytes[SPILL_HEADER_BYTES];
    struct spill_file in = sample(), out;
    spill__header_encode(&d, &in, 123, bytes);

    cr_assert_not_null(spill__header_decode(&other, bytes, &out));
    other = d;
    other.log.bytes[3] = 1;
    cr_assert_not_null(spill__header_decode(&other, bytes, &out));
}

Test(spill_record, names_sort_as_their_positions)
{
    char a[SPILL_NAME_MAX], b[SPILL_NAME_MAX];
    uint32_t table;
    bronze_pos first;

    spill__name(7, 99, a);
    spill__name(7, 1000, b);

    cr_assert_str_eq(a, "0000000007-00000000000000000099.spill");
    cr_assert_lt(strcmp(a, b), 0);
    cr_assert(spill__name_parse(b, &table, &first));
    cr_assert_eq(table, 7);
    cr_assert_eq(first, 1000);
    cr_assert_not(spill__name_parse("0000000007-00000000000000000099.spill.new", &table, &first));
    cr_assert_not(spill__name_parse("0000000000-00000000000000000099.spill", &table, &first));
    cr_assert_not(spill__name_parse("000000000x-00000000000000000099.spill", &table, &first));
}
