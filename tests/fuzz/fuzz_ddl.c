/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DDL and names. A schema that was taken is written as DDL that parses to the same schema, and as
 * Delta's JSON that another reader takes; names that were taken have three plain parts.
 *
 * Input: key count u8, key parts, then the DDL; the DDL is tried as a table's name too.
 */
#include "fuzz.h"

#include "base/limits.h"
#include "base/mem.h"
#include "row/row.h"

#include <jansson.h>
#include <string.h>

static bool is_same_column(const struct row_column *a, const struct row_column *b)
{
    return strcmp(a->name, b->name) == 0 && a->type == b->type && a->precision == b->precision &&
           a->scale == b->scale && a->not_null == b->not_null && a->field_id == b->field_id &&
           (a->comment == NULL) == (b->comment == NULL) &&
           (a->comment == NULL || strcmp(a->comment, b->comment) == 0) &&
           a->field_count == b->field_count;
}

/* The same fields; returns how many leaves there are. */
static uint32_t check_fields(const struct row_column *a, const struct row_column *b, uint32_t count,
                             unsigned depth)
{
    uint32_t leaves = 0;
    FUZZ_CHECK(depth <= ROW_DEPTH_MAX);
    for (uint32_t i = 0; i < count; i++) {
        FUZZ_CHECK(is_same_column(&a[i], &b[i]));
        if (row_type_is_flat(a[i].type))
            leaves++;
        else if (a[i].type == ROW_VARIANT)
            leaves += 2;
        else
            leaves += check_fields(a[i].fields, b[i].fields, a[i].field_count, depth + 1);
    }
    return leaves;
}

static void check_again(const struct row_schema *s, const char *const *keys, size_t key_count)
{
    struct buf ddl = BUF_NULL, json = BUF_NULL;
    struct row_schema *again = NULL;
    struct err e = {0};
    row_schema_to_ddl(s, &ddl);
    FUZZ_CHECK(row_schema_parse(buf_slice(&ddl), keys, key_count, &again, &e) == 0);
    FUZZ_CHECK(again->column_count == s->column_count && again->key_count == s->key_count);
    FUZZ_CHECK(check_fields(s->columns, again->columns, s->column_count, 0) == s->leaf_count);
    FUZZ_CHECK(s->leaf_count == again->leaf_count && s->leaf_count <= ROW_LEAVES_MAX);
    for (uint32_t i = 0; i < s->column_count; i++)
        FUZZ_CHECK(row_schema_find(s, slice_str(s->columns[i].name)) == (int)i);
    for (uint32_t i = 0; i < s->key_count; i++)
        FUZZ_CHECK(s->key_columns[i] == again->key_columns[i] &&
                   s->columns[s->key_columns[i]].not_null &&
                   row_type_is_flat(s->columns[s->key_columns[i]].type));
    row_schema_to_delta_json(s, &json);
    json_t *j = json_loadb((const char *)json.data, json.len, 0, NULL);
    FUZZ_CHECK(json_array_size(json_object_get(j, "fields")) == s->column_count);
    json_decref(j);
    row_schema_unref(again);
    buf_deinit(&ddl);
    buf_deinit(&json);
}

static void check_name(const char *name)
{
    if (row_table_name_check(name, NULL) < 0)
        return;
    size_t dots = 0;
    for (const char *p = name; *p != '\0'; p++) {
        dots += *p == '.';
        FUZZ_CHECK(*p == '.' || *p == '_' || *p == '-' || (*p >= '0' && *p <= '9') ||
                   ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z'));
    }
    FUZZ_CHECK(dots == 2 && strlen(name) <= TABLE_NAME_BYTES_MAX);
    FUZZ_CHECK(strstr(name, "..") == NULL && name[0] != '.' && name[strlen(name) - 1] != '.');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = fuzz_in(data, size);
    char *keys[4];
    size_t key_count = fuzz_u8(&in) % 5;
    for (size_t i = 0; i < key_count; i++) {
        struct slice key = fuzz_part(&in);
        keys[i] = mem_strndup((const char *)key.data, key.len);
    }
    struct slice ddl = fuzz_rest(&in);
    struct row_schema *s = NULL;
    struct err e = {0};
    int r = row_schema_parse(ddl, (const char *const *)keys, key_count, &s, &e);
    FUZZ_CHECK(r == 0 || ((r == ERR_INVALID || r == ERR_UNSUPPORTED) && e.text[0] != '\0'));
    if (r == 0)
        check_again(s, (const char *const *)keys, key_count);
    char *name = mem_strndup((const char *)ddl.data, ddl.len);
    check_name(name);
    mem_free(name);
    row_schema_unref(s);
    for (size_t i = 0; i < key_count; i++)
        mem_free(keys[i]);
    return 0;
}
