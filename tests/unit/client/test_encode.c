/* SPDX-License-Identifier: Apache-2.0 */
#include "encode.h"

#include "test.h"

#include <stdlib.h>

static struct sluice_bytes bytes_of(const char *s)
{
    return (struct sluice_bytes){s, strlen(s)};
}

Test(client_encode, writes_a_row_as_protobuf_does)
{
    struct sluice_bytes row = bytes_of("abc");
    uint8_t out[32];

    struct row_layout l = encode_row_layout(SLUICE_PROTO, 300, row.len);
    encode_row(out, &l, 300, row);

    static const uint8_t expected[] = {0x12, 8, 0x08, 0xac, 0x02, 0x12, 3, 'a', 'b', 'c'};
    cr_assert_eq(l.total_len, sizeof(expected));
    cr_assert_arr_eq(out, expected, sizeof(expected));
}

Test(client_encode, puts_a_json_row_into_field_three)
{
    struct sluice_bytes row = bytes_of("{}");
    uint8_t out[32];

    struct row_layout l = encode_row_layout(SLUICE_JSON, 0, row.len);
    encode_row(out, &l, 0, row);

    static const uint8_t expected[] = {0x12, 6, 0x08, 0, 0x1a, 2, '{', '}'};
    cr_assert_eq(l.total_len, sizeof(expected));
    cr_assert_arr_eq(out, expected, sizeof(expected));
}

Test(client_encode, writes_a_batch_under_one_offset)
{
    struct sluice_bytes rows[] = {bytes_of("a"), bytes_of(""), bytes_of("bc")};
    uint8_t out[64];

    struct batch_layout l = encode_batch_layout(SLUICE_PROTO, 5, rows, 3);
    encode_batch(out, &l, 5, rows, 3);

    static const uint8_t expected[] = {0x1a, 13,   0x08, 5,    0x12, 9,   0x0a, 1,
                                       'a',  0x0a, 0,    0x0a, 2,    'b', 'c'};
    cr_assert_eq(l.total_len, sizeof(expected));
    cr_assert_arr_eq(out, expected, sizeof(expected));
}

Test(client_encode, says_its_length_before_it_writes_create_stream)
{
    struct sluice_bytes descriptor = bytes_of("D");
    uint8_t out[64];

    size_t len = encode_create(NULL, "a.b.c", SLUICE_PROTO, descriptor);
    size_t written = encode_create(out, "a.b.c", SLUICE_PROTO, descriptor);

    static const uint8_t expected[] = {0x0a, 12,  0x0a, 5, 'a', '.',  'b',
                                       '.',  'c', 0x1a, 1, 'D', 0x20, 1};
    cr_assert_eq(len, sizeof(expected));
    cr_assert_eq(written, len);
    cr_assert_arr_eq(out, expected, sizeof(expected));
}

Test(client_decode, reads_the_watermark)
{
    static const uint8_t ack[] = {0x12, 3, 0x08, 0xac, 0x02};

    struct answer a = decode_answer(ack, sizeof(ack));

    cr_assert_eq(a.kind, ANSWER_ACK);
    cr_assert_eq(a.offset, 300);
}

Test(client_decode, reads_the_stream_id_behind_unknown_fields)
{
    static const uint8_t created[] = {0x78, 1, 0x0a, 5, 0x10, 7, 0x0a, 1, 'x'};

    struct answer a = decode_answer(created, sizeof(created));

    cr_assert_eq(a.kind, ANSWER_CREATED);
    cr_assert_eq(a.stream_id.len, 1);
    cr_assert_eq(*(const char *)a.stream_id.data, 'x');
}

Test(client_decode, takes_an_ack_without_an_offset_for_malformed)
{
    static const uint8_t empty[] = {0x12, 0};

    cr_assert_eq(decode_answer(empty, sizeof(empty)).kind, ANSWER_BAD);
}

Test(client_decode, finds_each_cut_malformed)
{
    static const uint8_t ack[] = {0x12, 3, 0x08, 0xac, 0x02};

    for (size_t len = 1; len < sizeof(ack); len++) {
        uint8_t *exact = malloc(len);
        memcpy(exact, ack, len);
        cr_assert_eq(decode_answer(exact, len).kind, ANSWER_BAD);
        free(exact);
    }
}
