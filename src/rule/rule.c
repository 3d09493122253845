/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of rules: names, actions, one program each; which rules a row fails, which of them decides,
 * and the sentence for people. A set never changes after rule_set_new(); its count is atomic.
 * Thread: any.
 */
#include "rule_priv.h"

#include "base/mem.h"
#include "base/must.h"
#include "row/utf8.h"

#include <assert.h>

static_assert(RULES_PER_TABLE_MAX == 64, "one bit per rule");

struct rule {
    struct rule_text text; /* bytes in the set's arena */
    struct rule__program program;
};

struct rule_set {
    uint32_t refs;
    struct row_schema *schema;
    struct arena arena;
    uint64_t with[RULE_REJECT + 1]; /* per action: its rules */
    uint64_t *reads;                /* one bit per column */
    struct rule__test *tests;       /* of all plain rules */
    uint32_t test_count;
    uint64_t others; /* rules that are run as programs */
    uint32_t count;
    struct rule rules[];
};

static const char *const action_names[] = {[RULE_WARN] = "warn",
                                           [RULE_DROP] = "drop",
                                           [RULE_QUARANTINE] = "quarantine",
                                           [RULE_REJECT] = "reject"};

const char *rule_action_name(enum rule_action a)
{
    must(a >= RULE_WARN && a <= RULE_REJECT);
    return action_names[a];
}

struct rule__type rule__type_of(const struct row_column *c)
{
    static const uint8_t kinds[] = {
        [ROW_BOOLEAN] = KIND_BOOLEAN, [ROW_BYTE] = KIND_EXACT,
        [ROW_SHORT] = KIND_EXACT,     [ROW_INT] = KIND_EXACT,
        [ROW_LONG] = KIND_EXACT,      [ROW_FLOAT] = KIND_DOUBLE,
        [ROW_DOUBLE] = KIND_DOUBLE,   [ROW_DECIMAL] = KIND_EXACT,
        [ROW_STRING] = KIND_TEXT,     [ROW_BINARY] = KIND_BINARY,
        [ROW_DATE] = KIND_DATE,       [ROW_TIMESTAMP] = KIND_TIMESTAMP,
        [ROW_STRUCT] = KIND_STRUCT,   [ROW_TIMESTAMP_NTZ] = KIND_TIMESTAMP_NTZ,
        [ROW_ARRAY] = KIND_ARRAY,     [ROW_MAP] = KIND_MAP,
        [ROW_VARIANT] = KIND_VARIANT};
    return (struct rule__type){.kind = (enum rule__kind)kinds[c->type],
                               .scale = c->type == ROW_DECIMAL ? c->scale : 0,
                               .column = c};
}

const char *rule__kind_name(enum rule__kind k)
{
    static const char *const names[] = {
        "NULL",      "BOOLEAN",       "INTEGER/DECIMAL", "DOUBLE", "STRING", "BINARY", "DATE",
        "TIMESTAMP", "TIMESTAMP_NTZ", "STRUCT",          "ARRAY",  "MAP",    "VARIANT"};
    return names[k];
}

/* ---- making ---- */

static struct slice trimmed(struct slice s)
{
    while (s.len > 0 && strchr(" \t\r\n", s.data[0]) != NULL && s.data[0] != '\0')
        s = slice_of(s.data + 1, s.len - 1);
    while (s.len > 0 && strchr(" \t\r\n", s.data[s.len - 1]) != NULL && s.data[s.len - 1] != '\0')
        s.len--;
    return s;
}

int rule_text_parse(struct slice name, struct slice text, struct rule_text *ret, struct err *e)
{
    const uint8_t *colon = text.len == 0 ? NULL : memchr(text.data, ':', text.len);
    *ret = (struct rule_text){.name = name};
    if (colon != NULL) {
        struct slice word = trimmed(slice_of(text.data, (size_t)(colon - text.data)));
        for (int a = RULE_WARN; a <= RULE_REJECT; a++)
            if (rule__same_word(word, action_names[a]))
                ret->action = (enum rule_action)a;
        size_t used = (size_t)(colon + 1 - text.data);
        ret->predicate = trimmed(slice_of(colon + 1, text.len - used));
    }
    if (ret->action != 0)
        return 0;
    struct buf shown = BUF_NULL;
    rule__show_text(name, RULE_NAME_BYTES_MAX, &shown);
    int r = err_set(e, ERR_INVALID,
                    "rule \"%s\": \"ACTION: PREDICATE\" is expected, with warn, drop, quarantine "
                    "or reject before the colon",
                    buf_cstr(&shown));
    buf_deinit(&shown);
    return r;
}

static bool is_name(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        bool is_letter = ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
        if (!is_letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return s.len > 0 && s.len <= RULE_NAME_BYTES_MAX;
}

static int check_text(const struct rule_set *s, const struct rule_text *t, struct err *e)
{
    if (!is_name(t->name)) {
        struct buf shown = BUF_NULL;
        rule__show_text(t->name, RULE_NAME_BYTES_MAX, &shown);
        int r = err_set(e, ERR_INVALID,
                        "\"%s\" is no name for a rule: 1 to %d letters, digits and underscores, "
                        "not a digit first",
                        buf_cstr(&shown), RULE_NAME_BYTES_MAX);
        buf_deinit(&shown);
        return r;
    }
    int len = (int)t->name.len;
    const char *name = (const char *)t->name.data;
    for (uint32_t i = 0; i < s->count; i++) {
        char other[RULE_NAME_BYTES_MAX + 1] = {0};
        memcpy(other, s->rules[i].text.name.data, s->rules[i].text.name.len);
        if (rule__same_word(t->name, other))
            return err_set(e, ERR_INVALID, "two rules have the name \"%.*s\"", len, name);
    }
    if (t->action < RULE_WARN || t->action > RULE_REJECT)
        return err_set(e, ERR_INVALID, "rule \"%.*s\" has no action", len, name);
    if (t->predicate.len > RULE_PREDICATE_BYTES_MAX)
        return err_set(e, ERR_INVALID, "rule \"%.*s\": the predicate has %zu bytes, at most %d",
                       len, name, t->predicate.len, RULE_PREDICATE_BYTES_MAX);
    if (!row_utf8_ok(t->predicate))
        return err_set(e, ERR_INVALID, "rule \"%.*s\": the predicate is not UTF-8 text", len, name);
    return 0;
}

static struct slice keep(struct rule_set *s, struct slice bytes)
{
    uint8_t *copy = arena_alloc(&s->arena, bytes.len + 1);
    if (bytes.len > 0)
        memcpy(copy, bytes.data, bytes.len);
    copy[bytes.len] = '\0';
    return slice_of(copy, bytes.len);
}

static void note_reads(struct rule_set *s, const struct rule__program *p)
{
    for (uint32_t i = 0; i < p->path_count; i++) {
        uint32_t column = p->paths[i].steps[0];
        s->reads[column / 64] |= 1ull << column % 64;
    }
}

static void note_tests(struct rule_set *s, uint32_t rule)
{
    const struct rule__program *p = &s->rules[rule].program;
    if (!rule__is_plain(p)) {
        s->others |= 1ull << rule;
        return;
    }
    s->tests = mem_realloc(s->tests, (s->test_count + p->test_count) * sizeof(*s->tests));
    for (uint32_t i = 0; i < p->test_count; i++) {
        s->tests[s->test_count] = p->tests[i];
        s->tests[s->test_count++].rule = (uint8_t)rule;
    }
}

static int add_rule(struct rule_set *s, const struct rule_text *t, struct err *e)
{
    TRY(check_text(s, t, e));
    struct rule *r = &s->rules[s->count];
    r->text = (struct rule_text){keep(s, t->name), t->action, keep(s, t->predicate)};
    s->with[t->action] |= 1ull << s->count;
    s->count++; /* now the set frees what the compiler makes */
    struct rule__compiler c = {.schema = s->schema,
                               .text = r->text.predicate,
                               .program = &r->program,
                               .arena = &s->arena,
                               .e = e};
    int rc = rule__parse(&c);
    if (rc < 0)
        return err_wrap(e, "rule \"%s\"", (const char *)r->text.name.data), rc;
    note_reads(s, &r->program);
    note_tests(s, s->count - 1);
    return 0;
}

int rule_set_new(struct row_schema *schema, const struct rule_text *rules, size_t count,
                 struct rule_set **ret_set, struct err *e)
{
    if (count > RULES_PER_TABLE_MAX)
        return err_set(e, ERR_INVALID, "a table has at most %d rules, not %zu", RULES_PER_TABLE_MAX,
                       count);
    _cleanup_(rule_set_unrefp) struct rule_set *s =
        mem_zalloc(sizeof(*s) + count * sizeof(s->rules[0]));
    s->refs = 1;
    s->schema = row_schema_ref(schema);
    s->reads = mem_calloc(schema->column_count / 64 + 1, sizeof(*s->reads));
    for (size_t i = 0; i < count; i++)
        TRY(add_rule(s, &rules[i], e));
    *ret_set = TAKE(s);
    return 0;
}

struct rule_set *rule_set_ref(struct rule_set *s)
{
    uint32_t before = __atomic_fetch_add(&s->refs, 1, __ATOMIC_RELAXED);
    must(before > 0 && before < UINT32_MAX);
    return s;
}

struct rule_set *rule_set_unref(struct rule_set *s)
{
    if (s == NULL)
        return NULL;
    uint32_t before = __atomic_fetch_sub(&s->refs, 1, __ATOMIC_ACQ_REL);
    must(before > 0);
    if (before > 1)
        return NULL;
    for (uint32_t i = 0; i < s->count; i++)
        rule__program_deinit(&s->rules[i].program);
    row_schema_unref(s->schema);
    arena_deinit(&s->arena);
    mem_free(s->reads);
    mem_free(s->tests);
    mem_free(s);
    return NULL;
}

/* ---- asking ---- */

uint32_t rule_set_count(const struct rule_set *s)
{
    return s->count;
}

const struct rule_text *rule_set_text(const struct rule_set *s, uint32_t i)
{
    must(i < s->count);
    return &s->rules[i].text;
}

bool rule_set_reads(const struct rule_set *s, uint32_t column)
{
    must(column < s->schema->column_count);
    return (s->reads[column / 64] >> column % 64 & 1) != 0;
}

uint64_t rule_set_check(const struct rule_set *s, const struct row_value *values)
{
    uint64_t failed = 0;
    for (uint32_t i = 0; i < s->test_count; i++) {
        const struct rule__test *t = &s->tests[i];
        failed |= (uint64_t)!rule__test_holds(t, &values[t->column]) << t->rule;
    }
    for (uint64_t left = s->others; left != 0; left &= left - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(left);
        if (unlikely(rule__eval(&s->rules[i].program, values) != VERDICT_TRUE))
            failed |= 1ull << i;
    }
    return failed;
}

uint64_t rule_set_with(const struct rule_set *s, enum rule_action a)
{
    must(a >= RULE_WARN && a <= RULE_REJECT);
    return s->with[a];
}

uint32_t rule_set_deciding(const struct rule_set *s, uint64_t failed)
{
    for (int a = RULE_REJECT; a >= RULE_WARN; a--)
        if ((failed & s->with[a]) != 0)
            return (uint32_t)__builtin_ctzll(failed & s->with[a]);
    must_die("rule: none has failed");
    return 0;
}

/* ---- the sentence ---- */

#define SHOWN_PREDICATE_BYTES 200
#define SHOWN_VALUES          4

/* "address.street"; @ret_type and @ret_value: what the row holds there. */
static void show_path(const struct rule_set *s, const struct rule__path *p, struct buf *out)
{
    const struct row_column *c = &s->schema->columns[p->steps[0]];
    buf_add_str(out, c->name);
    for (uint32_t i = 1; i < p->step_count; i++) {
        c = &c->fields[p->steps[i]];
        buf_printf(out, ".%s", c->name);
    }
}

static void show_value(const struct rule_set *s, const struct rule__path *p,
                       const struct row_value *values, struct buf *out)
{
    const struct row_column *c = &s->schema->columns[p->steps[0]];
    const struct row_value *v = &values[p->steps[0]];
    for (uint32_t i = 1; i < p->step_count && !v->null; i++) {
        c = &c->fields[p->steps[i]];
        v = &v->items[p->steps[i]];
    }
    struct rule__value shown = rule__value_of(c->type, v);
    rule__show(rule__type_of(c), &shown, out);
}

static bool is_same_path(const struct rule__path *a, const struct rule__path *b)
{
    return a->step_count == b->step_count &&
           memcmp(a->steps, b->steps, a->step_count * sizeof(*a->steps)) == 0;
}

static void show_values(const struct rule_set *s, const struct rule__program *p,
                        const struct row_value *values, struct buf *out)
{
    uint32_t shown = 0;
    for (uint32_t i = 0; i < p->path_count && shown < SHOWN_VALUES; i++) {
        bool is_new = true;
        for (uint32_t k = 0; k < i; k++)
            is_new &= !is_same_path(&p->paths[i], &p->paths[k]);
        if (!is_new)
            continue;
        buf_add_str(out, shown++ == 0 ? " for " : ", ");
        show_path(s, &p->paths[i], out);
        buf_add_str(out, " = ");
        show_value(s, &p->paths[i], values, out);
    }
}

int rule_set_explain(const struct rule_set *s, uint32_t i, const struct row_value *values,
                     struct err *e)
{
    static const char *const verdicts[] = {
        [VERDICT_TRUE] = "is TRUE",
        [VERDICT_FALSE] = "is FALSE",
        [VERDICT_NULL] = "is NULL",
        [VERDICT_OVERFLOW] = "has more than 38 digits on its way",
        [VERDICT_ZERO] = "divides by zero",
        [VERDICT_INDEX] = "asks for an element that the array does not have"};
    must(i < s->count);
    const struct rule *r = &s->rules[i];
    struct buf text = BUF_NULL, path = BUF_NULL;
    rule__show_text(r->text.predicate, SHOWN_PREDICATE_BYTES, &text);
    buf_printf(&text, " %s", verdicts[rule__eval(&r->program, values)]);
    show_values(s, &r->program, values, &text);
    if (r->program.path_count > 0)
        show_path(s, &r->program.paths[0], &path);
    (void)err_set(e, ERR_INVALID, "rule \"%s\": %s", (const char *)r->text.name.data,
                  buf_cstr(&text));
    (void)err_blame(e, buf_cstr(&path));
    buf_deinit(&text);
    buf_deinit(&path);
    return ERR_INVALID;
}
