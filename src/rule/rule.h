/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * rule: what a table's owner asks of each row. A rule is a name, a predicate over columns in a
 * small SQL-like language, and what happens to a row that does not satisfy it. Language and
 * meaning: docs/formats/rules.md.
 *
 * A set is compiled once against a schema, immutable, and shared by counting (any thread). Checking
 * a row allocates nothing, takes no lock and reads the values only.
 */

#include "base/attr.h"
#include "base/err.h"
#include "base/slice.h"
#include "row/row.h"

#include <stdbool.h>
#include <stdint.h>

/* What becomes of a row that fails; a later one outweighs an earlier one. */
enum rule_action {
    RULE_WARN = 1,   /* it is stored; the failure is counted */
    RULE_DROP,       /* it is counted, acknowledged and not stored */
    RULE_QUARANTINE, /* it goes to the table's quarantine table */
    RULE_REJECT,     /* its request is refused */
};
const char *rule_action_name(enum rule_action a); /* "warn" … */

/* A rule as it is written. All slices are borrowed. */
struct rule_text {
    struct slice name; /* [A-Za-z_][A-Za-z0-9_]*, unique in the set, letter case ignored */
    enum rule_action action;
    struct slice predicate; /* UTF-8 */
};
/* "ACTION: PREDICATE", as a table's property says it: fills action and predicate, which is borrowed
 * from @text. ERR_INVALID with the reason; whether the predicate fits a schema is not looked at. */
must_use int rule_text_parse(struct slice name, struct slice text, struct rule_text *ret,
                             struct err *e);

struct rule_set;

/*
 * Compile @count rules (0 is fine) against @schema, which is shared; the texts are copied.
 * Returns: 0. ERR_INVALID naming the rule, the byte of its predicate (from 1), what stands there
 * and what is expected; or what is too many, too long or too deep.
 */
must_use int rule_set_new(struct row_schema *schema, const struct rule_text *rules, size_t count,
                          struct rule_set **ret_set, struct err *e);
struct rule_set *rule_set_ref(struct rule_set *s);
struct rule_set *rule_set_unref(struct rule_set *s); /* takes NULL; returns NULL */
CLEANUP_FUNC(struct rule_set *, rule_set_unref)

uint32_t rule_set_count(const struct rule_set *s);
/* The rule @i as it was given; borrowed from the set. */
const struct rule_text *rule_set_text(const struct rule_set *s, uint32_t i);
/* Does a rule of the set read this top-level column? The value of another may be anything. */
bool rule_set_reads(const struct rule_set *s, uint32_t column);

/*
 * Which rules does the row fail? Bit i stands for rule i; 0: it satisfies all. A row satisfies a
 * rule only when the predicate is TRUE: NULL, an overflow and a division by zero fail.
 * @values: one per column of the schema, as codec_decode() fills them. Any thread.
 */
uint64_t rule_set_check(const struct rule_set *s, const struct row_value *values);
/* The rules with this action. rule_set_check() & rule_set_with(RULE_WARN) … */
uint64_t rule_set_with(const struct rule_set *s, enum rule_action a);
/* Of the rules in @failed (not 0): the one that decides, the first of those with the weightiest
 * action. */
uint32_t rule_set_deciding(const struct rule_set *s, uint64_t failed);
/*
 * Why a row fails rule @i: the rule's name, its predicate, what it came to and the values it read,
 * in @e->text; the path of the first column it names in @e->field. Returns ERR_INVALID.
 * Not for the hot path.
 */
int rule_set_explain(const struct rule_set *s, uint32_t i, const struct row_value *values,
                     struct err *e);
