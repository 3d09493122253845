/* SPDX-License-Identifier: Apache-2.0 */
/* sluice table create | alter | replace | list | show | drop */
#include "cli_priv.h"

#include "base/mem.h"
#include "codec/show.h"
#include "row/row.h"

#include <stdio.h>
#include <string.h>

typedef Sluice__V1__Table Table;

static void table_json(struct json *j, const Table *t)
{
    json_open(j, '{');
    json_key(j, "name");
    json_str(j, t->name);
    json_key(j, "table_id");
    json_u64(j, t->table_id);
    json_key(j, "version");
    json_u64(j, t->version);
    json_key(j, "location");
    json_str(j, t->location);
    json_key(j, "ddl");
    json_str(j, t->ddl);
    json_key(j, "columns");
    json_open(j, '[');
    for (size_t i = 0; i < t->n_columns; i++) {
        const Sluice__V1__Column *col = t->columns[i];
        json_open(j, '{');
        json_key(j, "name");
        json_str(j, col->name);
        json_key(j, "type");
        json_str(j, col->type);
        json_key(j, "not_null");
        json_bool(j, col->not_null);
        json_key(j, "key_ordinal");
        json_i64(j, col->key_ordinal);
        json_close(j, '}');
    }
    json_close(j, ']');
    json_key(j, "properties");
    json_open(j, '{');
    for (size_t i = 0; i < t->n_properties; i++) {
        json_key(j, t->properties[i]->key);
        json_str(j, t->properties[i]->value);
    }
    json_close(j, '}');
    json_close(j, '}');
}

static void print_table_json(const Table *t)
{
    struct buf out = BUF_NULL;
    struct json j = json_on(&out);
    table_json(&j, t);
    cli_json_print(&out);
}

static void print_table(const Table *t)
{
    printf("table     %s (id %u, version %u)\nlocation  %s\n", t->name, t->table_id, t->version,
           t->location);
    for (size_t i = 0; i < t->n_properties; i++)
        printf("property  %s = %s\n", t->properties[i]->key, t->properties[i]->value);
    struct cli_grid g = {.columns = 4};
    cli_grid_cell(&g, "column");
    cli_grid_cell(&g, "type");
    cli_grid_cell(&g, "null");
    cli_grid_cell(&g, "key");
    for (size_t i = 0; i < t->n_columns; i++) {
        const Sluice__V1__Column *col = t->columns[i];
        cli_grid_cell(&g, "%s", col->name);
        cli_grid_cell(&g, "%s", col->type);
        cli_grid_cell(&g, "%s", col->not_null ? "not null" : "");
        if (col->key_ordinal > 0)
            cli_grid_cell(&g, "%d", col->key_ordinal);
        else
            cli_grid_cell(&g, "%s", "");
    }
    cli_grid_print(&g);
}

/* "a, b" → its parts, in @list (borrowed from *ret_copy, which is given). */
static size_t split(const char *text, char **ret_copy, char *list[], size_t max)
{
    size_t n = 0;
    char *save = NULL;
    *ret_copy = mem_strdup(text != NULL ? text : "");
    for (char *p = strtok_r(*ret_copy, ", ", &save); p != NULL && n < max;
         p = strtok_r(NULL, ", ", &save))
        list[n++] = p;
    return n;
}

typedef Sluice__V1__CreateTableRequest__PropertiesEntry Property;

/* The --property words, as the request's map. EXIT_OK, or EXIT_USAGE with the reason said; the keys
 * are given in both cases. */
static int take_properties(const struct cli *c, Property *entries,
                           Sluice__V1__CreateTableRequest *q)
{
    for (int i = 0; i < c->property_count; i++) {
        const char *equals = strchr(c->properties[i], '=');
        if (equals == NULL)
            return cli_usage("--property takes KEY=VALUE, as in --property on_error=quarantine");
        sluice__v1__create_table_request__properties_entry__init(&entries[i]);
        entries[i].key = mem_strndup(c->properties[i], (size_t)(equals - c->properties[i]));
        entries[i].value = (char *)(uintptr_t)(equals + 1);
        q->properties[q->n_properties++] = &entries[i];
    }
    return EXIT_OK;
}

/* table create and table replace: the same request for @method. @done and @remark: what is said. */
static int make(struct cli *c, const char *method, const char *done, const char *remark)
{
    char *copy, *keys[CLI_WORDS_MAX];
    Sluice__V1__CreateTableRequest q = SLUICE__V1__CREATE_TABLE_REQUEST__INIT;
    q.name = (char *)(uintptr_t)c->words[2]; /* protobuf-c lacks the const; it only reads */
    q.ddl = (char *)(uintptr_t)c->words[3];
    q.n_primary_key = split(c->primary_key, &copy, keys, CLI_WORDS_MAX);
    q.primary_key = keys;
    Property entries[CLI_PROPERTIES_MAX], *list[CLI_PROPERTIES_MAX];
    q.properties = list;
    int status = take_properties(c, entries, &q);
    Sluice__V1__CreateTableResponse *a =
        status != EXIT_OK
            ? NULL
            : cli_call(c, method, &q.base, &sluice__v1__create_table_response__descriptor, &status);
    for (size_t i = 0; i < q.n_properties; i++)
        mem_free(entries[i].key);
    mem_free(copy);
    if (a == NULL)
        return status;
    if (c->json)
        print_table_json(a->table);
    else
        printf("%s %s in %s%s\n", done, a->table->name, a->table->location, remark);
    sluice__v1__create_table_response__free_unpacked(a, NULL);
    return EXIT_OK;
}

static int create(struct cli *c)
{
    if (c->word_count != 4)
        return cli_usage("table create takes NAME and 'COLUMNS', as in: table create a.b.c 'id "
                         "BIGINT NOT NULL, note STRING'");
    return make(c, "/sluice.v1.Tables/CreateTable", "created", "");
}

static int replace(struct cli *c)
{
    if (c->word_count != 4)
        return cli_usage("table replace takes NAME and 'COLUMNS', all of them, as in: table "
                         "replace a.b.c 'id STRING NOT NULL, note STRING'");
    return make(c, "/sluice.v1.Tables/ReplaceTable", "replaced",
                "; its old folder is moved aside, not deleted");
}

typedef Sluice__V1__AlterTableRequest__SetPropertiesEntry Set;

static int take_sets(const struct cli *c, Set *entries, Sluice__V1__AlterTableRequest *q)
{
    for (int i = 0; i < c->property_count; i++) {
        const char *equals = strchr(c->properties[i], '=');
        if (equals == NULL)
            return cli_usage("--property takes KEY=VALUE, as in --property on_error=quarantine");
        sluice__v1__alter_table_request__set_properties_entry__init(&entries[i]);
        entries[i].key = mem_strndup(c->properties[i], (size_t)(equals - c->properties[i]));
        entries[i].value = (char *)(uintptr_t)(equals + 1);
        q->set_properties[q->n_set_properties++] = &entries[i];
    }
    return EXIT_OK;
}

/* protobuf-c lacks the const; it only reads. */
static char **words(const char *const *list)
{
    return (char **)(uintptr_t)list;
}

static int alter(struct cli *c)
{
    if (c->word_count != 3)
        return cli_usage("table alter takes NAME and what changes, as in: table alter a.b.c --add "
                         "'note STRING' --widen 'n BIGINT'");
    if (c->add_count + c->widen_count + c->property_count + c->unset_count == 0)
        return cli_usage("table alter needs --add, --widen, --property or --unset");
    Sluice__V1__AlterTableRequest q = SLUICE__V1__ALTER_TABLE_REQUEST__INIT;
    q.name = (char *)(uintptr_t)c->words[2];
    q.add_columns = words(c->adds);
    q.n_add_columns = (size_t)c->add_count;
    q.widen_columns = words(c->widens);
    q.n_widen_columns = (size_t)c->widen_count;
    q.unset_properties = words(c->unsets);
    q.n_unset_properties = (size_t)c->unset_count;
    Set entries[CLI_PROPERTIES_MAX], *list[CLI_PROPERTIES_MAX];
    q.set_properties = list;
    int status = take_sets(c, entries, &q);
    Sluice__V1__AlterTableResponse *a =
        status != EXIT_OK ? NULL
                          : cli_call(c, "/sluice.v1.Tables/AlterTable", &q.base,
                                     &sluice__v1__alter_table_response__descriptor, &status);
    for (size_t i = 0; i < q.n_set_properties; i++)
        mem_free(entries[i].key);
    if (a == NULL)
        return status;
    if (c->json)
        print_table_json(a->table);
    else
        printf("altered %s: version %u\n", a->table->name, a->table->version);
    sluice__v1__alter_table_response__free_unpacked(a, NULL);
    return EXIT_OK;
}

static int list(struct cli *c)
{
    Sluice__V1__ListTablesRequest q = SLUICE__V1__LIST_TABLES_REQUEST__INIT;
    int status;
    Sluice__V1__ListTablesResponse *a =
        cli_call(c, "/sluice.v1.Tables/ListTables", &q.base,
                 &sluice__v1__list_tables_response__descriptor, &status);
    if (a == NULL)
        return status;
    if (c->json) {
        struct buf out = BUF_NULL;
        struct json j = json_on(&out);
        json_open(&j, '[');
        for (size_t i = 0; i < a->n_tables; i++)
            table_json(&j, a->tables[i]);
        json_close(&j, ']');
        cli_json_print(&out);
    } else {
        struct cli_grid g = {.columns = 3};
        cli_grid_cell(&g, "table");
        cli_grid_cell(&g, "columns");
        cli_grid_cell(&g, "location");
        for (size_t i = 0; i < a->n_tables; i++) {
            cli_grid_cell(&g, "%s", a->tables[i]->name);
            cli_grid_cell(&g, "%zu", a->tables[i]->n_columns);
            cli_grid_cell(&g, "%s", a->tables[i]->location);
        }
        cli_grid_print(&g);
    }
    sluice__v1__list_tables_response__free_unpacked(a, NULL);
    return EXIT_OK;
}

static bool takes_iso_timestamps(const Table *t)
{
    for (size_t i = 0; i < t->n_properties; i++)
        if (strcmp(t->properties[i]->key, "timestamps") == 0)
            return strcmp(t->properties[i]->value, "iso8601") == 0;
    return false;
}

struct row_schema *cli_table_schema(const Table *t)
{
    struct row_schema *s = NULL;
    struct err e = {0};
    if (row_schema_parse(slice_str(t->ddl), NULL, 0, &s, &e) < 0)
        fprintf(stderr, "sluice: table %s: the server's DDL cannot be read: %s\n", t->name, e.text);
    return s;
}

static int print_json_schema(const Table *t)
{
    struct row_schema *s = cli_table_schema(t);
    if (s == NULL)
        return EXIT_FAILED;
    struct buf out = BUF_NULL;
    codec_json_schema(s, t->name, takes_iso_timestamps(t), &out);
    cli_json_print(&out);
    row_schema_unref(s);
    return EXIT_OK;
}

/* A form that is text, with or without an end of line: as it is, or with --json under its name. */
static void print_form(const struct cli *c, const Table *t, const char *text)
{
    if (!c->json) {
        size_t len = strlen(text);
        printf("%s%s", text, len > 0 && text[len - 1] == '\n' ? "" : "\n");
        return;
    }
    struct buf out = BUF_NULL;
    struct json j = json_on(&out);
    json_open(&j, '{');
    json_key(&j, "name");
    json_str(&j, t->name);
    json_key(&j, c->as);
    json_str(&j, text);
    json_close(&j, '}');
    cli_json_print(&out);
}

static int print_proto(const struct cli *c, const Table *t)
{
    struct buf out = BUF_NULL;
    struct err e = {0};
    struct slice descriptor = slice_of(t->descriptor_proto.data, t->descriptor_proto.len);
    buf_printf(&out, "// Rows of %s.\n", t->name);
    int r = codec_proto_text(descriptor, &out, &e);
    if (r < 0)
        fprintf(stderr, "sluice: table %s: %s\n", t->name, e.text);
    else
        print_form(c, t, buf_cstr(&out));
    buf_deinit(&out);
    return r < 0 ? EXIT_FAILED : EXIT_OK;
}

static int print_descriptor(const struct cli *c, const Table *t)
{
    struct buf out = BUF_NULL;
    codec_base64(slice_of(t->descriptor_proto.data, t->descriptor_proto.len), &out);
    print_form(c, t, buf_cstr(&out));
    buf_deinit(&out);
    return EXIT_OK;
}

static int print_as(struct cli *c, const Table *t)
{
    if (c->as == NULL && c->json)
        print_table_json(t);
    else if (c->as == NULL)
        print_table(t);
    else if (strcmp(c->as, "ddl") == 0)
        print_form(c, t, t->ddl);
    else if (strcmp(c->as, "json-schema") == 0)
        return print_json_schema(t);
    else if (strcmp(c->as, "proto") == 0)
        return print_proto(c, t);
    else if (strcmp(c->as, "descriptor") == 0)
        return print_descriptor(c, t);
    else
        return cli_usage("--as takes ddl, json-schema, proto or descriptor");
    return EXIT_OK;
}

Sluice__V1__DescribeTableResponse *cli_table_describe(struct cli *c, const char *name,
                                                      int *ret_exit)
{
    Sluice__V1__DescribeTableRequest q = SLUICE__V1__DESCRIBE_TABLE_REQUEST__INIT;
    q.name = (char *)(uintptr_t)name;
    return cli_call(c, "/sluice.v1.Tables/DescribeTable", &q.base,
                    &sluice__v1__describe_table_response__descriptor, ret_exit);
}

static int show(struct cli *c)
{
    if (c->word_count != 3)
        return cli_usage("table show takes the table's NAME");
    int status;
    Sluice__V1__DescribeTableResponse *a = cli_table_describe(c, c->words[2], &status);
    if (a == NULL)
        return status;
    status = print_as(c, a->table);
    sluice__v1__describe_table_response__free_unpacked(a, NULL);
    return status;
}

static int drop(struct cli *c)
{
    if (c->word_count != 3)
        return cli_usage("table drop takes the table's NAME");
    Sluice__V1__DropTableRequest q = SLUICE__V1__DROP_TABLE_REQUEST__INIT;
    q.name = (char *)(uintptr_t)c->words[2];
    int status;
    Sluice__V1__DropTableResponse *a =
        cli_call(c, "/sluice.v1.Tables/DropTable", &q.base,
                 &sluice__v1__drop_table_response__descriptor, &status);
    if (a == NULL)
        return status;
    sluice__v1__drop_table_response__free_unpacked(a, NULL);
    printf(c->json ? "{\"dropped\":true}\n"
                   : "dropped; its Delta folder is moved aside, not deleted\n");
    return EXIT_OK;
}

int cli_table(struct cli *c)
{
    const char *verb = c->word_count > 1 ? c->words[1] : "";
    if (strcmp(verb, "create") == 0)
        return create(c);
    if (strcmp(verb, "alter") == 0)
        return alter(c);
    if (strcmp(verb, "replace") == 0)
        return replace(c);
    if (strcmp(verb, "list") == 0)
        return list(c);
    if (strcmp(verb, "show") == 0)
        return show(c);
    if (strcmp(verb, "drop") == 0)
        return drop(c);
    return cli_usage("table takes create, alter, replace, list, show or drop");
}
