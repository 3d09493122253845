/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Predicate text → program, in one pass: recursive descent that emits as it reads.
 *
 *   or         = and { OR and }
 *   and        = not { AND not }
 *   not        = NOT not | test
 *   test       = comparison { IS [NOT] (NULL | TRUE | FALSE) | [NOT] BETWEEN sum AND sum
 *                           | [NOT] IN ( literal {, literal} ) | [NOT] LIKE text [ESCAPE text] }
 *   comparison = sum { (= | == | <> | != | < | <= | > | >=) sum }
 *   sum        = product { (+ | -) product }
 *   product    = sign { (* | / | %) sign }
 *   sign       = (+ | -) sign | primary
 *
 * primary is in primary.c. A function that parses a value leaves it on the stack and says its
 * type. Thread: any.
 */
#include "rule_priv.h"

#include "base/must.h"

int rule__expect_symbol(struct rule__compiler *c, const char *symbol)
{
    if (!rule__is_symbol(c, symbol))
        return rule__fail(c, c->token.at, "%s is expected", symbol);
    return rule__advance(c);
}

int rule__deeper(struct rule__compiler *c)
{
    if (++c->depth > RULE_DEPTH_MAX)
        return rule__fail(c, c->token.at, "nesting is at most %d levels deep", RULE_DEPTH_MAX);
    return 0;
}

static int check_boolean(struct rule__compiler *c, const uint8_t *at, struct rule__type type)
{
    if (type.kind == KIND_BOOLEAN || type.kind == KIND_NULL)
        return 0;
    return rule__fail(c, at, "a BOOLEAN is expected here, not %s", rule__kind_name(type.kind));
}

static int parse_sign(struct rule__compiler *c, struct rule__type *ret)
{
    const uint8_t *at = c->token.at;
    bool minus = rule__is_symbol(c, "-");
    if (!minus && !rule__is_symbol(c, "+"))
        return rule__parse_primary(c, ret);
    TRY(rule__deeper(c));
    TRY(rule__advance(c));
    TRY(parse_sign(c, ret));
    c->depth--;
    if (minus)
        return rule__emit_sign(c, at, OP_NEGATE, *ret);
    return 0;
}

static int parse_product(struct rule__compiler *c, struct rule__type *ret)
{
    struct rule__type operands[2];
    TRY(parse_sign(c, &operands[0]));
    for (;;) {
        const uint8_t *at = c->token.at;
        enum rule__op op = rule__is_symbol(c, "*")   ? OP_MULTIPLY
                           : rule__is_symbol(c, "/") ? OP_DIVIDE
                           : rule__is_symbol(c, "%") ? OP_REMAINDER
                                                     : OP_END;
        if (op == OP_END)
            break;
        TRY(rule__advance(c));
        TRY(parse_sign(c, &operands[1]));
        TRY(rule__emit_arithmetic(c, at, op, operands, &operands[0]));
    }
    *ret = operands[0];
    return 0;
}

static int parse_sum(struct rule__compiler *c, struct rule__type *ret)
{
    struct rule__type operands[2];
    TRY(parse_product(c, &operands[0]));
    for (;;) {
        const uint8_t *at = c->token.at;
        bool plus = rule__is_symbol(c, "+");
        if (!plus && !rule__is_symbol(c, "-"))
            break;
        TRY(rule__advance(c));
        TRY(parse_product(c, &operands[1]));
        TRY(rule__emit_arithmetic(c, at, plus ? OP_ADD : OP_SUBTRACT, operands, &operands[0]));
    }
    *ret = operands[0];
    return 0;
}

/* What a comparison's symbol accepts; 0: the token is none. */
static unsigned comparison_of(const struct rule__compiler *c)
{
    static const struct {
        const char *symbol;
        unsigned with;
    } table[] = {{"=", IF_EQUAL},
                 {"==", IF_EQUAL},
                 {"<>", IF_LESS | IF_GREATER},
                 {"!=", IF_LESS | IF_GREATER},
                 {"<", IF_LESS},
                 {"<=", IF_LESS | IF_EQUAL},
                 {">", IF_GREATER},
                 {">=", IF_GREATER | IF_EQUAL}};
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (rule__is_symbol(c, table[i].symbol))
            return table[i].with;
    return 0;
}

static int parse_comparison(struct rule__compiler *c, struct rule__type *ret)
{
    struct rule__type operands[2];
    TRY(parse_sum(c, &operands[0]));
    for (unsigned with; (with = comparison_of(c)) != 0;) {
        const uint8_t *at = c->token.at;
        TRY(rule__advance(c));
        TRY(parse_sum(c, &operands[1]));
        TRY(rule__emit_compare(c, at, with, operands));
        operands[0] = (struct rule__type){.kind = KIND_BOOLEAN};
    }
    *ret = operands[0];
    return 0;
}

static int parse_is(struct rule__compiler *c, const uint8_t *at, struct rule__type type)
{
    bool negate = rule__is_word(c, "not");
    if (negate)
        TRY(rule__advance(c));
    if (rule__is_word(c, "null")) {
        rule__emit_is_null(c, negate);
        return rule__advance(c);
    }
    if (rule__is_word(c, "true") || rule__is_word(c, "false")) {
        TRY(check_boolean(c, at, type));
        (void)rule__emit(c, (struct rule__insn){.op = OP_IS, .a = rule__is_word(c, "true")});
    } else {
        return rule__fail(c, c->token.at, "NULL, TRUE or FALSE is expected");
    }
    if (negate)
        (void)rule__emit(c, (struct rule__insn){.op = OP_NOT});
    return rule__advance(c);
}

static int parse_between(struct rule__compiler *c, const uint8_t *at, struct rule__type type)
{
    struct rule__type operands[3] = {type};
    TRY(parse_sum(c, &operands[1]));
    if (!rule__is_word(c, "and"))
        return rule__fail(c, c->token.at, "BETWEEN needs AND and an upper bound");
    TRY(rule__advance(c));
    TRY(parse_sum(c, &operands[2]));
    return rule__emit_between(c, at, operands);
}

static int parse_list(struct rule__compiler *c, struct rule__list *l)
{
    TRY(rule__expect_symbol(c, "("));
    for (;;) {
        struct rule__value v;
        struct rule__type type;
        if (l->count == RULE_LIST_MAX)
            return rule__fail(c, c->token.at, "a list holds at most %d values", RULE_LIST_MAX);
        TRY(rule__parse_literal(c, &v, &type));
        l->has_null |= v.null;
        if (!v.null) {
            l->values[l->count] = v;
            l->types[l->count++] = type;
        }
        if (!rule__is_symbol(c, ","))
            break;
        TRY(rule__advance(c));
    }
    return rule__expect_symbol(c, ")");
}

static int parse_in(struct rule__compiler *c, const uint8_t *at, struct rule__type type)
{
    struct rule__list list;
    list.count = 0;
    list.has_null = false;
    TRY(parse_list(c, &list));
    return rule__emit_in(c, at, type, &list);
}

static int parse_like(struct rule__compiler *c, const uint8_t *at, struct rule__type type)
{
    if (type.kind != KIND_TEXT && type.kind != KIND_NULL)
        return rule__fail(c, at, "LIKE takes a STRING, not %s", rule__kind_name(type.kind));
    if (c->token.kind != TOKEN_TEXT)
        return rule__fail(c, c->token.at, "a pattern in single quotes is expected");
    const uint8_t *pattern_at = c->token.at;
    struct slice pattern = rule__read_text(c), escape = slice_str("\\");
    TRY(rule__advance(c));
    if (rule__is_word(c, "escape")) {
        TRY(rule__advance(c));
        if (c->token.kind != TOKEN_TEXT)
            return rule__fail(c, c->token.at, "a character in single quotes is expected");
        escape = rule__read_text(c);
        TRY(rule__advance(c));
    }
    TRY(rule__like_compile(c, pattern_at, pattern, escape, &pattern));
    rule__emit_like(c, pattern);
    return 0;
}

/* BETWEEN, IN, LIKE behind a value. 1: none stands here. */
static int parse_membership(struct rule__compiler *c, struct rule__type type)
{
    const uint8_t *at = c->token.at;
    bool negate = rule__is_word(c, "not");
    if (negate)
        TRY(rule__advance(c));
    bool is_between = rule__is_word(c, "between"), is_in = rule__is_word(c, "in");
    if (!is_between && !is_in && !rule__is_word(c, "like")) {
        if (negate)
            return rule__fail(c, c->token.at, "BETWEEN, IN or LIKE is expected after NOT");
        return 1;
    }
    TRY(rule__advance(c));
    TRY(is_between ? parse_between(c, at, type)
        : is_in    ? parse_in(c, at, type)
                   : parse_like(c, at, type));
    if (negate)
        (void)rule__emit(c, (struct rule__insn){.op = OP_NOT});
    return 0;
}

static int parse_test(struct rule__compiler *c, struct rule__type *ret)
{
    const uint8_t *start = c->token.at;
    TRY(parse_comparison(c, ret));
    for (;;) {
        if (rule__is_word(c, "is")) {
            TRY(rule__advance(c));
            TRY(parse_is(c, start, *ret));
        } else {
            int r = parse_membership(c, *ret);
            TRY(r);
            if (r > 0)
                return 0;
        }
        *ret = (struct rule__type){.kind = KIND_BOOLEAN};
    }
}

static int parse_not(struct rule__compiler *c, struct rule__type *ret)
{
    if (!rule__is_word(c, "not"))
        return parse_test(c, ret);
    TRY(rule__deeper(c));
    TRY(rule__advance(c));
    const uint8_t *at = c->token.at;
    TRY(parse_not(c, ret));
    TRY(check_boolean(c, at, *ret));
    (void)rule__emit(c, (struct rule__insn){.op = OP_NOT});
    *ret = (struct rule__type){.kind = KIND_BOOLEAN};
    c->depth--;
    return 0;
}

/* Operands joined by AND or OR: the right one is skipped when the left one decides. */
static int parse_joined(struct rule__compiler *c, bool is_and, struct rule__type *ret)
{
    const char *word = is_and ? "and" : "or";
    const uint8_t *at = c->token.at;
    TRY(is_and ? parse_not(c, ret) : parse_joined(c, true, ret));
    while (rule__is_word(c, word)) {
        TRY(check_boolean(c, at, *ret));
        uint8_t op = is_and ? OP_AND_SHORT : OP_OR_SHORT;
        uint32_t jump = rule__emit(c, (struct rule__insn){.op = op});
        TRY(rule__advance(c));
        at = c->token.at;
        TRY(is_and ? parse_not(c, ret) : parse_joined(c, true, ret));
        TRY(check_boolean(c, at, *ret));
        (void)rule__emit(c, (struct rule__insn){.op = is_and ? OP_AND : OP_OR});
        c->program->insns[jump].a = c->program->insn_count;
        c->height--;
        *ret = (struct rule__type){.kind = KIND_BOOLEAN};
    }
    return 0;
}

int rule__parse_value(struct rule__compiler *c, struct rule__type *ret)
{
    return parse_joined(c, false, ret);
}

int rule__parse(struct rule__compiler *c)
{
    struct rule__type type;
    c->next = c->text.data;
    TRY(rule__advance(c));
    const uint8_t *start = c->token.at;
    TRY(rule__parse_value(c, &type));
    if (c->token.kind != TOKEN_END)
        return rule__fail(c, c->token.at, "an operator or the end is expected");
    if (type.kind != KIND_BOOLEAN)
        return rule__fail(c, start, "a predicate is a BOOLEAN, this is %s",
                          rule__kind_name(type.kind));
    (void)rule__emit(c, (struct rule__insn){.op = OP_END});
    must(c->height == 1 && c->depth == 0);
    return 0;
}
