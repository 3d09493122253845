/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stack machine that runs a predicate over one row. No allocation, no loop backwards: time is
 * the program's length, and for texts, lists and maps their own.
 *
 * Truth has three values: AND, OR, NOT and comparisons with NULL as in SQL. What cannot be computed
 * (overflow, division by zero, an element that is not there) ends the run with its own verdict.
 * Thread: any.
 */
#include "rule_priv.h"

#include "base/must.h"
#include "row/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const row_i128 exact_limit = (row_i128)10000000000000000000u * 10000000000000000000u;

double rule__exact_to_double(row_i128 v, uint8_t scale)
{
    /* Both exact in a double: one rounding. */
    if (scale <= 22 && v < (1ll << 53) && v > -(1ll << 53))
        return (double)v / (scale < 20 ? (double)row_pow10(scale) : 1e19 * pow(10, scale - 19));
    if (scale == 0)
        return (double)v;
    char text[64], *p = text + sizeof(text) - 8;
    (void)snprintf(p, 8, "e-%u", scale);
    unsigned __int128 left = v < 0 ? -(unsigned __int128)v : (unsigned __int128)v;
    for (; left > 0; left /= 10)
        *--p = (char)('0' + (unsigned)(left % 10));
    if (v < 0)
        *--p = '-';
    return strtod(p, NULL);
}

/* ---- comparisons ---- */

static int order_of(row_i128 a, row_i128 b)
{
    return a < b ? -1 : a > b;
}

/* A number too large for 128 bits at the other's scale is beyond everything there. */
static int compare_exact(row_i128 a, uint8_t scale_a, row_i128 b, uint8_t scale_b)
{
    if (scale_a == scale_b)
        return order_of(a, b);
    row_i128 scaled;
    if (scale_a < scale_b) {
        if (__builtin_mul_overflow(a, row_pow10(scale_b - scale_a), &scaled))
            return a < 0 ? -1 : 1;
        return order_of(scaled, b);
    }
    if (__builtin_mul_overflow(b, row_pow10(scale_a - scale_b), &scaled))
        return b < 0 ? 1 : -1;
    return order_of(a, scaled);
}

int rule__compare_double(double a, double b)
{
    if (a < b)
        return -1;
    if (a > b)
        return 1;
    return a == b ? 0 : (int)isnan(a) - (int)isnan(b);
}

static int compare_text(const struct rule__value *a, const struct rule__value *b)
{
    enum rule__fold fold_a = (enum rule__fold)a->fold, fold_b = (enum rule__fold)b->fold;
    if (fold_a == FOLD_NONE && fold_b == FOLD_NONE)
        return slice_cmp(a->bytes, b->bytes);
    size_t len = MIN(a->bytes.len, b->bytes.len);
    for (size_t i = 0; i < len; i++) {
        uint8_t x = rule__fold_byte(a->bytes.data[i], fold_a);
        uint8_t y = rule__fold_byte(b->bytes.data[i], fold_b);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return a->bytes.len < b->bytes.len ? -1 : a->bytes.len > b->bytes.len;
}

int rule__compare(enum rule__kind kind, const struct rule__value *a, uint8_t scale_a,
                  const struct rule__value *b, uint8_t scale_b)
{
    switch (kind) {
    case KIND_BOOLEAN: return (int)a->boolean - (int)b->boolean;
    case KIND_EXACT: return compare_exact(a->exact, scale_a, b->exact, scale_b);
    case KIND_DOUBLE: return rule__compare_double(a->f64, b->f64);
    case KIND_TEXT: return compare_text(a, b);
    case KIND_BINARY: return slice_cmp(a->bytes, b->bytes);
    default: return a->i64 < b->i64 ? -1 : a->i64 > b->i64;
    }
}

/* Values are made in place, and only what their kind reads is written: copying the rest would be
 * most of the work. */
static inline void set_boolean(struct rule__value *v, bool b)
{
    v->null = false;
    v->boolean = b;
}

static inline void set_null(struct rule__value *v)
{
    v->null = true;
}

static void do_compare(const struct rule__insn *i, struct rule__value *a)
{
    const struct rule__value *b = a + 1;
    enum rule__kind kind = (enum rule__kind)i->kind;
    if (a->null || b->null)
        set_null(a);
    else
        set_boolean(a, rule__accepts(i->with, rule__compare(kind, a, i->scale_a, b, i->scale_b)));
}

static void do_between(const struct rule__insn *i, struct rule__value *v)
{
    enum rule__kind kind = (enum rule__kind)i->kind;
    const struct rule__value *low = v + 1, *high = v + 2;
    bool below = false, above = false;
    if (!v->null && !low->null)
        below = rule__compare(kind, v, i->scale_a, low, i->scale_b) < 0;
    if (!v->null && !high->null)
        above = rule__compare(kind, v, i->scale_a, high, i->with) > 0;
    if (below || above)
        set_boolean(v, false);
    else if (v->null || low->null || high->null)
        set_null(v);
    else
        set_boolean(v, true);
}

static void do_in(const struct rule__program *p, const struct rule__insn *i, struct rule__value *v)
{
    if (v->null)
        return;
    uint32_t from = 0, to = i->b;
    while (from < to) {
        uint32_t middle = (from + to) / 2;
        const struct rule__value *one = &p->consts[i->a + middle];
        int order = rule__compare((enum rule__kind)i->kind, v, i->scale_a, one, i->scale_b);
        if (order == 0) {
            set_boolean(v, true);
            return;
        }
        if (order < 0)
            to = middle;
        else
            from = middle + 1;
    }
    if (i->with)
        set_null(v);
    else
        set_boolean(v, false);
}

/* ---- what columns hold ---- */

static inline void load(enum row_type type, const struct row_value *v, struct rule__value *ret)
{
    ret->null = v->null;
    if (v->null)
        return;
    switch (type) {
    case ROW_BOOLEAN: ret->boolean = v->boolean; break;
    case ROW_BYTE:
    case ROW_SHORT:
    case ROW_INT:
    case ROW_LONG: ret->exact = v->i64; break;
    case ROW_FLOAT: ret->f64 = (double)v->f32; break;
    case ROW_DOUBLE: ret->f64 = v->f64; break;
    case ROW_DECIMAL: ret->exact = v->decimal; break;
    case ROW_STRING:
    case ROW_BINARY:
    case ROW_VARIANT:
        ret->bytes = rule__bytes_of(v);
        ret->fold = FOLD_NONE;
        break;
    case ROW_DATE:
    case ROW_TIMESTAMP:
    case ROW_TIMESTAMP_NTZ: ret->i64 = v->i64; break;
    case ROW_STRUCT:
    case ROW_ARRAY:
    case ROW_MAP:
        ret->items = v->items;
        ret->item_count = v->item_count;
        break;
    }
}

struct rule__value rule__value_of(enum row_type type, const struct row_value *v)
{
    struct rule__value value = {0};
    load(type, v, &value);
    return value;
}

static enum rule__verdict do_item(const struct rule__insn *i, struct rule__value *array)
{
    const struct rule__value *index = array + 1;
    if (array->null || index->null) {
        set_null(array);
        return VERDICT_TRUE;
    }
    if (index->exact < 0 || index->exact >= array->item_count)
        return VERDICT_INDEX;
    load((enum row_type)i->kind, &array->items[(size_t)index->exact], array);
    return VERDICT_TRUE;
}

static void do_key(const struct rule__insn *i, struct rule__value *map)
{
    const struct rule__value *key = map + 1;
    enum row_type key_type = (enum row_type)i->kind;
    const struct row_value *found = NULL;
    struct row_column column = {.type = key_type};
    enum rule__kind kind = rule__type_of(&column).kind;
    for (uint32_t n = 0; !map->null && !key->null && n + 1 < map->item_count; n += 2) {
        struct rule__value own = rule__value_of(key_type, &map->items[n]);
        if (!own.null && rule__compare(kind, &own, i->scale_a, key, i->scale_b) == 0) {
            found = &map->items[n + 1];
            break;
        }
    }
    if (found == NULL)
        set_null(map);
    else
        load((enum row_type)i->a, found, map);
}

/* ---- numbers ---- */

static enum rule__verdict do_arithmetic_double(enum rule__op op, struct rule__value *a, double b)
{
    switch (op) {
    case OP_ADD: a->f64 += b; break;
    case OP_SUBTRACT: a->f64 -= b; break;
    case OP_MULTIPLY: a->f64 *= b; break;
    case OP_REMAINDER:
        if (b == 0)
            return VERDICT_ZERO;
        a->f64 = fmod(a->f64, b);
        break;
    default:
        if (b == 0)
            return VERDICT_ZERO;
        a->f64 /= b;
        break;
    }
    return VERDICT_TRUE;
}

static bool exact_arithmetic(const struct rule__insn *i, row_i128 a, row_i128 b, row_i128 *ret)
{
    if (i->op == OP_MULTIPLY)
        return !__builtin_mul_overflow(a, b, ret);
    bool ok = true;
    if (i->scale_a < i->scale_b)
        ok = !__builtin_mul_overflow(a, row_pow10(i->scale_b - i->scale_a), &a);
    else if (i->scale_a > i->scale_b)
        ok = !__builtin_mul_overflow(b, row_pow10(i->scale_a - i->scale_b), &b);
    if (i->op == OP_REMAINDER)
        *ret = ok ? a % b : 0;
    else if (i->op == OP_ADD)
        ok = ok && !__builtin_add_overflow(a, b, ret);
    else
        ok = ok && !__builtin_sub_overflow(a, b, ret);
    return ok;
}

static enum rule__verdict do_arithmetic(const struct rule__insn *i, struct rule__value *a)
{
    const struct rule__value *b = a + 1;
    if (a->null || b->null) {
        set_null(a);
        return VERDICT_TRUE;
    }
    if (i->kind == KIND_DOUBLE)
        return do_arithmetic_double((enum rule__op)i->op, a, b->f64);
    if (i->op == OP_REMAINDER && b->exact == 0)
        return VERDICT_ZERO;
    row_i128 v;
    if (!exact_arithmetic(i, a->exact, b->exact, &v) || v >= exact_limit || v <= -exact_limit)
        return VERDICT_OVERFLOW;
    a->exact = v;
    return VERDICT_TRUE;
}

static enum rule__verdict do_convert(const struct rule__insn *i, struct rule__value *v)
{
    if (v->null || i->kind == KIND_NULL)
        return VERDICT_TRUE;
    if (i->kind == KIND_DOUBLE) {
        v->f64 = rule__exact_to_double(v->exact, i->scale_a);
        return VERDICT_TRUE;
    }
    row_i128 scaled;
    if (__builtin_mul_overflow(v->exact, row_pow10(i->scale_b - i->scale_a), &scaled) ||
        scaled >= exact_limit || scaled <= -exact_limit)
        return VERDICT_OVERFLOW;
    v->exact = scaled;
    return VERDICT_TRUE;
}

/* ---- one value in, one out ---- */

size_t rule__char_count(struct slice s)
{
    size_t n = 0;
    if (row_ascii_ok(s.data, s.len))
        return s.len;
    for (size_t i = 0; i < s.len; i++)
        n += (s.data[i] & 0xc0) != 0x80;
    return n;
}

static struct slice trimmed(struct slice s)
{
    while (s.len > 0 && s.data[0] == ' ')
        s = slice_of(s.data + 1, s.len - 1);
    while (s.len > 0 && s.data[s.len - 1] == ' ')
        s.len--;
    return s;
}

static void do_one(const struct rule__insn *i, struct rule__value *v)
{
    bool is_double = i->kind == KIND_DOUBLE;
    if (v->null) { /* NULL stays NULL */
        if (i->op == OP_IS_NAN)
            set_boolean(v, false);
        return;
    }
    switch ((enum rule__op)i->op) {
    case OP_NOT: v->boolean = !v->boolean; break;
    case OP_NEGATE:
        if (is_double)
            v->f64 = -v->f64;
        else
            v->exact = -v->exact;
        break;
    case OP_ABS:
        if (is_double)
            v->f64 = fabs(v->f64);
        else
            v->exact = v->exact < 0 ? -v->exact : v->exact;
        break;
    case OP_IS_NAN: set_boolean(v, isnan(v->f64)); break;
    case OP_LENGTH:
        v->exact = (row_i128)(i->kind == KIND_TEXT ? rule__char_count(v->bytes) : v->bytes.len);
        break;
    case OP_SIZE: v->exact = i->kind == KIND_MAP ? v->item_count / 2 : v->item_count; break;
    case OP_FOLD: v->fold = (uint8_t)i->a; break;
    case OP_TRIM: v->bytes = trimmed(v->bytes); break;
    default: must_die("rule: an unknown instruction");
    }
}

/* FALSE decides an AND, TRUE an OR; else NULL if there is one. */
static void do_join(struct rule__value *a, const struct rule__value *b, bool decides)
{
    bool found = (!a->null && a->boolean == decides) || (!b->null && b->boolean == decides);
    if (found)
        set_boolean(a, decides);
    else if (b->null)
        set_null(a);
}

bool rule__is_plain(const struct rule__program *p)
{
    for (uint32_t i = 0; i + 1 < p->insn_count; i++) {
        uint8_t op = p->insns[i].op;
        if (op != OP_TEST && op != OP_AND_SHORT && op != OP_AND)
            return false;
    }
    return true;
}

static void do_test(const struct rule__test *t, const struct row_value *v, struct rule__value *ret)
{
    set_boolean(ret, rule__test_holds(t, v));
    ret->null = v->null && t->op != TEST_NULL;
}

enum rule__verdict rule__eval(const struct rule__program *p, const struct row_value *values)
{
    struct rule__value stack[STACK_MAX + 1], *top = stack; /* stack[0] stays unused */
    const struct rule__insn *i = p->insns;
    enum rule__verdict verdict = VERDICT_TRUE;
    for (; verdict == VERDICT_TRUE; i++) {
        switch ((enum rule__op)i->op) {
        case OP_END: return top->null ? VERDICT_NULL : top->boolean ? VERDICT_TRUE : VERDICT_FALSE;
        case OP_TEST: do_test(&p->tests[i->a], &values[p->tests[i->a].column], ++top); break;
        case OP_LOAD: load((enum row_type)i->kind, &values[i->a], ++top); break;
        case OP_CONST: *++top = p->consts[i->a]; break;
        case OP_FIELD:
            if (!top->null)
                load((enum row_type)i->kind, &top->items[i->a], top);
            break;
        case OP_ITEM: verdict = do_item(i, --top); break;
        case OP_KEY: do_key(i, --top); break;
        case OP_COMPARE: do_compare(i, --top); break;
        case OP_BETWEEN: do_between(i, top -= 2); break;
        case OP_IN: do_in(p, i, top); break;
        case OP_LIKE:
            if (!top->null)
                set_boolean(
                    top, rule__like(p->consts[i->a].bytes, top->bytes, (enum rule__fold)top->fold));
            break;
        case OP_AND_SHORT:
        case OP_OR_SHORT:
            if (!top->null && top->boolean == (i->op == OP_OR_SHORT))
                i = &p->insns[i->a] - 1;
            break;
        case OP_AND:
        case OP_OR:
            top--;
            do_join(&top[0], &top[1], i->op == OP_OR);
            break;
        case OP_SKIP_NULL:
            if (top->null)
                top--;
            else
                i = &p->insns[i->a] - 1;
            break;
        case OP_IS_NULL: set_boolean(top, top->null != i->with); break;
        case OP_IS: set_boolean(top, !top->null && top->boolean == (i->a != 0)); break;
        case OP_CONVERT: verdict = do_convert(i, top - i->b); break;
        case OP_ADD:
        case OP_SUBTRACT:
        case OP_MULTIPLY:
        case OP_REMAINDER:
        case OP_DIVIDE: verdict = do_arithmetic(i, --top); break;
        default: do_one(i, top); break;
        }
    }
    return verdict;
}
