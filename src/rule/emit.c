/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instructions behind the parser: operands are brought under one kind, and the common comparison of
 * a column with a constant becomes a test (test.c), one instruction.
 *
 * An operand whose last instruction is LOAD or CONST is just that instruction, for each of the
 * others takes a value from the stack; and no jump ends behind a LOAD or CONST. So the last two
 * instructions may be looked at and replaced. Thread: any.
 */
#include "rule_priv.h"

#include "base/mem.h"
#include "base/must.h"

void rule__program_deinit(struct rule__program *p)
{
    for (uint32_t i = 0; i < p->path_count; i++)
        mem_free(p->paths[i].steps);
    mem_free(p->paths);
    mem_free(p->insns);
    mem_free(p->consts);
    mem_free(p->tests);
    *p = (struct rule__program){0};
}

uint32_t rule__emit(struct rule__compiler *c, struct rule__insn i)
{
    struct rule__program *p = c->program;
    if (p->insn_count == p->insn_cap) {
        p->insn_cap = MAX(16u, p->insn_cap * 2);
        p->insns = mem_realloc(p->insns, p->insn_cap * sizeof(*p->insns));
    }
    p->insns[p->insn_count] = i;
    return p->insn_count++;
}

static uint32_t add_const(struct rule__program *p, struct rule__value v)
{
    if (p->const_count == p->const_cap) {
        p->const_cap = MAX(8u, p->const_cap * 2);
        p->consts = mem_realloc(p->consts, p->const_cap * sizeof(*p->consts));
    }
    p->consts[p->const_count] = v;
    return p->const_count++;
}

void rule__emit_const(struct rule__compiler *c, struct rule__value v)
{
    (void)rule__emit(c, (struct rule__insn){.op = OP_CONST, .a = add_const(c->program, v)});
}

int rule__push(struct rule__compiler *c)
{
    if (++c->height > STACK_MAX)
        return rule__fail(c, c->token.at, "the predicate is too deeply nested");
    return 0;
}

bool rule__common_kind(enum rule__kind a, enum rule__kind b, enum rule__kind *ret_kind)
{
    bool is_number_a = a == KIND_EXACT || a == KIND_DOUBLE;
    bool is_number_b = b == KIND_EXACT || b == KIND_DOUBLE;
    if (a == KIND_NULL || a == b)
        *ret_kind = b;
    else if (b == KIND_NULL)
        *ret_kind = a;
    else if (is_number_a && is_number_b)
        *ret_kind = KIND_DOUBLE;
    else
        return false;
    return true;
}

static struct rule__insn *last_insn(struct rule__compiler *c, uint32_t back)
{
    struct rule__program *p = c->program;
    return p->insn_count > back ? &p->insns[p->insn_count - 1 - back] : NULL;
}

/* The one instruction that pushes the value @below the top; NULL: there may be more to it. */
static struct rule__insn *pushes_alone(struct rule__compiler *c, uint32_t below)
{
    struct rule__insn *i = NULL;
    for (uint32_t back = 0; back <= below; back++) {
        i = last_insn(c, back);
        if (i == NULL || (i->op != OP_LOAD && i->op != OP_CONST))
            return NULL;
    }
    return i;
}

/* The value @below the top, of @type, is used as @kind. */
static void use_as(struct rule__compiler *c, enum rule__kind kind, struct rule__type type,
                   uint32_t below)
{
    if (kind != KIND_DOUBLE || type.kind != KIND_EXACT)
        return;
    const struct rule__insn *i = pushes_alone(c, below);
    if (i != NULL && i->op == OP_CONST) {
        struct rule__value *v = &c->program->consts[i->a];
        *v = (struct rule__value){.f64 = rule__exact_to_double(v->exact, type.scale)};
        return;
    }
    (void)rule__emit(c,
                     (struct rule__insn){
                         .op = OP_CONVERT, .kind = KIND_DOUBLE, .scale_a = type.scale, .b = below});
}

static int check_comparable(struct rule__compiler *c, const uint8_t *at, enum rule__kind kind)
{
    if (kind < KIND_STRUCT)
        return 0;
    return rule__fail(c, at, "values of type %s have no order; compare what they hold",
                      rule__kind_name(kind));
}

static int fail_kinds(struct rule__compiler *c, const uint8_t *at, enum rule__kind a,
                      enum rule__kind b)
{
    enum rule__kind other = a == KIND_TEXT ? b : a;
    bool is_time = other == KIND_DATE || other == KIND_TIMESTAMP || other == KIND_TIMESTAMP_NTZ;
    const char *name = rule__kind_name(other);
    if ((a == KIND_TEXT || b == KIND_TEXT) && is_time)
        return rule__fail(c, at, "%s is not comparable with STRING; write %s '...'", name, name);
    return rule__fail(c, at, "%s is not comparable with %s", rule__kind_name(a),
                      rule__kind_name(b));
}

/* ---- tests of one column ---- */

static void put_test(struct rule__compiler *c, struct rule__insn *at, struct rule__test t)
{
    struct rule__program *p = c->program;
    if (p->test_count == p->test_cap) {
        p->test_cap = MAX(8u, p->test_cap * 2);
        p->tests = mem_realloc(p->tests, p->test_cap * sizeof(*p->tests));
    }
    *at = (struct rule__insn){.op = OP_TEST, .a = p->test_count};
    p->tests[p->test_count++] = t;
}

static struct rule__test test_of(const struct rule__insn *load)
{
    return (struct rule__test){.type = load->kind, .column = load->a};
}

static bool is_double_type(enum row_type type)
{
    return type == ROW_FLOAT || type == ROW_DOUBLE;
}

/* A constant of @kind, as it is compared with a cell of 64 bits. */
static bool word_of(const struct rule__value *v, enum rule__kind kind, enum row_type type,
                    uint8_t scale, int64_t *ret)
{
    if (v->null || kind < KIND_EXACT)
        return false;
    if (kind == KIND_DATE || kind == KIND_TIMESTAMP || kind == KIND_TIMESTAMP_NTZ)
        return *ret = v->i64, true;
    if (kind != KIND_EXACT || type > ROW_LONG || scale > 0 || v->exact != (int64_t)v->exact)
        return false;
    return *ret = (int64_t)v->exact, true;
}

/* LOAD, LENGTH, CONST, COMPARE as one test. */
static bool fuse_length(struct rule__compiler *c, unsigned with, uint8_t const_scale)
{
    struct rule__insn *load = last_insn(c, 2), *length = last_insn(c, 1);
    struct rule__insn *constant = last_insn(c, 0);
    int64_t word;
    if (load == NULL || load->op != OP_LOAD || length->op != OP_LENGTH ||
        length->kind != KIND_TEXT || constant->op != OP_CONST)
        return false;
    if (!word_of(&c->program->consts[constant->a], KIND_EXACT, ROW_LONG, const_scale, &word))
        return false;
    struct rule__test t = test_of(load);
    rule__test_compare(&t, TEST_LENGTH, with, word);
    put_test(c, load, t);
    c->program->insn_count -= 2;
    return true;
}

/* LOAD, CONST, COMPARE likewise, where there is such a test. */
static bool fuse_compare(struct rule__compiler *c, unsigned with, enum rule__kind kind,
                         uint8_t const_scale)
{
    struct rule__insn *load = last_insn(c, 1), *constant = last_insn(c, 0);
    if (load->op != OP_LOAD || constant->op != OP_CONST)
        return false;
    const struct rule__value *v = &c->program->consts[constant->a];
    enum row_type type = (enum row_type)load->kind;
    bool is_equality = with == IF_EQUAL || with == (IF_LESS | IF_GREATER);
    struct rule__test t = test_of(load);
    int64_t word;
    if (word_of(v, kind, type, const_scale, &word)) {
        rule__test_compare(&t, TEST_WORD, with, word);
    } else if (kind == KIND_DOUBLE && is_double_type(type) && !v->null) {
        t.op = TEST_DOUBLE;
        t.with = (uint8_t)with;
        t.doubles[0] = v->f64;
    } else if (kind == KIND_TEXT && is_equality && !v->null) {
        t.op = TEST_TEXT;
        t.with = with != IF_EQUAL;
        t.bytes = v->bytes;
    } else {
        return false;
    }
    put_test(c, load, t);
    c->program->insn_count--;
    return true;
}

void rule__emit_like(struct rule__compiler *c, struct slice pattern)
{
    struct rule__insn *load = last_insn(c, 0);
    if (load->op == OP_LOAD && load->kind == ROW_STRING) {
        struct rule__test t = test_of(load);
        t.bytes = pattern;
        t.op = rule__like_is_prefix(pattern, &t.bytes) ? TEST_PREFIX : TEST_LIKE;
        put_test(c, load, t);
        return;
    }
    uint32_t constant = add_const(c->program, (struct rule__value){.bytes = pattern});
    (void)rule__emit(c, (struct rule__insn){.op = OP_LIKE, .a = constant});
}

void rule__emit_is_null(struct rule__compiler *c, bool negated)
{
    struct rule__insn *load = last_insn(c, 0);
    if (load->op == OP_LOAD) {
        struct rule__test t = test_of(load);
        t.op = TEST_NULL;
        t.with = negated;
        put_test(c, load, t);
        return;
    }
    (void)rule__emit(c, (struct rule__insn){.op = OP_IS_NULL, .with = negated});
}

/* LOAD, CONST, CONST, BETWEEN likewise; constants stand in the order of the text. */
static bool fuse_between(struct rule__compiler *c, enum rule__kind kind,
                         const struct rule__type operands[3])
{
    struct rule__insn *load = last_insn(c, 2), *low = last_insn(c, 1), *high = last_insn(c, 0);
    if (load == NULL || load->op != OP_LOAD || low->op != OP_CONST || high->op != OP_CONST)
        return false;
    const struct rule__value *consts = c->program->consts;
    const struct rule__value *from = &consts[low->a], *to = &consts[high->a];
    enum row_type type = (enum row_type)load->kind;
    struct rule__test t = test_of(load);
    if (kind == KIND_DOUBLE && is_double_type(type) && !from->null && !to->null) {
        t.op = TEST_IN_DOUBLES;
        t.doubles[0] = from->f64;
        t.doubles[1] = to->f64;
    } else if (word_of(from, kind, type, operands[1].scale, &t.words[0]) &&
               word_of(to, kind, type, operands[2].scale, &t.words[1])) {
        t.op = TEST_WORD;
    } else {
        return false;
    }
    put_test(c, load, t);
    c->program->insn_count -= 2;
    return true;
}

/* ---- comparisons ---- */

static unsigned mirrored(unsigned with)
{
    return (with & IF_EQUAL) | (with & IF_LESS ? IF_GREATER : 0) |
           (with & IF_GREATER ? IF_LESS : 0);
}

int rule__emit_compare(struct rule__compiler *c, const uint8_t *at, unsigned with,
                       const struct rule__type operands[2])
{
    struct rule__type a = operands[0], b = operands[1];
    enum rule__kind kind;
    if (!rule__common_kind(a.kind, b.kind, &kind))
        return fail_kinds(c, at, a.kind, b.kind);
    TRY(check_comparable(c, at, kind));
    c->height--;
    struct rule__insn *first = last_insn(c, 1), *second = last_insn(c, 0);
    if (first->op == OP_CONST && second->op == OP_LOAD) {
        struct rule__insn i = *first;
        *first = *second;
        *second = i;
        with = mirrored(with);
        a = operands[1];
        b = operands[0];
    }
    use_as(c, kind, b, 0);
    use_as(c, kind, a, 1);
    if (kind == KIND_EXACT && fuse_length(c, with, b.scale))
        return 0;
    if (!fuse_compare(c, with, kind, b.scale))
        (void)rule__emit(c, (struct rule__insn){.op = OP_COMPARE,
                                                .kind = (uint8_t)kind,
                                                .with = (uint8_t)with,
                                                .scale_a = a.scale,
                                                .scale_b = b.scale});
    return 0;
}

int rule__emit_between(struct rule__compiler *c, const uint8_t *at,
                       const struct rule__type operands[3])
{
    enum rule__kind kind = operands[0].kind;
    for (int i = 1; i < 3; i++) {
        enum rule__kind before = kind;
        if (!rule__common_kind(before, operands[i].kind, &kind))
            return fail_kinds(c, at, before, operands[i].kind);
    }
    TRY(check_comparable(c, at, kind));
    use_as(c, kind, operands[2], 0);
    use_as(c, kind, operands[1], 1);
    use_as(c, kind, operands[0], 2);
    c->height -= 2;
    if (fuse_between(c, kind, operands))
        return 0;
    (void)rule__emit(c, (struct rule__insn){.op = OP_BETWEEN,
                                            .kind = (uint8_t)kind,
                                            .with = operands[2].scale,
                                            .scale_a = operands[0].scale,
                                            .scale_b = operands[1].scale});
    return 0;
}

/* In the order of the kind; insertion, for lists are short. */
static void sort_consts(struct rule__value *v, uint32_t count, enum rule__kind kind)
{
    for (uint32_t i = 1; i < count; i++) {
        struct rule__value x = v[i];
        uint32_t at = i;
        for (; at > 0 && rule__compare(kind, &v[at - 1], 0, &x, 0) > 0; at--)
            v[at] = v[at - 1];
        v[at] = x;
    }
}

/* Every constant of the list as @kind, at one scale. */
static int same_scale(struct rule__compiler *c, const uint8_t *at, struct rule__list *l,
                      uint8_t *ret_scale)
{
    uint8_t scale = 0;
    for (uint32_t i = 0; i < l->count; i++)
        scale = MAX(scale, l->types[i].scale);
    for (uint32_t i = 0; i < l->count; i++) {
        struct rule__value *v = &l->values[i];
        uint8_t own = l->types[i].scale;
        if (l->kind == KIND_DOUBLE && l->types[i].kind == KIND_EXACT)
            *v = (struct rule__value){.f64 = rule__exact_to_double(v->exact, own)};
        else if (l->kind == KIND_EXACT &&
                 __builtin_mul_overflow(v->exact, row_pow10(scale - own), &v->exact))
            return rule__fail(c, at, "the numbers of the list differ by too many digits");
    }
    *ret_scale = scale;
    return 0;
}

int rule__emit_in(struct rule__compiler *c, const uint8_t *at, struct rule__type operand,
                  struct rule__list *l)
{
    enum rule__kind kind = operand.kind;
    for (uint32_t i = 0; i < l->count; i++) {
        enum rule__kind before = kind;
        if (!rule__common_kind(before, l->types[i].kind, &kind))
            return fail_kinds(c, at, before, l->types[i].kind);
    }
    TRY(check_comparable(c, at, kind));
    uint8_t scale = 0;
    l->kind = kind;
    TRY(same_scale(c, at, l, &scale));
    use_as(c, kind, operand, 0);
    sort_consts(l->values, l->count, kind);
    uint32_t first = c->program->const_count;
    for (uint32_t i = 0; i < l->count; i++)
        (void)add_const(c->program, l->values[i]);
    (void)rule__emit(c, (struct rule__insn){.op = OP_IN,
                                            .kind = (uint8_t)kind,
                                            .with = l->has_null,
                                            .scale_a = operand.scale,
                                            .scale_b = scale,
                                            .a = first,
                                            .b = l->count});
    return 0;
}

static int check_number(struct rule__compiler *c, const uint8_t *at, enum rule__kind kind)
{
    if (kind <= KIND_DOUBLE && kind != KIND_BOOLEAN)
        return 0;
    return rule__fail(c, at, "arithmetic takes numbers, not %s", rule__kind_name(kind));
}

int rule__emit_arithmetic(struct rule__compiler *c, const uint8_t *at, enum rule__op op,
                          const struct rule__type operands[2], struct rule__type *ret_type)
{
    struct rule__type a = operands[0], b = operands[1];
    TRY(check_number(c, at, a.kind));
    TRY(check_number(c, at, b.kind));
    bool is_double = a.kind == KIND_DOUBLE || b.kind == KIND_DOUBLE || op == OP_DIVIDE;
    enum rule__kind kind = is_double ? KIND_DOUBLE : KIND_EXACT;
    use_as(c, kind, b, 0);
    use_as(c, kind, a, 1);
    unsigned scale = op == OP_MULTIPLY ? (unsigned)a.scale + b.scale : MAX(a.scale, b.scale);
    if (!is_double && scale > EXACT_DIGITS_MAX)
        return rule__fail(c, at, "the product would have %u digits behind the point, at most %d",
                          scale, EXACT_DIGITS_MAX);
    c->height--;
    (void)rule__emit(
        c, (struct rule__insn){
               .op = (uint8_t)op, .kind = (uint8_t)kind, .scale_a = a.scale, .scale_b = b.scale});
    *ret_type = (struct rule__type){.kind = kind, .scale = is_double ? 0 : (uint8_t)scale};
    return 0;
}

int rule__emit_sign(struct rule__compiler *c, const uint8_t *at, enum rule__op op,
                    struct rule__type type)
{
    TRY(check_number(c, at, type.kind));
    struct rule__insn *i = last_insn(c, 0);
    if (op == OP_NEGATE && i->op == OP_CONST && type.kind != KIND_NULL) {
        struct rule__value *v = &c->program->consts[i->a];
        if (type.kind == KIND_EXACT)
            v->exact = -v->exact;
        else
            v->f64 = -v->f64;
        return 0;
    }
    (void)rule__emit(c, (struct rule__insn){.op = (uint8_t)op, .kind = (uint8_t)type.kind});
    return 0;
}
