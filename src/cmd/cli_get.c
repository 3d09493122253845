/* SPDX-License-Identifier: Apache-2.0 */
/* sluice get NAME KEY */
#include "cli_priv.h"

#include <stdio.h>
#include <string.h>

static bool is_number_type(const char *type)
{
    static const char *const words[] = {"tinyint",       "smallint", "int",  "bigint",
                                        "float",         "double",   "date", "timestamp",
                                        "timestamp_ntz", "boolean"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(type, words[i]) == 0)
            return true;
    return false;
}

/* A plain KEY of a table with one key column becomes {"column": KEY}. EXIT_OK with *out filled. */
static int key_from_word(struct cli *c, const char *table, const char *word, struct buf *out)
{
    int status;
    Sluice__V1__DescribeTableResponse *a = cli_table_describe(c, table, &status);
    if (a == NULL)
        return status;
    const Sluice__V1__Column *key = NULL;
    int count = 0;
    for (size_t i = 0; i < a->table->n_columns; i++)
        if (a->table->columns[i]->key_ordinal > 0) {
            key = a->table->columns[i];
            count++;
        }
    if (count == 1) {
        struct json j = json_on(out);
        json_open(&j, '{');
        json_key(&j, key->name);
        if (is_number_type(key->type))
            json_raw(&j, slice_str(word));
        else
            json_str(&j, word);
        json_close(&j, '}');
    } else if (count == 0) {
        fprintf(stderr, "sluice: table %s has no primary key, so its rows cannot be looked up\n",
                table);
        status = EXIT_FAILED;
    } else {
        status = cli_usage("this table's key has several columns: give KEY as a JSON object");
    }
    sluice__v1__describe_table_response__free_unpacked(a, NULL);
    return status;
}

int cli_get(struct cli *c)
{
    if (c->word_count != 3)
        return cli_usage(
            "get takes the table's NAME and a KEY (plain, or a JSON object with the key columns)");
    struct buf key = BUF_NULL;
    int status = EXIT_OK;
    if (c->words[2][0] == '{')
        buf_add_str(&key, c->words[2]);
    else
        status = key_from_word(c, c->words[1], c->words[2], &key);
    Sluice__V1__GetRequest q = SLUICE__V1__GET_REQUEST__INIT;
    q.table = (char *)(uintptr_t)c->words[1];
    q.key_json = (char *)(uintptr_t)buf_cstr(&key);
    Sluice__V1__GetResponse *a = status != EXIT_OK
                                     ? NULL
                                     : cli_call(c, "/sluice.v1.Rows/Get", &q.base,
                                                &sluice__v1__get_response__descriptor, &status);
    if (a != NULL && a->found) {
        printf("%.*s\n", (int)a->row.len, (const char *)a->row.data);
    } else if (a != NULL) {
        fprintf(stderr, "sluice: %s holds no row with key %s\n", c->words[1], buf_cstr(&key));
        status = EXIT_NOT_FOUND;
    }
    if (a != NULL)
        sluice__v1__get_response__free_unpacked(a, NULL);
    buf_deinit(&key);
    return status;
}
