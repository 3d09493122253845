/* SPDX-License-Identifier: Apache-2.0 */
/* The schema elements of nested columns. */
#include "parquet_priv.h"

#include "random.h"
#include "table.h"
#include "test.h"

struct wanted {
    const char *name;
    int repetition, children, converted, field_id;
};

static void assert_elements(const char *ddl, const struct wanted *want, size_t count)
{
    struct table t;
    table_init(&t, ddl, NULL);
    table_finish(&t);
    const struct node *schema = node_at(&t.footer, 2, -1);
    cr_assert_eq(schema->kid_count, count);
    for (size_t i = 0; i < count; i++) {
        const struct node *e = &schema->kids[i];
        const struct node *rep = node_at(e, 3, -1), *children = node_at(e, 5, -1);
        const struct node *converted = node_at(e, 6, -1), *id = node_at(e, 9, -1);
        cr_assert(slice_eq(TEXT_AT(e, 4), slice_str(want[i].name)), "%s", want[i].name);
        cr_assert_eq(rep != NULL ? rep->i : -1, want[i].repetition, "%s", want[i].name);
        cr_assert_eq(children != NULL ? children->i : 0, want[i].children, "%s", want[i].name);
        cr_assert_eq(converted != NULL ? converted->i : -1, want[i].converted, "%s", want[i].name);
        cr_assert_eq(id != NULL ? id->i : 0, want[i].field_id, "%s", want[i].name);
    }
    table_deinit(&t);
}

Test(parquet_shape, the_tree_is_spelled_as_delta_readers_expect)
{
    static const struct wanted want[] = {
        {"schema", -1, 3, -1, 0}, {"add", 1, 3, -1, 1},       {"path", 0, 0, 0, 0},
        {"values", 1, 1, 1, 0},   {"key_value", 2, 2, -1, 0}, {"key", 0, 0, 0, 0},
        {"value", 1, 0, -1, 0},   {"size", 1, 0, -1, 0},      {"features", 0, 1, 3, 2},
        {"list", 2, 1, -1, 0},    {"element", 1, 1, 3, 0},    {"list", 2, 1, -1, 0},
        {"element", 1, 0, 0, 0},  {"n", 1, 0, -1, 3},
    };

    assert_elements("add struct<path string not null, values map<string, int>, size bigint>, "
                    "features array<array<string>> not null, n bigint",
                    want, ARRAY_LEN(want));
}

Test(parquet_shape, a_variant_is_a_group_of_two_required_binaries)
{
    static const struct wanted want[] = {
        {"schema", -1, 1, -1, 0},
        {"v", 1, 2, -1, 1},
        {"metadata", 0, 0, -1, 0},
        {"value", 0, 0, -1, 0},
    };
    struct table t;

    assert_elements("v variant", want, ARRAY_LEN(want));

    table_init(&t, "v variant", NULL);
    table_finish(&t);
    cr_assert_eq(INT_AT(&t.footer, 2, 1, 10, 16, 1), 1); /* VARIANT of specification 1 */
    cr_assert_eq(INT_AT(&t.footer, 2, 2, 1), PHYS_BYTE_ARRAY);
    table_deinit(&t);
}

Test(parquet_shape, groups_say_what_they_mean)
{
    struct table t;
    table_init(&t, "m map<string, int>, a array<int>, s struct<x int>", NULL);

    table_finish(&t);

    const struct node *schema = node_at(&t.footer, 2, -1);
    cr_assert_not_null(node_at(schema, 1, 10, 2, -1)); /* MAP */
    cr_assert_not_null(node_at(schema, 5, 10, 3, -1)); /* LIST */
    cr_assert_null(node_at(schema, 8, 10, -1));
    table_deinit(&t);
}

Test(parquet_shape, levels_count_what_may_be_missing_on_the_way)
{
    struct row_schema *schema;
    struct parquet_shape s;
    static const struct {
        uint8_t def, rep, entry;
    } want[] = {
        {3, 1, 2}, /* a: null, empty, element null */
        {3, 1, 3}, /* s.m's key: s null, m null, m empty */
        {4, 1, 3}, /* its value may be null, too */
        {0, 0, 0},
    };
    cr_assert_eq(row_schema_parse(slice_str("a array<int>, s struct<m map<string, int>>, "
                                            "n bigint not null"),
                                  NULL, 0, &schema, NULL),
                 0);

    parquet__shape_init(&s, schema);

    cr_assert_eq(s.leaf_count, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        cr_assert_eq(s.leaves[i].def_max, want[i].def);
        cr_assert_eq(s.leaves[i].rep_max, want[i].rep);
        cr_assert_eq(s.leaves[i].def_entry, want[i].entry);
    }
    parquet__shape_deinit(&s);
    row_schema_unref(schema);
}

Test(parquet_shape, paths_lead_from_the_root)
{
    struct table t;
    table_init(&t, "add struct<values map<string, int>>", NULL);
    random_rows(&(struct random){1}, t.batch, 1);

    table_finish(&t);

    const struct node *path = node_at(table_meta(&t, 0, 1), 3, -1);
    static const char *const want[] = {"add", "values", "key_value", "value"};
    cr_assert_eq(path->kid_count, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        cr_assert(slice_eq(path->kids[i].s, slice_str(want[i])));
    table_deinit(&t);
}

Test(parquet_shape, the_deepest_type_has_room)
{
    struct buf ddl = BUF_NULL;
    struct row_schema *schema;
    struct parquet_shape s;
    const char *path[PARQUET_PATH_MAX];
    buf_add_str(&ddl, "a ");
    for (int i = 1; i < ROW_DEPTH_MAX; i++)
        buf_add_str(&ddl, "array<");
    buf_add_str(&ddl, "int");
    for (int i = 1; i < ROW_DEPTH_MAX; i++)
        buf_add_str(&ddl, ">");
    cr_assert_eq(row_schema_parse(buf_slice(&ddl), NULL, 0, &schema, NULL), 0);

    parquet__shape_init(&s, schema);

    cr_assert_eq(s.leaves[0].rep_max, ROW_DEPTH_MAX - 1);
    cr_assert_eq(s.leaves[0].def_max, 2 * (ROW_DEPTH_MAX - 1) + 1);
    cr_assert_eq(parquet__shape_path(&s, s.leaves[0].node, path), 2 * ROW_DEPTH_MAX - 1);
    parquet__shape_deinit(&s);
    row_schema_unref(schema);
    buf_deinit(&ddl);
}
