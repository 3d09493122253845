/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "codec/variant.h"

#include "base/limits.h"

static struct codec_plan *own(const char *ddl)
{
    struct row_schema *s = help_schema(ddl, NULL);
    struct codec_plan *p = codec_plan_new_own(s);
    row_schema_unref(s);
    return p;
}

/* ---- the protobuf project's conformance rules, by name: docs/formats/rows.md lists them ---- */

Test(codec_conformance, ValidDataScalar_MESSAGE_a_struct_is_there_when_its_field_is)
{
    struct codec_plan *p = own("s struct<a int, b struct<c string>>");

    help_expect_row(p, "1{1:7 2{1'x'}}", "{s={a=7 b={c='x'}}}");
    help_expect_row(p, "1{}", "{s={a=- b=-}}");
    help_expect_row(p, "", "{s=-}");
    codec_plan_unref(p);
}

Test(codec_conformance, RepeatedScalarSelectsLast_at_every_depth)
{
    struct codec_plan *p = own("s struct<a int, t string>, d decimal(5,2)");

    help_expect_row(p, "1{1:1 1:2 2'x' 2'yz'} 2'1' 2'2.5'", "{s={a=2 t='yz'} d=2.50}");
    codec_plan_unref(p);
}

Test(codec_conformance, RepeatedScalarMessageMerge_pieces_of_a_struct_become_one)
{
    struct codec_plan *p =
        own("n struct<c struct<i32 int, i64 bigint, u32 int, r array<int>, m map<string,int>>>");

    help_expect_row(p,
                    "1{1{1:1234 2:1234 4:1234 5{1'a' 2:1}}} 1{1{1:4321 3:4321 4:4321 5{1'a' 2:2}}}",
                    "{n={c={i32=4321 i64=1234 u32=4321 r=[1234 4321] m=['a'=2]}}}");
    help_expect_row(p, "1{1{1:1}} 1{} 1{1{}}", "{n={c={i32=1 i64=- u32=- r=[] m=[]}}}");
    codec_plan_unref(p);
}

Test(codec_conformance, ValidDataRepeated_UnpackedInput_PackedInput_each_form_of_each_type)
{
    static const struct {
        const char *ddl;
        enum proto_type type;
        const char *unpacked, *packed, *mixed, *expected;
    } cases[] = {
        {"l array<int>", PB_INT32, "1:1 1:-1", "1[1 -1]", "1:1 1[-1]", "{l=[1 -1]}"},
        {"l array<int>", PB_SINT32, "1:1 1:2", "1[1 2]", "1[1] 1[] 1:2", "{l=[-1 1]}"},
        {"l array<int>", PB_UINT32, "1:1 1:300", "1[1 300]", "1[1] 1:300", "{l=[1 300]}"},
        {"l array<int>", PB_FIXED32, "#0d01000000 #0d02000000", "#0a080100000002000000",
         "#0d01000000 #0a0402000000", "{l=[1 2]}"},
        {"l array<int>", PB_SFIXED32, "#0dffffffff #0d02000000", "#0a08ffffffff02000000",
         "#0a04ffffffff #0d02000000", "{l=[-1 2]}"},
        {"l array<bigint>", PB_INT64, "1:1 1:-1", "1[1 -1]", "1[1] 1:-1", "{l=[1 -1]}"},
        {"l array<bigint>", PB_SINT64, "1:1 1:2", "1[1 2]", "1:1 1[2]", "{l=[-1 1]}"},
        {"l array<bigint>", PB_UINT64, "1:0 1:128", "1[0 128]", "1:0 1[128]", "{l=[0 128]}"},
        {"l array<bigint>", PB_FIXED64, "#090100000000000000", "#0a080100000000000000",
         "#0a080100000000000000 #0a00", "{l=[1]}"},
        {"l array<bigint>", PB_SFIXED64, "#09ffffffffffffffff", "#0a08ffffffffffffffff",
         "#0a00 #09ffffffffffffffff", "{l=[-1]}"},
        {"l array<boolean>", PB_BOOL, "1:1 1:0", "1[1 0]", "1:1 1[0]", "{l=[true false]}"},
        {"l array<float>", PB_FLOAT, "#0d0000803f #0d00000040", "#0a080000803f00000040",
         "#0a040000803f #0d00000040", "{l=[1 2]}"},
        {"l array<double>", PB_DOUBLE, "#09000000000000f03f", "#0a08000000000000f03f",
         "#09000000000000f03f #0a00", "{l=[1]}"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct row_schema *s = help_schema(cases[i].ddl, NULL);
        struct codec_plan *p = NULL;
        struct buf d = BUF_NULL;
        help_field(&d, "l", 1, PB_REPEATED, cases[i].type);
        cr_assert_eq(codec_plan_new(buf_slice(&d), s, &p, NULL), 0);

        help_expect_row(p, cases[i].unpacked, cases[i].expected);
        help_expect_row(p, cases[i].packed, cases[i].expected);
        help_expect_row(p, cases[i].mixed, cases[i].expected);

        codec_plan_unref(p);
        row_schema_unref(s);
        buf_deinit(&d);
    }
}

Test(codec_conformance, ValidDataRepeated_STRING_BYTES_MESSAGE_elements_keep_their_order)
{
    struct codec_plan *p =
        own("t array<string>, b array<binary>, m array<struct<a int>>, d array<decimal(3,1)>, "
            "v array<date>");

    help_expect_row(p, "1'x' 2'' 3{1:1} 4'1.5' 5[1 2] 1'' 1'y' 3{} 3{1:2} 4'-2' 2'z'",
                    "{t=['x' '' 'y'] b=['' 'z'] m=[{a=1} {a=-} {a=2}] d=[1.5 -2.0] v=[1 2]}");
    codec_plan_unref(p);
}

Test(codec_conformance, ValidDataMap_Default_MissingDefault_NonDefault_Unordered)
{
    struct codec_plan *p = own("m map<string,int>, n map<bigint,string>, f map<boolean,boolean>, "
                               "s map<int,struct<a int>>, b map<int,binary>, d map<int,double>");

    help_expect_row(p, "1{1'' 2:0} 2{1:0 2''} 3{1:0 2:0}",
                    "{m=[''=0] n=[0=''] f=[false=false] s=[] b=[] d=[]}");
    help_expect_row(p, "1{} 2{} 3{} 4{} 5{} 6{}",
                    "{m=[''=0] n=[0=''] f=[false=false] s=[0={a=-}] b=[0=''] d=[0=0]}");
    help_expect_row(p, "1{1'k' 2:7} 1{1'l'} 1{2:3} 4{1:9 2{1:8}}",
                    "{m=['k'=7 'l'=0 ''=3] n=[] f=[] s=[9={a=8}] b=[] d=[]}");
    help_expect_row(p, "1{2:7 1'k'} 4{2{1:8} 1:9}", "{m=['k'=7] n=[] f=[] s=[9={a=8}] b=[] d=[]}");
    codec_plan_unref(p);
}

Test(codec_conformance, ValidDataMap_DuplicateKey_DuplicateKeyInMapEntry_DuplicateValueInMapEntry)
{
    struct codec_plan *p = own("m map<string,int>, n map<bigint,int>");

    help_expect_row(p, "1{1'a' 2:1} 1{1'b' 2:2} 1{1'a' 2:3}", "{m=['a'=3 'b'=2] n=[]}");
    help_expect_row(p, "1{1'a' 1'b' 2:1}", "{m=['b'=1] n=[]}");
    help_expect_row(p, "1{1'a' 2:1 2:2}", "{m=['a'=2] n=[]}");
    help_expect_row(p, "2{1:-1 2:1} 2{1:-1}", "{m=[] n=[-1=0]}");
    codec_plan_unref(p);
}

/* Another entry of the same key replaces the value; two values in one entry are pieces of one. */
Test(codec_conformance, ValidDataMap_STRING_MESSAGE_MergeValue)
{
    struct codec_plan *p = own("m map<string,struct<a int, b int, r array<int>>>");

    help_expect_row(p, "1{1'' 2{1:1 3:1}} 1{1'' 2{2:1 3:1}}", "{m=[''={a=- b=1 r=[1]}]}");
    help_expect_row(p, "1{1'k' 2{1:1 3:1} 2{2:2 3:2}}", "{m=['k'={a=1 b=2 r=[1 2]}]}");
    codec_plan_unref(p);
}

Test(codec_conformance, UnknownVarint_UnknownOrdering_are_passed_over_at_every_depth)
{
    struct codec_plan *p = own("s struct<a int>, l array<struct<a int>>, m map<int,int>");

    help_expect_row(p,
                    "501:1 1{666'abc' 1:1 666:123 666'def' #d514ffffffff #d1140102030405060708} "
                    "2{666:456 1:2} 3{1:1 666'x' 2:2} 666[1 2]",
                    "{s={a=1} l=[{a=2}] m=[1=2]}");
    codec_plan_unref(p);
}

Test(codec_conformance, PrematureEof_in_nested_values_is_refused)
{
    struct codec_plan *p = own("s struct<a int, t string>, l array<int>, x array<string>, "
                               "f array<float>, m map<string,int>, g array<struct<a int>>");

    /* BeforeKnownRepeatedValue, InsideKnownRepeatedValue */
    help_expect_refused(p, "#10", "column l[0]: malformed protobuf at byte 0", "l[0]");
    help_expect_refused(p, "2:1 #1080", "column l[1]: malformed protobuf at byte 2", "l[1]");
    help_expect_refused(p, "#1a80", "column x[0]: malformed", "x[0]");
    /* InDelimitedDataForKnownNonRepeatedValue, ForKnownRepeatedValue */
    help_expect_refused(p, "#0a01", "column s: malformed protobuf at byte 0", "s");
    help_expect_refused(p, "#3201", "column g: malformed protobuf at byte 0", "g");
    help_expect_refused(p, "#2a01", "column m: malformed protobuf at byte 0", "m");
    /* InPackedField, InPackedFieldValue */
    help_expect_refused(p, "#1201", "column l: malformed protobuf at byte 0", "l");
    help_expect_refused(p, "2[1 2] #120180", "column l[2]: malformed protobuf at byte 4", "l[2]");
    help_expect_refused(p, "#2203616263", "column f[0]: malformed protobuf at byte 0", "f[0]");
    /* InSubmessageValue */
    help_expect_refused(p, "#0a020880", "column s.a: malformed protobuf at byte 2", "s.a");
    help_expect_refused(p, "6{} #32020880", "column g[1].a: malformed protobuf at byte 4",
                        "g[1].a");
    /* BeforeUnknownValue, InsideUnknownValue */
    help_expect_refused(p, "#0a0128", "column s: malformed protobuf at byte 2", "s");
    help_expect_refused(p, "#2a022880", "column m: malformed protobuf at byte 2", "m");
    help_expect_refused(p, "#f81f", "malformed protobuf at byte 0", "");
    codec_plan_unref(p);
}

Test(codec_conformance, IllegalZeroFieldNum_BadTag_UnknownWireType_groups_in_nested_messages)
{
    struct codec_plan *p = own("s struct<a int>, m map<int,int>");

    help_expect_refused(p, "1{#0001}", "column s: malformed protobuf at byte 2", "s");
    help_expect_refused(p, "1{#0261}", "column s: malformed protobuf at byte 2", "s");
    help_expect_refused(p, "1{1:1 #8080808010 #01}", "column s: malformed protobuf at byte 4", "s");
    help_expect_refused(p, "1{#3e01}", "column s: malformed", "s");
    help_expect_refused(p, "1{#1b1c}", "column s: malformed protobuf at byte 2: groups are not",
                        "s");
    help_expect_refused(p, "1{#1c}", "groups are not supported", "s");
    help_expect_refused(p, "2{#1b1c}", "column m: malformed protobuf at byte 2: groups", "m");
    codec_plan_unref(p);
}

Test(codec_conformance, RejectInvalidUtf8_String_MapKey_MapValue)
{
    struct codec_plan *p = own("s struct<t string>, m map<string,string>, l array<string>");

    help_expect_refused(p, "1{#0a01ff}", "column s.t: the text is not valid UTF-8", "s.t");
    help_expect_refused(p, "2{#0a01ff 2'v'}", "column m: the text is not valid UTF-8", "m");
    help_expect_refused(p, "2{1'k' #1201ff}", "column m[\"k\"]: the text is not", "m[\"k\"]");
    help_expect_refused(p, "3'ok' #1a01ff", "column l[1]: the text is not valid UTF-8", "l[1]");
    codec_plan_unref(p);
}

/* Presence: a field that carries its type's zero is there, an absent one is null. */
Test(codec_conformance, OneofZero_explicit_presence_a_zero_on_the_wire_is_a_value)
{
    struct codec_plan *p = own("s struct<u int, m struct<a int>, t string, b binary, o boolean, "
                               "l bigint>");

    help_expect_row(p, "1{1:0 2{} 3'' 4'' 5:0 6:0}", "{s={u=0 m={a=-} t='' b='' o=false l=0}}");
    help_expect_row(p, "1{2{1:0}}", "{s={u=- m={a=0} t=- b=- o=- l=-}}");
    codec_plan_unref(p);
}

/* ---- what a table adds ---- */

Test(codec_nested, not_null_is_asked_at_every_depth_of_what_is_there)
{
    struct codec_plan *p = own(
        "s struct<a int not null, t struct<b int not null>, u struct<c int not null> not null>, "
        "l array<struct<a int not null>>, m map<string,struct<a int not null>>, "
        "x array<int> not null");

    help_expect_row(p, "", "{s=- l=[] m=[] x=[]}");
    help_expect_row(p, "1{1:1 3{1:1}}", "{s={a=1 t=- u={c=1}} l=[] m=[] x=[]}");
    help_expect_row(p, "1{3{}} 1{1:1} 1{3{1:1}}", "{s={a=1 t=- u={c=1}} l=[] m=[] x=[]}");
    help_expect_refused(p, "1{}", "column s.a is NOT NULL but the record has no value", "s.a");
    help_expect_refused(p, "1{1:1}", "column s.u is NOT NULL", "s.u");
    help_expect_refused(p, "1{1:1 3{}}", "column s.u.c is NOT NULL", "s.u.c");
    help_expect_refused(p, "1{1:1 3{1:1} 2{}}", "column s.t.b is NOT NULL", "s.t.b");
    help_expect_refused(p, "2{1:1} 2{}", "column l[1].a is NOT NULL", "l[1].a");
    help_expect_refused(p, "2{} 2{1:1}", "column l[0].a is NOT NULL", "l[0].a");
    help_expect_refused(p, "3{1'k' 2{}}", "column m[\"k\"].a is NOT NULL", "m[\"k\"].a");
    help_expect_refused(p, "3{1'k'}", "column m[\"k\"].a is NOT NULL", "m[\"k\"].a");
    help_expect_refused(p, "3{1'k' 2{1:1}} 3{}", "column m[\"\"].a is NOT NULL", "m[\"\"].a");
    codec_plan_unref(p);
}

Test(codec_nested, the_path_names_elements_keys_and_fields)
{
    struct codec_plan *p = own(
        "address struct<street array<tinyint>>, tags map<string,tinyint>, "
        "deep array<array<map<int,array<tinyint>>>>, flags map<boolean,tinyint>, "
        "prices array<decimal(3,1)>, v variant, vs map<string,variant>, ds map<int,decimal(3,1)>");

    help_expect_refused(p, "1{1:1 1:2 1:3 1:300}",
                        "column address.street[3]: 300 is out of range for tinyint",
                        "address.street[3]");
    help_expect_refused(p, "1{#0d01000000}",
                        "column address.street: the field at byte 2 has wire type 5, not 0",
                        "address.street");
    help_expect_refused(p, "1{1[1]} 1{1[2 300]}", "column address.street[2]: 300",
                        "address.street[2]");
    help_expect_refused(p, "2{1'a' 2:300}", "column tags[\"a\"]: 300 is out", "tags[\"a\"]");
    help_expect_refused(p, "2{2:300 1'a\"\\'}", "column tags[\"a\\\"\\\\\"]",
                        "tags[\"a\\\"\\\\\"]");
    help_expect_refused(p, "2{2:300}", "column tags[\"\"]: 300", "tags[\"\"]");
    help_expect_refused(p, "3{} 3{1{} 1{1{1:-7 2{1:1 1:-129}}}}",
                        "column deep[1][1][-7][1]: -129 is out of range", "deep[1][1][-7][1]");
    help_expect_refused(p, "3{2{1:1}} 3{1:1}",
                        "column deep[1]: the field at byte 8 has wire type 0", "deep[1]");
    help_expect_refused(p, "4{1:1 2:128}", "column flags[true]: 128", "flags[true]");
    help_expect_refused(p, "4{2:128}", "column flags[false]: 128", "flags[false]");
    help_expect_refused(p, "4{1'x'}", "column flags: the field at byte 2 has wire type 2, not 0",
                        "flags");
    help_expect_refused(p, "5'1' 5'1.23'", "column prices[1]: \"1.23\" is not a decimal(3,1)",
                        "prices[1]");
    help_expect_refused(p, "6'{'", "column v: the text is no variant: ", "v");
    help_expect_refused(p, "7{1'k' 2'[1,]'}",
                        "column vs[\"k\"]: the text is no variant: ", "vs[\"k\"]");
    help_expect_refused(p, "7{1'k'}", "column vs[\"k\"]: the text is no variant", "vs[\"k\"]");
    help_expect_refused(p, "8{1:5}", "column ds[5]: \"\" is not a decimal(3,1)", "ds[5]");
    codec_plan_unref(p);
}

Test(codec_nested, wrappers_hold_lists_in_lists)
{
    struct codec_plan *p = own("m array<array<double>>, t map<string,map<string,int>>, "
                               "x map<int,array<string>>, y array<map<int,int>>");

    help_expect_row(p, "1{#0a08000000000000f03f} 1{} 2{1'a' 2{1{1'b' 2:1}}} 3{1:1} 3{1:2 2{1'z'}}",
                    "{m=[[1] []] t=['a'=['b'=1]] x=[1=[] 2=['z']] y=[]}");
    /* a wrapper in pieces merges too; another entry of the key replaces it */
    help_expect_row(p, "3{1:1 2{1'a'} 2{1'b'}} 4{1{1:1 2:1} 1{1:1 2:2}} 4{}",
                    "{m=[] t=[] x=[1=['a' 'b']] y=[[1=2] []]}");
    help_expect_row(p, "3{1:1 2{1'a'}} 3{1:1 2{1'b'}}", "{m=[] t=[] x=[1=['b']] y=[]}");
    codec_plan_unref(p);
}

Test(codec_nested, a_variant_is_kept_in_its_binary_form)
{
    struct codec_plan *p = own("v variant, l array<variant>");
    struct row_value values[2];
    struct arena arena = ARENA_NULL;
    struct buf row = BUF_NULL, json = BUF_NULL, again = BUF_NULL;
    (void)help_wire(&row, "1'{\"b\" : [1, null], \"a\":\"x\"}' 2'null' 2'1.50'");

    cr_assert_eq(codec_check(p, buf_slice(&row), NULL), 0);
    cr_assert_eq(codec_decode(p, buf_slice(&row), &arena, values), 0);

    cr_assert_eq(codec_variant_to_json(values[0].bytes, &json, NULL), 0);
    cr_assert_str_eq(buf_cstr(&json), "{\"a\":\"x\",\"b\":[1,null]}");
    cr_assert_eq(values[1].item_count, 2u);
    codec_values_to_row(codec_plan_schema(p), values, &again);
    buf_reset(&row);
    (void)help_wire(&row, "1'{\"a\":\"x\",\"b\":[1,null]}' 2'null' 2'1.50'");
    cr_assert(slice_eq(buf_slice(&row), buf_slice(&again)));
    codec_plan_unref(p);
    arena_deinit(&arena);
    buf_deinit(&row);
    buf_deinit(&json);
    buf_deinit(&again);
}

Test(codec_nested, a_list_without_a_field_in_the_descriptor_is_null_like_any_column)
{
    struct row_schema *s = help_schema("a int, l array<int>, m map<int,int>", NULL);
    struct codec_plan *p = NULL;
    struct buf d = BUF_NULL;
    help_field(&d, "a", 1, PB_OPTIONAL, PB_INT32);
    cr_assert_eq(codec_plan_new(buf_slice(&d), s, &p, NULL), 0);

    help_expect_row(p, "1:1 2:5", "{a=1 l=- m=-}");

    codec_plan_unref(p);
    row_schema_unref(s);
    buf_deinit(&d);
}

Test(codec_nested, a_row_holds_a_limited_number_of_values)
{
    struct codec_plan *p = own("l array<boolean>, s array<struct<a int, b int, c int>>");
    struct buf row = BUF_NULL;
    struct err e = {0};
    struct arena arena = ARENA_NULL;
    struct row_value values[2];

    uint8_t *bits = mem_zalloc(ROW_VALUES_MAX + 1);
    wire_add_bytes(&row, 1, slice_of(bits, ROW_VALUES_MAX));
    cr_assert_eq(codec_check(p, buf_slice(&row), &e), 0);
    cr_assert_eq(codec_decode(p, buf_slice(&row), &arena, values), 0);
    cr_assert_eq(values[0].item_count, ROW_VALUES_MAX);
    wire_add_u64(&row, 1, 1);
    int r = codec_check(p, buf_slice(&row), &e);
    help_expect("bools", r, &e, ERR_INVALID,
                "column l[1048576]: the record holds more than 1048576 values");
    cr_assert_eq(codec_decode(p, buf_slice(&row), &arena, values), ERR_DAMAGED);

    buf_reset(&row);
    for (unsigned i = 0; i <= ROW_VALUES_MAX / 3; i++)
        buf_add(&row, "\x12\x00", 2);
    r = codec_check(p, buf_slice(&row), &e);
    help_expect("structs", r, &e, ERR_INVALID,
                "column s[349525]: the record holds more than 1048576 values");
    codec_plan_unref(p);
    mem_free(bits);
    buf_deinit(&row);
    arena_deinit(&arena);
}

/* Entries of two bytes that count 32 values each, in field 1. */
static void expect_room_for_32(struct codec_plan *p, const char *reason)
{
    struct buf row = BUF_NULL;
    struct err e = {0};
    for (unsigned i = 0; i < ROW_VALUES_MAX / 32; i++)
        buf_add(&row, "\x0a\x00", 2);
    cr_assert_eq(codec_check(p, buf_slice(&row), &e), 0, "%s", e.text);
    buf_add(&row, "\x0a\x00", 2);
    help_expect(reason, codec_check(p, buf_slice(&row), &e), &e, ERR_INVALID, reason);
    buf_deinit(&row);
}

#define FIVE(n) n "1 int, " n "2 int, " n "3 int, " n "4 int, " n "5 int"
#define FIELDS_29                                                                                  \
    FIVE("a")                                                                                      \
    ", " FIVE("b") ", " FIVE("c") ", " FIVE("d") ", " FIVE("e") ", f1 int, f2 int, "               \
                                                                "f3 int, f4 int"

/* A batch has a cell for each field below a STRUCT that is null. */
Test(codec_nested, an_entry_counts_with_the_fields_of_its_structs_that_are_not_given)
{
    const char *list = "l array<struct<u struct<v struct<" FIELDS_29 ">, x array<int>>>>";
    struct codec_plan *p = own(list), *short_one = NULL;
    expect_room_for_32(p, "column l[32768]: the record holds more than 1048576 values");

    struct buf d = BUF_NULL, nothing = BUF_NULL;
    help_message_field(&d, "l", 1, PB_REPEATED, "Empty");
    help_type(&d, "Empty", &nothing, false);
    cr_assert_eq(codec_plan_new(buf_slice(&d), codec_plan_schema(p), &short_one, NULL), 0);
    expect_room_for_32(short_one, "column l[32768]: the record holds more than 1048576 values");
    codec_plan_unref(short_one);
    codec_plan_unref(p);

    p = own("m map<int,struct<u struct<" FIELDS_29 ">>>");
    expect_room_for_32(p, "column m: the record holds more than 1048576 values");
    codec_plan_unref(p);
    buf_deinit(&d);
}

/* Else a row could be refused for what takes no memory. */
Test(codec_nested, pieces_of_one_struct_count_once)
{
    struct codec_plan *p = own("s struct<" FIELDS_29 ">, l array<struct<u struct<" FIELDS_29 ">>>");
    struct buf row = BUF_NULL, element = BUF_NULL;
    for (unsigned i = 0; i < ROW_VALUES_MAX / 16; i++) {
        buf_add(&row, "\x0a\x00", 2);
        buf_add(&element, "\x0a\x00", 2);
    }
    wire_add_bytes(&row, 2, buf_slice(&element));

    cr_assert_eq(codec_check(p, buf_slice(&row), NULL), 0);

    codec_plan_unref(p);
    buf_deinit(&row);
    buf_deinit(&element);
}

/* A plan with more messages than there is room for marks on the stack. */
Test(codec_nested, not_null_is_asked_in_the_last_of_a_thousand_structs)
{
    struct buf ddl = BUF_NULL, row = BUF_NULL;
    struct err e = {0};
    for (int i = 0; i < 1000; i++)
        buf_printf(&ddl, "%ss%d struct<a int not null>", i == 0 ? "" : ",", i);
    struct codec_plan *p = own(buf_cstr(&ddl));

    wire_add_bytes(&row, 1, slice_str("\x08\x01"));
    wire_add_bytes(&row, 1000, slice_of("", 0));
    help_expect("s999", codec_check(p, buf_slice(&row), &e), &e, ERR_INVALID,
                "column s999.a is NOT");
    wire_add_bytes(&row, 1000, slice_str("\x08\x01"));
    cr_assert_eq(codec_check(p, buf_slice(&row), &e), 0);

    codec_plan_unref(p);
    buf_deinit(&ddl);
    buf_deinit(&row);
}

/* Every prefix and every single-bit change of a good row: no crash, check and decode agree. */
Test(codec_nested, check_and_decode_agree_on_damaged_rows)
{
    struct codec_plan *p =
        own("s struct<a int not null, t string>, l array<struct<a int not null, x array<double>>>, "
            "m map<string,struct<d decimal(5,2)>>, w array<array<bigint>>, v variant");
    struct arena arena = ARENA_NULL;
    struct row_value values[5];
    struct buf row = BUF_NULL;
    (void)help_wire(&row, "1{1:5 2'text'} 2{1:1 #1208000000000000f03f} 2{1:2} 3{1'k' 2{1'1.5'}} "
                          "4{1[1 2 300]} 5'{\"a\":[1,2]}'");
    cr_assert_eq(codec_check(p, buf_slice(&row), NULL), 0);

    for (size_t i = 0; i < row.len * 9; i++) {
        size_t len = i < row.len ? i : row.len, at = i / 9;
        uint8_t *part = mem_alloc(len + 1);
        struct err e = {0};
        memcpy(part, row.data, len);
        if (i >= row.len)
            part[at] ^= (uint8_t)(1u << i % 8);
        int r = codec_check(p, slice_of(part, len), &e);
        cr_assert(r == 0 || (r == ERR_INVALID && e.text[0] != '\0'));
        cr_assert_eq(codec_decode(p, slice_of(part, len), &arena, values),
                     r == 0 ? 0 : ERR_DAMAGED);
        arena_reset(&arena);
        mem_free(part);
    }
    codec_plan_unref(p);
    arena_deinit(&arena);
    buf_deinit(&row);
}
