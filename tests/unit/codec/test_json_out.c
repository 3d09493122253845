/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include <float.h>
#include <math.h>

Test(codec_json, values_are_written_in_forms_that_read_back)
{
    struct row_schema *s = help_schema(
        "a boolean, b tinyint, c bigint, d float, e double, f decimal(38,3), g string, h binary, "
        "i date, j timestamp, k string",
        NULL);
    struct codec_plan *own = codec_plan_new_own(s);
    struct row_value v[] = {{.boolean = false},
                            {.i64 = -5},
                            {.i64 = INT64_MIN},
                            {.f32 = 0.1f},
                            {.f64 = 0.1},
                            {.decimal = -5},
                            {.bytes = slice_str("q\"\\\n\x01\xc3\xa9")},
                            {.bytes = slice_of("\x00\xfe", 2)},
                            {.i64 = 19000},
                            {.i64 = -1},
                            {.null = true}};
    struct buf first = BUF_NULL, row = BUF_NULL, second = BUF_NULL;
    struct row_value back[11];

    codec_values_to_json(s, v, &first);
    cr_assert_eq(codec_json_to_row(own, buf_slice(&first), &row, NULL), 0);
    cr_assert_eq(codec_decode(own, buf_slice(&row), NULL, back), 0);
    codec_values_to_json(s, back, &second);

    cr_assert_str_eq(
        buf_cstr(&first),
        "{\"a\":false,\"b\":-5,\"c\":-9223372036854775808,\"d\":0.1,\"e\":0.1,\"f\":\"-0.005\","
        "\"g\":\"q\\\"\\\\\\n\\u0001\xc3\xa9\",\"h\":\"AP4=\",\"i\":19000,\"j\":-1,\"k\":null}");
    cr_assert_str_eq(buf_cstr(&first), buf_cstr(&second));
    codec_plan_unref(own);
    row_schema_unref(s);
    buf_deinit(&first);
    buf_deinit(&row);
    buf_deinit(&second);
}

Test(codec_json, floats_of_every_size_and_the_special_ones_read_back_equal)
{
    struct row_schema *s = help_schema("f float, d double", NULL);
    struct codec_plan *own = codec_plan_new_own(s);
    struct row_value v[][2] = {
        {{.f32 = FLT_MAX}, {.f64 = DBL_MAX}},  {{.f32 = FLT_TRUE_MIN}, {.f64 = DBL_TRUE_MIN}},
        {{.f32 = 1.0f / 3}, {.f64 = 1.0 / 3}}, {{.f32 = -INFINITY}, {.f64 = INFINITY}},
        {{.f32 = 16777216}, {.f64 = 1e100}},   {{.f32 = NAN}, {.f64 = NAN}},
        {{.f32 = -0.0f}, {.f64 = -0.0}}};

    for (size_t i = 0; i < ARRAY_LEN(v); i++) {
        struct buf json = BUF_NULL, row = BUF_NULL;
        struct row_value back[2];
        codec_values_to_json(s, v[i], &json);
        cr_assert_eq(codec_json_to_row(own, buf_slice(&json), &row, NULL), 0);
        cr_assert_eq(codec_decode(own, buf_slice(&row), NULL, back), 0);
        cr_assert(isnan(v[i][0].f32) ? isnan(back[0].f32)
                                     : memcmp(&back[0].f32, &v[i][0].f32, 4) == 0);
        cr_assert(isnan(v[i][1].f64) ? isnan(back[1].f64)
                                     : memcmp(&back[1].f64, &v[i][1].f64, 8) == 0);
        buf_deinit(&json);
        buf_deinit(&row);
    }
    codec_plan_unref(own);
    row_schema_unref(s);
}

Test(codec_json, base64_of_every_length_reads_back)
{
    struct row_schema *s = help_schema("a binary", NULL);
    struct codec_plan *own = codec_plan_new_own(s);
    uint8_t bytes[32];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 73 + 200);

    for (size_t len = 0; len <= sizeof(bytes); len++) {
        struct row_value v = {.bytes = slice_of(bytes, len)}, back;
        struct buf json = BUF_NULL, row = BUF_NULL;
        codec_values_to_json(s, &v, &json);
        cr_assert_eq(codec_json_to_row(own, buf_slice(&json), &row, NULL), 0);
        cr_assert_eq(codec_decode(own, buf_slice(&row), NULL, &back), 0);
        cr_assert(slice_eq(back.bytes, v.bytes));
        buf_deinit(&json);
        buf_deinit(&row);
    }
    codec_plan_unref(own);
    row_schema_unref(s);
}
