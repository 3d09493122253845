/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "codec/show.h"

static void expect(const char *ddl, const char *body)
{
    struct row_schema *s = help_schema(ddl, NULL);
    struct buf descriptor = BUF_NULL, out = BUF_NULL, wanted = BUF_NULL;
    struct err e = {0};
    codec_table_descriptor(s, "row", &descriptor);

    int r = codec_proto_text(buf_slice(&descriptor), &out, &e);

    cr_assert_eq(r, 0);
    buf_printf(&wanted, "syntax = \"proto2\";\n\nmessage row {\n%s}\n", body);
    cr_assert_str_eq(buf_cstr(&out), buf_cstr(&wanted));
    buf_deinit(&wanted);
    buf_deinit(&out);
    buf_deinit(&descriptor);
    row_schema_unref(s);
}

Test(codec_proto_text, flat_fields_have_label_type_and_number)
{
    expect("a bigint not null, b string, c decimal(3,1), d binary, e timestamp, f date, g boolean, "
           "h float, i double not null",
           "  required int64 a = 1;\n"
           "  optional string b = 2;\n"
           "  optional string c = 3;\n"
           "  optional bytes d = 4;\n"
           "  optional int64 e = 5;\n"
           "  optional int32 f = 6;\n"
           "  optional bool g = 7;\n"
           "  optional float h = 8;\n"
           "  required double i = 9;\n");
}

Test(codec_proto_text, types_stand_in_the_message_that_uses_them)
{
    expect("address struct<street string not null, geo struct<x double>>, tags map<string, int>, "
           "points array<struct<x int>>, words array<string>, codes array<int>",
           "  optional Address address = 1;\n"
           "  map<string, int32> tags = 2;\n"
           "  repeated Points points = 3;\n"
           "  repeated string words = 4;\n"
           "  repeated int32 codes = 5 [packed = true];\n"
           "\n"
           "  message Address {\n"
           "    required string street = 1;\n"
           "    optional Geo geo = 2;\n"
           "\n"
           "    message Geo {\n"
           "      optional double x = 1;\n"
           "    }\n"
           "  }\n"
           "\n"
           "  message Points {\n"
           "    optional int32 x = 1;\n"
           "  }\n");
}

Test(codec_proto_text, lists_in_lists_have_wrappers)
{
    expect("m array<array<double>>, t map<bigint, map<string, int>>",
           "  repeated M m = 1;\n"
           "  map<int64, T> t = 2;\n"
           "\n"
           "  message M {\n"
           "    repeated double element = 1 [packed = true];\n"
           "  }\n"
           "\n"
           "  message T {\n"
           "    map<string, int32> entries = 1;\n"
           "  }\n");
}

Test(codec_proto_text, what_is_no_descriptor_is_refused_and_nothing_is_written)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *part;
    } cases[] = {
        {"", 0, "message \"\""},
        {"\x0a\x01 ", 3, "message \" \""},
        {"\x0a\x01m\x12", 4, "not a serialised DescriptorProto"},
        {"\x0a\x01m\x12\x02\x0a\x00", 7, "field \"\" has no name"},
        /* a group: a = 1, optional, type 10 */
        {"\x0a\x01m\x12\x09\x0a\x01g\x18\x01\x20\x01\x28\x0a", 14, "cannot be written"},
        /* an enum without a name that could be written */
        {"\x0a\x01m\x12\x09\x0a\x01g\x18\x01\x20\x01\x28\x0b", 14, "cannot be written"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out = BUF_NULL;
        struct err e = {0};
        buf_add_str(&out, "before");

        int r = codec_proto_text(slice_of(cases[i].bytes, cases[i].len), &out, &e);

        cr_assert_eq(r, ERR_INVALID);
        cr_assert_not_null(strstr(e.text, cases[i].part));
        cr_assert_eq(out.len, 6u);
        buf_deinit(&out);
    }
}

Test(codec_proto_text, bytes_as_base64)
{
    struct buf out = BUF_NULL;
    codec_base64(slice_str("any carnal pleas"), &out);
    cr_assert_str_eq(buf_cstr(&out), "YW55IGNhcm5hbCBwbGVhcw==");
    buf_deinit(&out);
}
