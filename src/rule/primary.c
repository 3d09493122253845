/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest parts of a predicate:
 *
 *   primary = literal | ( or ) | function ( or {, or} ) | column
 *   column  = name { . name | [ or ] }
 *   literal = number | 'text' | TRUE | FALSE | NULL | X'00ff'
 *           | (DATE | TIMESTAMP | TIMESTAMP_NTZ) 'text'
 *
 * Only the words of the operators are reserved; the others are names where no literal and no
 * parenthesis makes them something else. Thread: any.
 */
#include "rule_priv.h"

#include "base/mem.h"

/* What stands behind the token, without taking it. */
static enum rule__token_kind next_kind(const struct rule__compiler *c, bool *ret_opens)
{
    struct rule__compiler look = *c;
    look.e = NULL;
    if (rule__advance(&look) < 0)
        look.token.kind = TOKEN_END;
    *ret_opens = rule__is_symbol(&look, "(");
    return look.token.kind;
}

static int read_timed(struct rule__compiler *c, enum rule__kind kind, struct rule__value *ret)
{
    TRY(rule__advance(c));
    *ret = (struct rule__value){0};
    if (kind == KIND_BINARY)
        return rule__read_hex(c, &ret->bytes);
    return rule__read_time(c, kind, &ret->i64);
}

/* A literal of one or two words that begins at the token, and nothing taken beyond it. 1: none. */
static int read_literal(struct rule__compiler *c, struct rule__value *ret,
                        struct rule__type *ret_type)
{
    static const struct {
        const char *word;
        enum rule__kind kind;
    } prefixes[] = {{"date", KIND_DATE},
                    {"timestamp", KIND_TIMESTAMP},
                    {"timestamp_ntz", KIND_TIMESTAMP_NTZ},
                    {"x", KIND_BINARY}};
    *ret = (struct rule__value){0};
    bool is_true = rule__is_word(c, "true"), opens;
    if (c->token.kind == TOKEN_NUMBER)
        return rule__read_number(c, ret, ret_type);
    if (c->token.kind == TOKEN_TEXT) {
        ret->bytes = rule__read_text(c);
        *ret_type = (struct rule__type){.kind = KIND_TEXT};
        return 0;
    }
    if (is_true || rule__is_word(c, "false")) {
        ret->boolean = is_true;
        *ret_type = (struct rule__type){.kind = KIND_BOOLEAN};
        return 0;
    }
    if (rule__is_word(c, "null")) {
        ret->null = true;
        *ret_type = (struct rule__type){.kind = KIND_NULL};
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (rule__is_word(c, prefixes[i].word) && next_kind(c, &opens) == TOKEN_TEXT) {
            *ret_type = (struct rule__type){.kind = prefixes[i].kind};
            return read_timed(c, prefixes[i].kind, ret);
        }
    return 1;
}

int rule__parse_literal(struct rule__compiler *c, struct rule__value *ret,
                        struct rule__type *ret_type)
{
    bool minus = rule__is_symbol(c, "-");
    if (minus)
        TRY(rule__advance(c));
    if (minus && c->token.kind != TOKEN_NUMBER)
        return rule__fail(c, c->token.at, "a number is expected");
    int r = read_literal(c, ret, ret_type);
    TRY(r);
    if (r > 0)
        return rule__fail(c, c->token.at, "a literal is expected");
    if (minus && ret_type->kind == KIND_EXACT)
        ret->exact = -ret->exact;
    else if (minus)
        ret->f64 = -ret->f64;
    return rule__advance(c);
}

/* ---- columns ---- */

static struct rule__path *add_path(struct rule__program *p)
{
    if (p->path_count == p->path_cap) {
        p->path_cap = MAX(4u, p->path_cap * 2);
        p->paths = mem_realloc(p->paths, p->path_cap * sizeof(*p->paths));
    }
    p->paths[p->path_count] = (struct rule__path){0};
    return &p->paths[p->path_count++];
}

static void add_step(struct rule__path *path, uint32_t step)
{
    path->steps = mem_realloc(path->steps, (path->step_count + 1) * sizeof(*path->steps));
    path->steps[path->step_count++] = step;
}

static bool is_name(const struct rule__compiler *c)
{
    return c->token.kind == TOKEN_WORD || c->token.kind == TOKEN_QUOTED;
}

static int find_field(struct rule__compiler *c, const struct row_column *fields, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (rule__same_word(c->token.text, fields[i].name))
            return (int)i;
    return -1;
}

static int parse_field(struct rule__compiler *c, struct rule__path *path, struct rule__type *type)
{
    if (type->kind != KIND_STRUCT)
        return rule__fail(c, c->token.at, "%s has no fields", rule__kind_name(type->kind));
    TRY(rule__advance(c));
    if (!is_name(c))
        return rule__fail(c, c->token.at, "the name of a field is expected");
    int i = find_field(c, type->column->fields, type->column->field_count);
    if (i < 0)
        return rule__fail(c, c->token.at, "%s has no field of this name", type->column->name);
    const struct row_column *field = &type->column->fields[i];
    (void)rule__emit(
        c, (struct rule__insn){.op = OP_FIELD, .kind = (uint8_t)field->type, .a = (uint32_t)i});
    if (path != NULL)
        add_step(path, (uint32_t)i);
    *type = rule__type_of(field);
    return rule__advance(c);
}

static int emit_item(struct rule__compiler *c, const uint8_t *at, struct rule__type key,
                     struct rule__type *type)
{
    const struct row_column *f = type->column->fields;
    enum rule__kind kind;
    c->height--;
    if (type->kind == KIND_ARRAY) {
        if (key.kind != KIND_EXACT || key.scale > 0)
            return rule__fail(c, at, "the place of an element is a whole number, from 0");
        (void)rule__emit(c,
                         (struct rule__insn){.op = OP_ITEM, .kind = (uint8_t)f[ROW_ELEMENT].type});
        *type = rule__type_of(&f[ROW_ELEMENT]);
        return 0;
    }
    struct rule__type own = rule__type_of(&f[ROW_KEY]);
    if (!rule__common_kind(own.kind, key.kind, &kind) || kind != own.kind)
        return rule__fail(c, at, "the map's keys are of type %s, not %s", rule__kind_name(own.kind),
                          rule__kind_name(key.kind));
    if (kind == KIND_DOUBLE && key.kind == KIND_EXACT)
        (void)rule__emit(
            c, (struct rule__insn){.op = OP_CONVERT, .kind = KIND_DOUBLE, .scale_a = key.scale});
    (void)rule__emit(c, (struct rule__insn){.op = OP_KEY,
                                            .kind = (uint8_t)f[ROW_KEY].type,
                                            .scale_a = own.scale,
                                            .scale_b = key.scale,
                                            .a = f[ROW_VALUE].type});
    *type = rule__type_of(&f[ROW_VALUE]);
    return 0;
}

static int parse_item(struct rule__compiler *c, struct rule__type *type)
{
    if (type->kind != KIND_ARRAY && type->kind != KIND_MAP)
        return rule__fail(c, c->token.at, "%s has no elements", rule__kind_name(type->kind));
    TRY(rule__deeper(c));
    TRY(rule__advance(c));
    const uint8_t *at = c->token.at;
    struct rule__type key;
    TRY(rule__parse_value(c, &key));
    TRY(emit_item(c, at, key, type));
    c->depth--;
    return rule__expect_symbol(c, "]");
}

static int parse_column(struct rule__compiler *c, struct rule__type *ret)
{
    int i = find_field(c, c->schema->columns, c->schema->column_count);
    if (i < 0)
        return rule__fail(c, c->token.at, "no column has this name");
    const struct row_column *column = &c->schema->columns[i];
    TRY(rule__push(c));
    (void)rule__emit(
        c, (struct rule__insn){.op = OP_LOAD, .kind = (uint8_t)column->type, .a = (uint32_t)i});
    struct rule__path *path = add_path(c->program);
    add_step(path, (uint32_t)i);
    *ret = rule__type_of(column);
    TRY(rule__advance(c));
    for (;;) {
        if (rule__is_symbol(c, ".")) {
            TRY(parse_field(c, path, ret));
        } else if (rule__is_symbol(c, "[")) {
            path = NULL; /* only fields of fields are shown */
            TRY(parse_item(c, ret));
        } else {
            return 0;
        }
    }
}

/* ---- functions ---- */

struct function {
    const char *name;
    enum rule__op op;
    uint32_t a;
    const char *takes;
};

static int apply(struct rule__compiler *c, const uint8_t *at, const struct function *f,
                 struct rule__type *type)
{
    enum rule__kind k = type->kind;
    bool is_number = k == KIND_EXACT || k == KIND_DOUBLE, is_text = k == KIND_TEXT, fits = false;
    struct rule__type result = {.kind = KIND_EXACT};
    switch (f->op) {
    case OP_LENGTH: fits = is_text || k == KIND_BINARY; break;
    case OP_SIZE: fits = k == KIND_ARRAY || k == KIND_MAP; break;
    case OP_IS_NAN:
        fits = k == KIND_DOUBLE;
        result.kind = KIND_BOOLEAN;
        break;
    case OP_ABS:
        fits = is_number;
        result = *type;
        break;
    default: fits = is_text; result = *type;
    }
    if (!fits)
        return rule__fail(c, at, "%s() takes %s, not %s", f->name, f->takes, rule__kind_name(k));
    (void)rule__emit(c, (struct rule__insn){.op = (uint8_t)f->op, .kind = (uint8_t)k, .a = f->a});
    *type = result;
    return 0;
}

/* The first value that is not NULL; the arguments are brought under the last one's kind when it is
 * known, which is why each leaves a place for that. */
static int parse_coalesce(struct rule__compiler *c, struct rule__type *ret)
{
    uint32_t places[RULE_LIST_MAX], count = 0;
    struct rule__type type = {.kind = KIND_NULL};
    for (;;) {
        const uint8_t *at = c->token.at;
        struct rule__type own;
        enum rule__kind kind;
        if (count == RULE_LIST_MAX)
            return rule__fail(c, at, "coalesce() takes at most %d values", RULE_LIST_MAX);
        TRY(rule__parse_value(c, &own));
        if (!rule__common_kind(type.kind, own.kind, &kind) || kind >= KIND_STRUCT)
            return rule__fail(c, at, "coalesce() takes values of one flat type, not %s",
                              rule__kind_name(own.kind));
        type.kind = kind;
        type.scale = MAX(type.scale, own.scale);
        places[count++] = rule__emit(
            c,
            (struct rule__insn){.op = OP_CONVERT, .kind = (uint8_t)own.kind, .scale_a = own.scale});
        if (!rule__is_symbol(c, ","))
            break;
        TRY(rule__advance(c));
        (void)rule__emit(c, (struct rule__insn){.op = OP_SKIP_NULL});
        c->height--;
    }
    struct rule__insn *insns = c->program->insns;
    for (uint32_t i = 0; i < count; i++) {
        struct rule__insn *convert = &insns[places[i]];
        if (i + 1 < count)
            convert[1].a = c->program->insn_count;
        convert->kind = (uint8_t)(convert->kind == KIND_EXACT ? type.kind : KIND_NULL);
        convert->scale_b = type.scale;
    }
    *ret = type;
    return 0;
}

static int parse_call(struct rule__compiler *c, struct rule__type *ret)
{
    static const struct function functions[] = {
        {"length", OP_LENGTH, 0, "a STRING or BINARY"},
        {"size", OP_SIZE, 0, "an ARRAY or MAP"},
        {"abs", OP_ABS, 0, "a number"},
        {"lower", OP_FOLD, FOLD_LOWER, "a STRING"},
        {"upper", OP_FOLD, FOLD_UPPER, "a STRING"},
        {"trim", OP_TRIM, 0, "a STRING"},
        {"isnan", OP_IS_NAN, 0, "a DOUBLE or FLOAT"},
    };
    const struct function *f = NULL;
    bool is_coalesce = rule__is_word(c, "coalesce");
    for (size_t i = 0; i < ARRAY_LEN(functions); i++)
        if (rule__is_word(c, functions[i].name))
            f = &functions[i];
    if (f == NULL && !is_coalesce)
        return rule__fail(c, c->token.at,
                          "no function has this name (there are length, size, abs, lower, "
                          "upper, trim, isnan, coalesce)");
    TRY(rule__deeper(c));
    TRY(rule__advance(c));
    TRY(rule__advance(c));
    const uint8_t *at = c->token.at;
    if (is_coalesce) {
        TRY(parse_coalesce(c, ret));
    } else {
        TRY(rule__parse_value(c, ret));
        TRY(apply(c, at, f, ret));
    }
    c->depth--;
    return rule__expect_symbol(c, ")");
}

static bool is_reserved(const struct rule__compiler *c)
{
    static const char *const words[] = {"and",   "or",      "not", "is",   "null",  "true",
                                        "false", "between", "in",  "like", "escape"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (rule__is_word(c, words[i]))
            return true;
    return false;
}

int rule__parse_primary(struct rule__compiler *c, struct rule__type *ret)
{
    struct rule__value v;
    int r = read_literal(c, &v, ret);
    TRY(r);
    if (r == 0) {
        TRY(rule__push(c));
        rule__emit_const(c, v);
        return rule__advance(c);
    }
    if (rule__is_symbol(c, "(")) {
        TRY(rule__deeper(c));
        TRY(rule__advance(c));
        TRY(rule__parse_value(c, ret));
        c->depth--;
        return rule__expect_symbol(c, ")");
    }
    bool opens = false;
    if (!is_name(c) || is_reserved(c))
        return rule__fail(c, c->token.at, "a column, a literal or a function is expected");
    if (c->token.kind == TOKEN_WORD && next_kind(c, &opens) == TOKEN_SYMBOL && opens)
        return parse_call(c, ret);
    return parse_column(c, ret);
}
