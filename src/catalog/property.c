/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties of a table: pairs of words that say how it behaves. They are kept as they were set,
 * and read once into flags. What a key means: docs/formats/control.md. Pure.
 */
#include "catalog_priv.h"

#include "base/mem.h"
#include "rule/rule.h"

#include <stdlib.h>

/* A key with two words to choose from; the first is what holds when the key is not set. */
struct choice {
    const char *key, *usual, *other;
    size_t flag; /* offset of the bool that says "other" */
};

#define RULE_PREFIX "rule."

#define CHOICE(key_, usual_, other_, member)                                                       \
    {                                                                                              \
        (key_), (usual_), (other_), offsetof(struct catalog_properties, member)                    \
    }

static const struct choice choices[] = {
    CHOICE("on_error", "reject", "quarantine", quarantine),
    CHOICE("timestamps", "micros", "iso8601", iso8601),
    CHOICE("evolve", "none", "add_columns", add_columns),
};

static int read_choice(const struct catalog_property *p, const struct choice *c,
                       struct catalog_properties *ret, struct err *e)
{
    bool other = strcmp(p->value, c->other) == 0;
    if (!other && strcmp(p->value, c->usual) != 0)
        return err_set(e, ERR_INVALID, "property %s is %s or %s, not \"%.64s\"", c->key, c->usual,
                       c->other, p->value);
    *(bool *)((char *)ret + c->flag) = other;
    return 0;
}

static int read_property(const struct catalog_property *p, struct catalog_properties *ret,
                         struct err *e)
{
    if (strlen(p->value) > PROPERTY_VALUE_BYTES_MAX)
        return err_set(e, ERR_INVALID, "property %.128s holds more than %d bytes", p->key,
                       PROPERTY_VALUE_BYTES_MAX);
    for (size_t i = 0; i < ARRAY_LEN(choices); i++)
        if (strcmp(p->key, choices[i].key) == 0)
            return read_choice(p, &choices[i], ret, e);
    if (strncmp(p->key, RULE_PREFIX, strlen(RULE_PREFIX)) == 0)
        return 0; /* see read_rules() */
    return err_set(e, ERR_INVALID,
                   "there is no property \"%.128s\"; known are on_error, timestamps, evolve and "
                   "rule.NAME",
                   p->key);
}

/* rule.NAME = "ACTION: PREDICATE". @texts: room for RULES_PER_TABLE_MAX. */
static int read_rules(struct catalog_properties *p, struct rule_text *texts, size_t *ret_count,
                      struct err *e)
{
    *ret_count = 0;
    for (size_t i = 0; i < p->count; i++) {
        const char *key = p->list[i].key;
        if (strncmp(key, RULE_PREFIX, strlen(RULE_PREFIX)) != 0)
            continue;
        if (*ret_count == RULES_PER_TABLE_MAX)
            return err_set(e, ERR_INVALID, "a table has at most %d rules", RULES_PER_TABLE_MAX);
        struct rule_text *text = &texts[(*ret_count)++];
        if (rule_text_parse(slice_str(key + strlen(RULE_PREFIX)), slice_str(p->list[i].value), text,
                            e) < 0)
            return err_wrap(e, "property %.160s", key);
        p->quarantine_rules |= text->action == RULE_QUARANTINE;
    }
    return 0;
}

static int compile_rules(struct catalog_properties *p, struct row_schema *schema, struct err *e)
{
    struct rule_text texts[RULES_PER_TABLE_MAX];
    size_t count;
    TRY(read_rules(p, texts, &count, e));
    if (count == 0 || schema == NULL)
        return 0;
    p->rule_fails = mem_calloc(count, sizeof(*p->rule_fails));
    return rule_set_new(schema, texts, count, &p->rules, e);
}

static int by_key(const void *a, const void *b)
{
    const struct catalog_property *x = a, *y = b;
    return strcmp(x->key, y->key);
}

static int read_list(struct catalog_properties *p, struct err *e)
{
    for (size_t i = 0; i < p->count; i++) {
        if (i > 0 && strcmp(p->list[i - 1].key, p->list[i].key) == 0)
            return err_set(e, ERR_INVALID, "property %.128s comes twice", p->list[i].key);
        TRY(read_property(&p->list[i], p, e));
    }
    return 0;
}

int catalog_properties_parse(const struct catalog_property *list, size_t count,
                             struct row_schema *schema, struct catalog_properties *ret,
                             struct err *e)
{
    if (count > PROPERTIES_MAX)
        return err_set(e, ERR_INVALID, "a table has at most %d properties, not %zu", PROPERTIES_MAX,
                       count);
    struct catalog_properties p = {.list = mem_calloc(count + 1, sizeof(*p.list)), .count = count};
    for (size_t i = 0; i < count; i++)
        p.list[i] = (struct catalog_property){mem_strdup(list[i].key), mem_strdup(list[i].value)};
    qsort(p.list, count, sizeof(*p.list), by_key);
    int rc = read_list(&p, e);
    if (rc == 0)
        rc = compile_rules(&p, schema, e);
    if (rc < 0) {
        catalog_properties_deinit(&p);
        return rc;
    }
    *ret = p;
    return 0;
}

bool catalog_quarantines(const struct catalog_properties *p)
{
    return p->quarantine || p->quarantine_rules;
}

void catalog_properties_deinit(struct catalog_properties *p)
{
    for (size_t i = 0; i < p->count; i++) {
        mem_free(p->list[i].key);
        mem_free(p->list[i].value);
    }
    mem_free(p->list);
    rule_set_unref(p->rules);
    mem_free(p->rule_fails);
    *p = (struct catalog_properties){0};
}
