/* SPDX-License-Identifier: Apache-2.0 */
/* A schema's next version: what may change, what may not, and why. */
#include "row/row.h"

#include "base/buf.h"

#include "test.h"

static const char *const key[] = {"id"};

static struct row_schema *schema(const char *ddl)
{
    struct row_schema *s = NULL;
    struct err e;
    cr_assert_eq(row_schema_parse(slice_str(ddl), key, 1, &s, &e), 0);
    return s;
}

static void assert_ddl(const struct row_schema *s, const char *ddl)
{
    struct buf is = BUF_NULL, should = BUF_NULL;
    struct row_schema *other = schema(ddl);
    row_schema_to_ddl(s, &is);
    row_schema_to_ddl(other, &should);
    cr_assert_str_eq(buf_cstr(&is), buf_cstr(&should));
    buf_deinit(&is);
    buf_deinit(&should);
    row_schema_unref(other);
}

static int alter(const char *ddl, const char *add, const char *widen, struct row_schema **ret,
                 struct err *e)
{
    struct row_schema *s = schema(ddl);
    struct row_change c = {&add, add != NULL, &widen, widen != NULL};
    int rc = row_schema_alter(s, &c, ret, e);
    row_schema_unref(s);
    return rc;
}

static void assert_becomes(const char *ddl, const char *add, const char *widen, const char *after)
{
    struct row_schema *next = NULL;
    struct err e;
    int rc = alter(ddl, add, widen, &next, &e);
    cr_assert_eq(rc, 0);
    assert_ddl(next, after);
    row_schema_unref(next);
}

static void assert_refused(const char *ddl, const char *add, const char *widen,
                           const char *sentence)
{
    struct row_schema *next = NULL;
    struct err e;
    cr_assert_lt(alter(ddl, add, widen, &next, &e), 0);
    cr_assert_not_null(strstr(e.text, sentence));
    cr_assert_null(next);
}

Test(row_alter, adds_columns_behind_the_others)
{
    assert_becomes("id BIGINT, a INT", "note STRING COMMENT 'new'", NULL,
                   "id BIGINT, a INT, note STRING COMMENT 'new'");
    assert_becomes("id BIGINT", "  d  DECIMAL(10, 2)", NULL, "id BIGINT, d DECIMAL(10,2)");
}

Test(row_alter, widens_where_delta_can)
{
    assert_becomes("id BIGINT, a INT", NULL, "a BIGINT", "id BIGINT, a BIGINT");
    assert_becomes("id BIGINT, a FLOAT", NULL, "A DOUBLE", "id BIGINT, a DOUBLE");
    assert_becomes("id BIGINT, a DATE NOT NULL COMMENT 'x'", NULL, "a TIMESTAMP_NTZ",
                   "id BIGINT, a TIMESTAMP_NTZ NOT NULL COMMENT 'x'");
    assert_becomes("id BIGINT, a DECIMAL(5,2)", NULL, "a DECIMAL(8,3)",
                   "id BIGINT, a DECIMAL(8,3)");
}

Test(row_alter, says_why_a_change_cannot_be)
{
    assert_refused("id BIGINT", "note STRING NOT NULL", NULL, "new and NOT NULL");
    assert_refused("id BIGINT", "ID STRING", NULL, "column ID is there already");
    assert_refused("id BIGINT", "note", NULL, "not a column and its type");
    assert_refused("id BIGINT", "note STRING, b INT", NULL, "more than one column");
    assert_refused("id BIGINT", "note TEXTILE", NULL, "column note");
    assert_refused("id BIGINT", "a.b STRING", NULL, "there is no a");
    assert_refused("id BIGINT, a INT", "a.b STRING", NULL, "only a table and a STRUCT");
    assert_refused("id BIGINT, a BIGINT", NULL, "a INT", "cannot become int from bigint");
    assert_refused("id BIGINT, a INT", NULL, "a STRING", "no such widening");
    assert_refused("id BIGINT, a BIGINT", NULL, "a DOUBLE", "no such widening");
    assert_refused("id BIGINT", NULL, "b INT", "no column b to widen");
}

Test(row_alter, widens_a_key_only_where_its_bytes_stay)
{
    assert_becomes("id INT, a INT", NULL, "id BIGINT", "id BIGINT, a INT");
    assert_becomes("id FLOAT", NULL, "id DOUBLE", "id DOUBLE");
    assert_becomes("id DECIMAL(5,2)", NULL, "id DECIMAL(9,2)", "id DECIMAL(9,2)");
    assert_refused("id INT", NULL, "id DOUBLE", "it is a key column");
    assert_refused("id INT", NULL, "id DECIMAL(12,0)", "it is a key column");
    assert_refused("id DATE", NULL, "id TIMESTAMP_NTZ", "it is a key column");
    assert_refused("id DECIMAL(5,2)", NULL, "id DECIMAL(9,3)", "it is a key column");
}

/* What a log's record may not say (docs/formats/control.md). */
Test(row_alter, judges_two_schemas)
{
    static const struct {
        const char *from, *to, *sentence; /* NULL: fine */
    } cases[] = {
        {"id BIGINT, a INT", "id BIGINT, a INT", NULL},
        {"id BIGINT, a INT", "id BIGINT, a BIGINT, b STRING", NULL},
        {"id BIGINT, a INT", "id BIGINT", "column a cannot be dropped"},
        {"id BIGINT, a INT", "id BIGINT, b INT", "another one (b)"},
        {"id BIGINT, a INT", "id BIGINT, a INT NOT NULL", "may be null"},
        {"id BIGINT, a INT", "id BIGINT, a INT, b INT NOT NULL", "new and NOT NULL"},
        {"id BIGINT, a INT", "a INT, id BIGINT", "primary key"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct row_schema *from = schema(cases[i].from), *to = schema(cases[i].to);
        struct err e;
        int rc = row_schema_change_check(from, to, &e);
        cr_assert_eq(rc, cases[i].sentence == NULL ? 0 : ERR_UNSUPPORTED);
        if (rc < 0)
            cr_assert_not_null(strstr(e.text, cases[i].sentence));
        row_schema_unref(from);
        row_schema_unref(to);
    }
}
