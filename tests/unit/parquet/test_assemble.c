/* SPDX-License-Identifier: Apache-2.0 */
/* Nested columns, written and read back. */
#include "parquet/read.h"

#include "parquet_priv.h"

#include "random.h"
#include "table.h"
#include "test.h"

static const char nested[] =
    "id bigint not null, s struct<a int, b struct<c string, d boolean not null> not null, "
    "e array<double>>, l array<array<decimal(20,3)>>, m map<int, struct<x date, v variant>> not "
    "null, "
    "v variant, w variant not null, deep array<map<string, array<struct<t timestamp, u "
    "tinyint>>>>, "
    "o struct<only map<boolean, string>>, last string";

/* @groups groups of @rows rows; kept[g] is what was written. */
static void make(struct table *t, const char *ddl, uint32_t groups, uint32_t rows,
                 struct row_batch **kept)
{
    struct random random = {rows};
    table_init(t, ddl, &(struct parquet_options){.page_rows_max = 20});
    for (uint32_t g = 0; g < groups; g++) {
        random_rows(&random, t->batch, rows);
        cr_assert_eq(parquet_write_batch(t->writer, t->batch, NULL), 0);
        kept[g] = t->batch;
        t->batch = row_batch_new(t->schema);
    }
    table_finish(t);
}

Test(parquet_assemble, every_shape_comes_back_as_it_was)
{
    struct table t;
    struct row_batch *kept[3];
    struct parquet_reader *r;
    make(&t, nested, 3, 300, kept);
    struct row_batch *b = row_batch_new(t.schema);

    cr_assert_eq(parquet_reader_new(t.schema, buf_slice(&t.file), &r, NULL), 0);
    for (uint32_t g = 0; g < 3; g++) {
        cr_assert_eq(parquet_reader_batch(r, g, b, NULL), 0);
        cr_assert(batch_same(kept[g], b), "group %u", g);
        row_batch_free(kept[g]);
    }

    parquet_reader_free(r);
    row_batch_free(b);
    table_deinit(&t);
}

/* Not only the values: also what stands in the vectors of nulls. */
Test(parquet_assemble, what_was_read_is_written_as_the_same_bytes)
{
    struct table t, again;
    struct row_batch *kept[1];
    struct parquet_reader *r;
    make(&t, nested, 1, 500, kept);
    table_init(&again, nested, &(struct parquet_options){.page_rows_max = 20});

    cr_assert_eq(parquet_reader_new(t.schema, buf_slice(&t.file), &r, NULL), 0);
    cr_assert_eq(parquet_reader_batch(r, 0, again.batch, NULL), 0);
    table_finish(&again);

    cr_assert(slice_eq(buf_slice(&t.file), buf_slice(&again.file)));
    row_batch_free(kept[0]);
    parquet_reader_free(r);
    table_deinit(&again);
    table_deinit(&t);
}

Test(parquet_assemble, columns_of_nothing_but_nulls_and_empty_lists_come_back)
{
    struct table t;
    struct row_batch *b;
    struct parquet_reader *r;
    table_init(&t, "a array<array<int>>, s struct<m map<int, string>>, v variant", NULL);
    struct row_value inner[] = {{.item_count = 0}, {.null = true}};
    struct row_value rows[][3] = {
        {{.null = true}, {.null = true}, {.null = true}},
        {{.item_count = 0}, {.items = &inner[0], .item_count = 1}, {.null = true}},
        {{.items = inner, .item_count = 2}, {.items = &inner[1], .item_count = 1}, {.null = true}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        row_batch_append(t.batch, rows[i]);
    cr_assert_eq(parquet_write_batch(t.writer, t.batch, NULL), 0);
    cr_assert_eq(parquet_finish(t.writer, NULL), 0);
    b = row_batch_new(t.schema);

    cr_assert_eq(parquet_reader_new(t.schema, buf_slice(&t.file), &r, NULL), 0);
    cr_assert_eq(parquet_reader_batch(r, 0, b, NULL), 0);

    cr_assert(batch_same(t.batch, b));
    parquet_reader_free(r);
    row_batch_free(b);
    table_deinit(&t);
}

/* Two leaves of one list whose levels contradict each other: the chunk of one is another file's. */
Test(parquet_assemble, leaves_that_disagree_on_their_list_are_refused)
{
    struct table one, other;
    struct parquet_reader *r;
    struct err e = {0};
    struct row_value pair[] = {{.i64 = 1}, {.i64 = 2}}, entry = {.items = pair, .item_count = 2};
    struct row_value two[] = {entry, entry};
    const char *ddl = "a array<struct<x int not null, y int not null> not null> not null";
    const struct row_value lists[] = {{.items = two, .item_count = 2},
                                      {.items = two, .item_count = 1}};
    table_init(&one, ddl, NULL);
    table_init(&other, ddl, NULL);
    for (int i = 0; i < 2; i++) {
        row_batch_append(one.batch, &lists[i]);
        row_batch_append(other.batch, &lists[1 - i]);
    }
    table_finish(&one);
    table_finish(&other);
    const struct node *x = table_meta(&one, 0, 1), *y = table_meta(&other, 0, 1);
    size_t at = (size_t)INT_AT(x, 9), len = (size_t)INT_AT(x, 7);
    cr_assert_eq((size_t)INT_AT(y, 9), at);
    cr_assert_eq((size_t)INT_AT(y, 7), len);
    memcpy(one.file.data + at, other.file.data + at, len); /* its own checksum is good */

    cr_assert_eq(parquet_reader_new(one.schema, buf_slice(&one.file), &r, NULL), 0);
    struct row_batch *b = row_batch_new(one.schema);
    cr_assert_eq(parquet_reader_batch(r, 0, b, &e), ERR_DAMAGED);

    cr_assert_not_null(strstr(e.text, "levels"), "%s", e.text);
    row_batch_free(b);
    parquet_reader_free(r);
    table_deinit(&one);
    table_deinit(&other);
}

/* The way down again, by levels.c. */
static void assert_same_levels(const struct row_batch *b, const struct parquet_data *data)
{
    struct buf bufs[7] = {0};
    const struct row_vector *v = &b->columns[0];
    struct parquet_slots rows = {.count = b->row_count}, a, c, d;
    parquet__slots_own(&rows, v, &bufs[0], &a);
    cr_assert(parquet__slots_expand(&a, v->offsets, &bufs[1], &bufs[2], &c));
    parquet__slots_own(&c, &v->children[0], &bufs[3], &d);
    cr_assert(parquet__slots_expand(&d, v->children[0].offsets, &bufs[4], &bufs[5], &a));
    parquet__slots_own(&a, &v->children[0].children[0], &bufs[6], &c);
    cr_assert_eq(c.count, data->level_count);
    cr_assert_eq(memcmp(c.def, data->def, c.count), 0);
    cr_assert_eq(memcmp(c.rep, data->rep, c.count), 0);
    for (size_t i = 0; i < ARRAY_LEN(bufs); i++)
        buf_deinit(&bufs[i]);
}

/* A file of one column "a array<array<int>>", its levels as given. */
static int read_levels(uint32_t rows, const char *def, const char *rep, struct err *e)
{
    static const int32_t values[16] = {0};
    struct row_schema *schema;
    struct parquet_file f;
    struct parquet_reader *r;
    struct buf file = BUF_NULL;
    uint8_t levels[2][16];
    struct parquet_data data = {.row_count = rows,
                                .level_count = (uint32_t)strlen(def),
                                .def = levels[0],
                                .rep = levels[1],
                                .fixed = (const uint8_t *)values};
    for (uint32_t i = 0; i < data.level_count; i++) {
        levels[0][i] = (uint8_t)(def[i] - '0');
        levels[1][i] = (uint8_t)(rep[i] - '0');
        data.value_count += def[i] == '5';
    }
    cr_assert_eq(row_schema_parse(slice_str("a array<array<int>>"), NULL, 0, &schema, NULL), 0);
    parquet__file_init(&f, NULL, schema, &file);
    cr_assert_eq(parquet__file_group(&f, rows, NULL), 0);
    cr_assert_eq(parquet__chunk_write(&f, 0, &data, NULL), 0);
    cr_assert_eq(parquet__footer_write(&f, NULL), 0);
    cr_assert_eq(parquet_reader_new(schema, buf_slice(&file), &r, e), 0);
    struct row_batch *b = row_batch_new(schema);
    int rc = parquet_reader_batch(r, 0, b, e);
    if (rc == 0)
        assert_same_levels(b, &data);
    row_batch_free(b);
    parquet_reader_free(r);
    parquet__file_deinit(&f);
    row_schema_unref(schema);
    buf_deinit(&file);
    return rc;
}

/* null 0, empty 1, element null 2, element empty 3, number null 4, number 5 */
Test(parquet_assemble, only_what_holds_something_goes_on)
{
    struct err e = {0};

    cr_assert_eq(read_levels(3, "0124553", "0001211", &e), 0, "%s", e.text);

    cr_assert_eq(read_levels(1, "05", "01", &e), ERR_DAMAGED); /* a null goes on */
    cr_assert_eq(read_levels(1, "15", "01", &e), ERR_DAMAGED); /* an empty list */
    cr_assert_eq(read_levels(1, "35", "02", &e), ERR_DAMAGED); /* an empty element */
    cr_assert_eq(read_levels(1, "51", "01", &e), ERR_DAMAGED); /* with nothing */
    cr_assert_eq(read_levels(1, "53", "02", &e), ERR_DAMAGED); /* its element, with nothing */
}

/* With whatever levels: refused, or read as rows that write down to levels again. */
Test(parquet_assemble, any_levels_are_read_or_refused)
{
    struct random random = {11};
    unsigned good = 0;
    for (unsigned i = 0; i < 3000; i++) {
        char def[6] = {0}, rep[6] = {0};
        uint32_t rows = 0;
        for (unsigned k = 0; k < 5; k++) {
            def[k] = (char)('0' + random_below(&random, 6));
            rep[k] = (char)('0' + (k > 0 ? random_below(&random, 3) : 0));
            rows += rep[k] == '0';
        }
        struct err e = {0};
        int rc = read_levels(rows, def, rep, &e);
        cr_assert(rc == 0 || rc == ERR_DAMAGED, "%s %s", def, rep);
        good += rc == 0;
    }
    cr_assert(good > 100 && good < 2900, "%u", good);
}
