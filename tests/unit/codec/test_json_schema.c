/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "codec/show.h"

static void expect(const char *ddl, bool iso_timestamps, const char *properties,
                   const char *required)
{
    struct row_schema *s = help_schema(ddl, NULL);
    struct buf out = BUF_NULL;
    char wanted[2048];

    codec_json_schema(s, "a.b.c", iso_timestamps, &out);

    (void)snprintf(wanted, sizeof(wanted),
                   "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\","
                   "\"title\":\"a.b.c\",\"type\":\"object\",\"properties\":{%s},"
                   "\"required\":[%s],\"additionalProperties\":false}",
                   properties, required);
    cr_assert_str_eq(buf_cstr(&out), wanted);
    buf_deinit(&out);
    row_schema_unref(s);
}

Test(codec_json_schema, a_flat_type_lists_what_json_may_hold)
{
    expect("a tinyint not null, b string comment 'say \"b\"', c boolean not null", false,
           "\"a\":{\"type\":[\"integer\",\"string\"],\"minimum\":-128,\"maximum\":127,"
           "\"pattern\":\"^-?[0-9]+$\"},"
           "\"b\":{\"description\":\"say \\\"b\\\"\",\"type\":[\"string\",\"null\"]},"
           "\"c\":{\"type\":\"boolean\"}",
           "\"a\",\"c\"");
    expect("d decimal(5,2) not null, e decimal(3,3) not null, f decimal(4) not null", false,
           "\"d\":{\"type\":\"string\",\"pattern\":\"^[+-]?[0-9]{1,3}(\\\\.[0-9]{1,2})?$\"},"
           "\"e\":{\"type\":\"string\",\"pattern\":\"^[+-]?0?\\\\.[0-9]{1,3}$\"},"
           "\"f\":{\"type\":\"string\",\"pattern\":\"^[+-]?[0-9]{1,4}$\"}",
           "\"d\",\"e\",\"f\"");
    expect("x double, y binary not null", false,
           "\"x\":{\"type\":[\"number\",\"string\",\"null\"],\"pattern\":\"^(NaN|-?Infinity)$\"},"
           "\"y\":{\"type\":\"string\",\"contentEncoding\":\"base64\"}",
           "\"y\"");
}

Test(codec_json_schema, timestamps_are_text_only_where_the_table_takes_it)
{
    expect("t timestamp not null", false,
           "\"t\":{\"type\":[\"integer\",\"string\"],\"minimum\":-9223372036854775808,"
           "\"maximum\":9223372036854775807,\"pattern\":\"^-?[0-9]+$\"}",
           "\"t\"");
    expect("t timestamp not null", true,
           "\"t\":{\"type\":[\"integer\",\"string\"],\"minimum\":-9223372036854775808,"
           "\"maximum\":9223372036854775807,\"format\":\"date-time\"}",
           "\"t\"");
    expect("d date not null", true,
           "\"d\":{\"type\":[\"integer\",\"string\"],\"minimum\":-2147483648,"
           "\"maximum\":2147483647,\"format\":\"date\"}",
           "\"d\"");
}

Test(codec_json_schema, nested_types_are_schemas_within_the_schema)
{
    expect("s struct<a string not null, b string>, l array<string> not null", false,
           "\"s\":{\"type\":[\"object\",\"null\"],\"properties\":{"
           "\"a\":{\"type\":\"string\"},\"b\":{\"type\":[\"string\",\"null\"]}},"
           "\"required\":[\"a\"],\"additionalProperties\":false},"
           "\"l\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}",
           "");
    expect("m map<string, boolean>, n map<bigint, array<string>>, o map<boolean, string>", false,
           "\"m\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"boolean\"}},"
           "\"n\":{\"type\":\"object\",\"propertyNames\":{\"pattern\":\"^-?[0-9]+$\"},"
           "\"additionalProperties\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}}},"
           "\"o\":{\"type\":\"object\",\"propertyNames\":{\"pattern\":\"^(true|false)$\"},"
           "\"additionalProperties\":{\"type\":\"string\"}}",
           "");
    expect("v variant, w variant not null", false, "\"v\":{},\"w\":{}", "\"w\"");
}
