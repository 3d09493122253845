/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "codec/csv.h"

static const char columns[] = "id bigint, name string, ok boolean, v variant";

/* All rows of @text that comes in pieces of @piece bytes, one a line; then how it ended. */
static int read_all(const char *ddl, char delimiter, const char *text, size_t piece,
                    struct buf *rows, uint64_t *ret_line, struct err *e)
{
    struct row_schema *s = help_schema(ddl, NULL);
    struct codec_csv *c = codec_csv_new(s, delimiter);
    size_t at = 0, len = strlen(text), have = 0, taken;
    int r;
    do {
        char *copy = mem_strndup(text + at, have); /* for the sanitizer to see its end */
        r = codec_csv_next(c, slice_of(copy, have), at + have == len, rows, &taken, e);
        mem_free(copy);
        if (r == CODEC_CSV_ROW)
            buf_add_byte(rows, '\n');
        if (r == CODEC_CSV_ROW || r == CODEC_CSV_NOTHING) {
            at += taken;
            have -= taken;
        } else if (r == CODEC_CSV_MORE) {
            have = have + piece < len - at ? have + piece : len - at;
        }
    } while (r > 0 && r != CODEC_CSV_END);
    *ret_line = codec_csv_line(c);
    codec_csv_free(c);
    row_schema_unref(s);
    return r;
}

static void expect(char delimiter, const char *text, const char *rows)
{
    for (size_t piece = 1; piece < 70; piece += 4) {
        struct buf out = BUF_NULL;
        struct err e = {0};
        uint64_t line;

        int r = read_all(columns, delimiter, text, piece, &out, &line, &e);

        if (r != CODEC_CSV_END)
            fprintf(stderr, "%s: %s\n", text, e.text);
        cr_assert_eq(r, CODEC_CSV_END);
        cr_assert_str_eq(buf_cstr(&out), rows);
        buf_deinit(&out);
    }
}

Test(codec_csv, the_header_says_which_column_a_field_is)
{
    expect(',', "NAME,id\nanna,1\nbert,2\n",
           "{\"name\":\"anna\",\"id\":\"1\"}\n{\"name\":\"bert\",\"id\":\"2\"}\n");
}

Test(codec_csv, an_empty_field_is_null_and_an_empty_quoted_one_is_not)
{
    expect(',', "id,name\n1,\n,\"\"\n", "{\"id\":\"1\"}\n{\"name\":\"\"}\n");
}

Test(codec_csv, quotes_hold_delimiters_quotes_and_ends_of_lines)
{
    expect(',', "id,name\r\n\"1\",\"a,b\"\r\n2,\"say \"\"x\"\"\"\r\n3,\"two\r\nlines\"\r\n",
           "{\"id\":\"1\",\"name\":\"a,b\"}\n{\"id\":\"2\",\"name\":\"say \\\"x\\\"\"}\n"
           "{\"id\":\"3\",\"name\":\"two\\u000d\\nlines\"}\n");
}

Test(codec_csv, the_last_line_may_lack_its_end)
{
    expect(',', "id\n1", "{\"id\":\"1\"}\n");
    expect(',', "id\n\"1\"", "{\"id\":\"1\"}\n");
    expect(',', "id,name\n1,", "{\"id\":\"1\"}\n");
    expect(',', "id\n1\r", "{\"id\":\"1\"}\n");
    expect(',', "id", "");
}

Test(codec_csv, other_delimiters_a_byte_order_mark_and_blank_lines)
{
    expect(';', "\xef\xbb\xbfid;name\n\n1;a,b\n\n\n2;\n\n",
           "{\"id\":\"1\",\"name\":\"a,b\"}\n{\"id\":\"2\"}\n");
    expect('\t', "id\tname\n1\ta b\n", "{\"id\":\"1\",\"name\":\"a b\"}\n");
}

/* One column: an empty line cannot be told from a NULL, and no row may be lost. */
Test(codec_csv, below_one_column_an_empty_line_is_a_null)
{
    expect(',', "id\n1\n\n2\n", "{\"id\":\"1\"}\n{}\n{\"id\":\"2\"}\n");
}

Test(codec_csv, booleans_and_json_are_no_text)
{
    expect(',', "ok,v\nTrue,\"{\"\"a\"\": [1,2]}\"\nfalse,7\n,\"\"\"text\"\"\"\n",
           "{\"ok\":true,\"v\":{\"a\": [1,2]}}\n{\"ok\":false,\"v\":7}\n{\"v\":\"text\"}\n");
}

Test(codec_csv, what_is_wrong_is_told_with_line_and_column)
{
    static const struct {
        const char *text, *part, *field;
    } cases[] = {
        {"", "line 1: the first line must name the columns", ""},
        {"\n\n", "line 3: the first line must name the columns", ""},
        {"id,colour\n", "line 1: the table has no column \"colour\"", ""},
        {"id,\n", "line 1: the table has no column \"\"", ""},
        {",\n", "line 1: the table has no column \"\"", ""},
        {"id,ID\n", "line 1: column id is named twice", ""},
        {"id,name\n1,a\n2\n", "line 3: 1 field, but the header names 2 columns", ""},
        {"id\n1,2\n", "line 2: 2 fields, but the header names 1 column", ""},
        {"id,name\n1,a\"b\n", "line 2: a quote stands inside", ""},
        {"id,name\n1,a\rb\n", "line 2: a carriage return stands outside", ""},
        {"id,name\n1,\"a\"b\n", "line 2: behind a closing quote", ""},
        {"id,name\n1,\"a\nb\nc", "line 4: the closing quote is missing", ""},
        {"id,ok\n\n1,\"true\"\n1,yes\n", "line 4, column ok: true or false is expected", "ok"},
        {"name,ok\n\"a\nb\",2\n", "line 3, column ok: true or false", "ok"},
        {"id,v\n1,hello\n", "line 2, column v: ", "v"},
        {"id,v\n1,\"1,\"\"id\"\":2\"\n", "line 2, column v: ", "v"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (size_t piece = 1; piece < 40; piece += 6) {
            struct buf out = BUF_NULL;
            struct err e = {0};
            uint64_t line;
            int r = read_all(columns, ',', cases[i].text, piece, &out, &line, &e);
            if (r != ERR_INVALID || strstr(e.text, cases[i].part) == NULL)
                fprintf(stderr, "%s: %d %s\n", cases[i].text, r, e.text);
            cr_assert_eq(r, ERR_INVALID);
            cr_assert_not_null(strstr(e.text, cases[i].part));
            cr_assert_str_eq(e.field, cases[i].field);
            cr_assert_eq(out.len == 0 || out.data[out.len - 1] == '\n', true);
            buf_deinit(&out);
        }
    }
}

Test(codec_csv, the_line_of_a_record_is_where_it_begins)
{
    struct buf out = BUF_NULL;
    struct err e = {0};
    uint64_t line;

    int r = read_all(columns, ',', "id,name\n1,\"a\nb\"\n\n2,\"c\nd\"", 100, &out, &line, &e);

    cr_assert_eq(r, CODEC_CSV_END);
    cr_assert_eq(line, 5u);
    buf_deinit(&out);
}

Test(codec_csv, a_record_without_end_is_refused_before_it_fills_the_memory)
{
    struct row_schema *s = help_schema("word string", NULL);
    struct codec_csv *c = codec_csv_new(s, ',');
    struct buf text = BUF_NULL, out = BUF_NULL;
    struct err e = {0};
    size_t taken;
    buf_add_str(&text, "word\n");
    cr_assert_eq(codec_csv_next(c, buf_slice(&text), false, &out, &taken, &e), CODEC_CSV_NOTHING);
    buf_reset(&text);
    buf_add_byte(&text, '"');
    memset(buf_reserve(&text, 10u << 20), 'x', 10u << 20);
    text.len += 10u << 20;

    cr_assert_eq(codec_csv_next(c, buf_slice(&text), false, &out, &taken, &e), ERR_INVALID);

    cr_assert_not_null(strstr(e.text, "line 2: the record is longer than 10 MiB"));
    buf_deinit(&text);
    buf_deinit(&out);
    codec_csv_free(c);
    row_schema_unref(s);
}

Test(codec_csv, a_delimiter_is_one_plain_character)
{
    cr_assert(codec_csv_delimiter_ok(','));
    cr_assert(codec_csv_delimiter_ok('\t'));
    cr_assert(codec_csv_delimiter_ok('|'));
    cr_assert_not(codec_csv_delimiter_ok('"'));
    cr_assert_not(codec_csv_delimiter_ok('\n'));
    cr_assert_not(codec_csv_delimiter_ok('\0'));
    cr_assert_not(codec_csv_delimiter_ok((char)0xc3));
    cr_assert_null(codec_csv_free(NULL));
}
