/* SPDX-License-Identifier: Apache-2.0 */
/* What a descriptor has beyond a table, as columns to add. */
#include "codec_priv.h"

#include "base/mem.h"

#include "test.h"

enum { LABEL_ONE = 1, LABEL_MANY = 3, T_DOUBLE = 1, T_MESSAGE = 11, T_ENUM = 14 };

/* A FieldDescriptorProto. */
static void field(struct buf *out, const char *name, unsigned number, unsigned label, unsigned type,
                  const char *type_name)
{
    struct buf f = BUF_NULL;
    wire_add_bytes(&f, 1, slice_str(name));
    wire_add_u64(&f, 3, number);
    wire_add_u64(&f, 4, label);
    wire_add_u64(&f, 5, type);
    if (type_name != NULL)
        wire_add_bytes(&f, 6, slice_str(type_name));
    wire_add_bytes(out, 2, buf_slice(&f));
    buf_deinit(&f);
}

static void nested(struct buf *out, const char *name, const struct buf *body, bool is_map_entry)
{
    struct buf m = BUF_NULL;
    wire_add_bytes(&m, 1, slice_str(name));
    buf_add_slice(&m, buf_slice(body));
    if (is_map_entry)
        wire_add_bytes(&m, 7, slice_of("\x38\x01", 2));
    wire_add_bytes(out, 3, buf_slice(&m));
    buf_deinit(&m);
}

static void begin(struct buf *d)
{
    *d = BUF_NULL;
    wire_add_bytes(d, 1, slice_str("Row"));
}

static int new_columns(const char *ddl, struct buf *descriptor, struct buf *out, size_t *ret_count,
                       struct err *e)
{
    struct row_schema *s = NULL;
    cr_assert_eq(row_schema_parse(slice_str(ddl), NULL, 0, &s, NULL), 0);
    int rc = codec_new_columns(buf_slice(descriptor), s, out, ret_count, e);
    row_schema_unref(s);
    return rc;
}

/* @expected: the columns, each ended by a semicolon. */
static void assert_new(const char *ddl, struct buf *descriptor, const char *expected)
{
    struct buf out = BUF_NULL;
    struct err e;
    size_t count = 0, semicolons = 0;
    int rc = new_columns(ddl, descriptor, &out, &count, &e);
    cr_assert_eq(rc, 0);
    for (size_t i = 0; i < out.len; i++)
        if (out.data[i] == '\0')
            out.data[i] = ';', semicolons++;
    cr_assert_str_eq(buf_cstr(&out), expected);
    cr_assert_eq(count, semicolons);
    buf_deinit(&out);
    buf_deinit(descriptor);
}

static void assert_refused(struct buf *descriptor, const char *sentence)
{
    struct buf out = BUF_NULL;
    struct err e;
    size_t count = 0;
    cr_assert_eq(new_columns("id BIGINT", descriptor, &out, &count, &e), ERR_INVALID);
    cr_assert_not_null(strstr(e.text, sentence));
    buf_deinit(&out);
    buf_deinit(descriptor);
}

Test(codec_evolve, a_field_of_each_type_of_one_value_becomes_its_column)
{
    static const char *const expected[] = {
        [1] = "DOUBLE", [2] = "FLOAT", [3] = "BIGINT",  [4] = "BIGINT", [5] = "INT",
        [6] = "BIGINT", [7] = "INT",   [8] = "BOOLEAN", [9] = "STRING", [12] = "BINARY",
        [13] = "INT",   [15] = "INT",  [16] = "BIGINT", [17] = "INT",   [18] = "BIGINT",
    };
    for (unsigned t = 1; t < ARRAY_LEN(expected); t++) {
        if (expected[t] == NULL)
            continue;
        struct buf d, line = BUF_NULL;
        begin(&d);
        field(&d, "ID", 1, LABEL_ONE, 3, NULL);
        field(&d, "x", 2, LABEL_ONE, t, NULL);
        buf_printf(&line, "x %s;", expected[t]);
        assert_new("id BIGINT", &d, buf_cstr(&line));
        buf_deinit(&line);
    }
}

Test(codec_evolve, nothing_is_new_where_each_field_has_its_column)
{
    struct buf d;
    begin(&d);
    field(&d, "ID", 7, LABEL_ONE, 9, NULL); /* whether it fits is not asked here */
    assert_new("id BIGINT, more STRING", &d, "");
}

Test(codec_evolve, messages_lists_and_maps_become_nested_columns)
{
    struct buf d, inner = BUF_NULL, entry = BUF_NULL;
    field(&inner, "lat", 1, LABEL_ONE, T_DOUBLE, NULL);
    field(&inner, "tags", 2, LABEL_MANY, 9, NULL);
    field(&entry, "key", 1, LABEL_ONE, 9, NULL);
    field(&entry, "value", 2, LABEL_ONE, T_MESSAGE, "Place");
    begin(&d);
    nested(&d, "Place", &inner, false);
    nested(&d, "ByNameEntry", &entry, true);
    field(&d, "place", 1, LABEL_ONE, T_MESSAGE, ".some.pkg.Row.Place");
    field(&d, "places", 2, LABEL_MANY, T_MESSAGE, "Place");
    field(&d, "by_name", 3, LABEL_MANY, T_MESSAGE, ".some.pkg.Row.ByNameEntry");
    buf_deinit(&inner);
    buf_deinit(&entry);
    assert_new("id BIGINT", &d,
               "place STRUCT<`lat` DOUBLE, `tags` ARRAY<STRING>>;"
               "places ARRAY<STRUCT<`lat` DOUBLE, `tags` ARRAY<STRING>>>;"
               "by_name MAP<STRING, STRUCT<`lat` DOUBLE, `tags` ARRAY<STRING>>>;");
}

Test(codec_evolve, new_fields_of_known_structs_are_found_at_every_depth)
{
    struct buf d, inner = BUF_NULL, entry = BUF_NULL;
    field(&inner, "lat", 1, LABEL_ONE, T_DOUBLE, NULL);
    field(&inner, "lon", 2, LABEL_ONE, T_DOUBLE, NULL);
    field(&entry, "key", 1, LABEL_ONE, 9, NULL);
    field(&entry, "value", 2, LABEL_ONE, T_MESSAGE, "Place");
    begin(&d);
    nested(&d, "Place", &inner, false);
    nested(&d, "MEntry", &entry, true);
    field(&d, "p", 1, LABEL_ONE, T_MESSAGE, "Place");
    field(&d, "l", 2, LABEL_MANY, T_MESSAGE, "Place");
    field(&d, "m", 3, LABEL_MANY, T_MESSAGE, "MEntry");
    buf_deinit(&inner);
    buf_deinit(&entry);
    assert_new("p STRUCT<lat DOUBLE>, l ARRAY<STRUCT<lat DOUBLE>>, "
               "m MAP<STRING, STRUCT<lat DOUBLE>>",
               &d, "p.lon DOUBLE;l.element.lon DOUBLE;m.value.lon DOUBLE;");
}

Test(codec_evolve, what_no_column_can_hold_is_refused)
{
    struct buf d, inner = BUF_NULL;
    begin(&d);
    field(&d, "colour", 1, LABEL_ONE, T_ENUM, "Colour");
    assert_refused(&d, "the new field colour cannot become a column: its type is an enum");
    begin(&d);
    field(&d, "x STRING, y", 1, LABEL_ONE, 9, NULL);
    assert_refused(&d, "its name is not one that a column can have");
    begin(&d);
    field(&inner, "again", 1, LABEL_ONE, T_MESSAGE, "Loop");
    nested(&d, "Loop", &inner, false);
    field(&d, "loop", 1, LABEL_ONE, T_MESSAGE, "Loop");
    buf_deinit(&inner);
    assert_refused(&d, "too deep or too large");
    begin(&d);
    buf_add(&d, "\x12\x7f", 2);
    assert_refused(&d, "not a serialised DescriptorProto");
}

/* Thirty types, each with two fields of the next: a text of 2^30 parts if nobody counted. */
Test(codec_evolve, a_descriptor_that_unfolds_without_end_is_refused)
{
    struct buf d;
    begin(&d);
    for (char t = 'A'; t < 'A' + 25; t++) {
        struct buf body = BUF_NULL;
        char name[2] = {t, '\0'}, next[2] = {(char)(t + 1), '\0'};
        field(&body, "l", 1, LABEL_ONE, T_MESSAGE, next);
        field(&body, "r", 2, LABEL_ONE, T_MESSAGE, next);
        nested(&d, name, &body, false);
        buf_deinit(&body);
    }
    struct buf leaf = BUF_NULL;
    field(&leaf, "x", 1, LABEL_ONE, 9, NULL);
    nested(&d, "Z", &leaf, false);
    buf_deinit(&leaf);
    field(&d, "a", 1, LABEL_ONE, T_MESSAGE, "A");
    assert_refused(&d, "too deep or too large");
}
