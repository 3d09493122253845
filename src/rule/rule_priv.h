/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Shared by the files of rule: tokens, types, the program and what runs it. */

#include "rule/rule.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/limits.h"

/* ---- words (lex.c) ---- */

enum rule__token_kind {
    TOKEN_END,
    TOKEN_WORD,   /* a name or a keyword */
    TOKEN_QUOTED, /* `name`; its text is without the quotes */
    TOKEN_NUMBER,
    TOKEN_TEXT, /* 'text'; its text is without the outer quotes, '' still double */
    TOKEN_SYMBOL,
};
struct rule__token {
    enum rule__token_kind kind;
    struct slice text;
    const uint8_t *at; /* where it begins, quotes included */
};

/* ---- types and values ---- */

/* Kinds of values. Whole numbers and decimals are one kind. */
enum rule__kind {
    KIND_NULL, /* the word NULL: of any type */
    KIND_BOOLEAN,
    KIND_EXACT,
    KIND_DOUBLE,
    KIND_TEXT,
    KIND_BINARY,
    KIND_DATE,
    KIND_TIMESTAMP,
    KIND_TIMESTAMP_NTZ,
    KIND_STRUCT,
    KIND_ARRAY,
    KIND_MAP,
    KIND_VARIANT,
};
struct rule__type {
    enum rule__kind kind;
    uint8_t scale;                   /* EXACT */
    const struct row_column *column; /* STRUCT ARRAY MAP: what it holds */
};
struct rule__type rule__type_of(const struct row_column *c);
const char *rule__kind_name(enum rule__kind k);

enum rule__fold { FOLD_NONE, FOLD_LOWER, FOLD_UPPER };

struct rule__value {
    union {
        row_i128 exact; /* unscaled; the scale stands in the program */
        double f64;
        int64_t i64; /* DATE TIMESTAMP TIMESTAMP_NTZ */
        bool boolean;
        struct slice bytes;
        const struct row_value *items;
    };
    uint32_t item_count;
    bool null;
    uint8_t fold; /* TEXT: how each ASCII letter reads */
};

/* Digits of an exact number; beyond: an overflow. */
#define EXACT_DIGITS_MAX 38
/* Rounded correctly. */
double rule__exact_to_double(row_i128 v, uint8_t scale);
/* -1, 0, 1; of the kind's own order. @scale_a, @scale_b of EXACT only. */
int rule__compare(enum rule__kind kind, const struct rule__value *a, uint8_t scale_a,
                  const struct rule__value *b, uint8_t scale_b);

/* ---- the program ---- */

/* A stack machine. "top" is the value pushed last. */
enum rule__op {
    OP_END,   /* the result is on top */
    OP_LOAD,  /* push column a, of row_type kind */
    OP_CONST, /* push constant a */
    OP_FIELD, /* struct → its field a, of row_type kind */
    OP_ITEM,  /* array, index (scale_b) → element of row_type kind */
    OP_KEY,   /* map, key → value of row_type a; keys are of row_type kind */
    OP_COMPARE,
    OP_TEST,      /* test a of one column → BOOLEAN */
    OP_BETWEEN,   /* value (scale_a), low, high (both scale_b) → BOOLEAN */
    OP_IN,        /* is top among constants a .. a+b-1? they are sorted; with: one is NULL */
    OP_LIKE,      /* top like the pattern in constant a */
    OP_AND_SHORT, /* top FALSE: go to a */
    OP_AND,
    OP_OR_SHORT, /* top TRUE: go to a */
    OP_OR,
    OP_NOT,
    OP_IS_NULL,   /* with: is it not? */
    OP_IS,        /* top is exactly the boolean a → never NULL */
    OP_CONVERT,   /* the value b below top: EXACT of scale_a → kind, at scale_b */
    OP_SKIP_NULL, /* top has a value: go to a; else drop it */
    OP_NEGATE,    /* and the next ones: of kind, EXACT or DOUBLE */
    OP_ABS,
    OP_ADD,
    OP_SUBTRACT,
    OP_MULTIPLY,
    OP_REMAINDER,
    OP_DIVIDE, /* DOUBLE only */
    OP_IS_NAN,
    OP_LENGTH, /* of TEXT in characters, of BINARY in bytes */
    OP_SIZE,
    OP_FOLD, /* a: an enum rule__fold */
    OP_TRIM,
};
/* Comparisons as sets of what rule__compare() may say. */
enum { IF_LESS = 1, IF_EQUAL = 2, IF_GREATER = 4 };
static inline bool rule__accepts(unsigned with, int order)
{
    return (with >> (order + 1) & 1) != 0;
}

struct rule__insn {
    uint8_t op;
    uint8_t kind; /* enum rule__kind, or enum row_type where it says so */
    uint8_t with; /* COMPARE: IF_ bits; IN: a NULL is in the list */
    uint8_t scale_a, scale_b;
    uint32_t a, b;
};

/* What a test asks of a column's value; a NULL satisfies TEST_NULL alone. */
enum rule__test_op {
    TEST_NULL,       /* is it NULL? with: is it not? */
    TEST_WORD,       /* 64 bits: words[0] to words[1]? */
    TEST_NOT_WORD,   /* 64 bits: another than words[0]? */
    TEST_DOUBLE,     /* FLOAT or DOUBLE: with, against doubles[0] */
    TEST_IN_DOUBLES, /* FLOAT or DOUBLE: doubles[0] to doubles[1]? */
    TEST_TEXT,       /* are its bytes these? with: are they others? */
    TEST_PREFIX,     /* do its bytes begin with these? */
    TEST_LIKE,       /* is it like the pattern in bytes? */
    TEST_LENGTH,     /* has it words[0] to words[1] characters? */
    TEST_NOT_LENGTH, /* has it another number of characters than words[0]? */
};

/* One column with its constants, all in one place: most predicates are nothing else. */
struct rule__test {
    uint8_t op;   /* enum rule__test_op */
    uint8_t with; /* DOUBLE: IF_ bits */
    uint8_t type; /* enum row_type of the column */
    uint8_t rule; /* in a set's own list: whose it is */
    uint32_t column;
    union {
        int64_t words[2];
        double doubles[2];
        struct slice bytes;
    };
};

/* A column, or a field of fields of one, that a rule names; to show its value. */
struct rule__path {
    uint32_t step_count;
    uint32_t *steps; /* column, field, field … */
};

struct rule__program {
    struct rule__insn *insns;
    uint32_t insn_count, insn_cap;
    struct rule__value *consts;
    uint32_t const_count, const_cap;
    struct rule__test *tests;
    uint32_t test_count, test_cap;
    struct rule__path *paths; /* in the order of the text */
    uint32_t path_count, path_cap;
};
void rule__program_deinit(struct rule__program *p);

/* What a predicate may come to. */
enum rule__verdict {
    VERDICT_TRUE,
    VERDICT_FALSE,
    VERDICT_NULL,
    VERDICT_OVERFLOW,
    VERDICT_ZERO,  /* divided by zero */
    VERDICT_INDEX, /* an array has no such element */
};
#define STACK_MAX 64
/* Nothing but tests, joined by AND: it is TRUE when each of them holds. */
bool rule__is_plain(const struct rule__program *p);
enum rule__verdict rule__eval(const struct rule__program *p, const struct row_value *values);
/* A cell as the value of its kind. */
struct rule__value rule__value_of(enum row_type type, const struct row_value *v);

/* Never NULL: an empty one may be, in a row. */
static inline struct slice rule__bytes_of(const struct row_value *v)
{
    return v->bytes.len > 0 ? v->bytes : slice_of("", 0);
}
size_t rule__char_count(struct slice s);
/* NaN equals NaN and is above everything; -0 equals 0. */
int rule__compare_double(double a, double b);

/* test.c */
bool rule__test_holds(const struct rule__test *t, const struct row_value *v);
/* The test as "@op, compared by @with (IF_ bits) with @word"; TEST_WORD or TEST_LENGTH. */
void rule__test_compare(struct rule__test *t, enum rule__test_op op, unsigned with, int64_t word);

/* ---- compiling ---- */

struct rule__compiler {
    const struct row_schema *schema;
    struct slice text;
    const uint8_t *next; /* behind @token */
    struct rule__token token;
    uint32_t depth;  /* of the text's nesting */
    uint32_t height; /* of the stack */
    struct rule__program *program;
    struct arena *arena; /* bytes of constants */
    struct err *e;
};

/* Takes the next token. */
must_use int rule__advance(struct rule__compiler *c);
/* "byte N, at "…": <sentence>". @at points into the text. Returns ERR_INVALID. */
int rule__fail(struct rule__compiler *c, const uint8_t *at, const char *fmt, ...) printf_like(3, 4);
bool rule__same_word(struct slice a, const char *word);
bool rule__is_word(const struct rule__compiler *c, const char *word);
bool rule__is_symbol(const struct rule__compiler *c, const char *symbol);

/* The predicate in c->text → c->program. */
must_use int rule__parse(struct rule__compiler *c);
must_use int rule__parse_value(struct rule__compiler *c, struct rule__type *ret);
must_use int rule__expect_symbol(struct rule__compiler *c, const char *symbol);
must_use int rule__deeper(struct rule__compiler *c); /* the caller takes 1 from depth again */
/* primary.c */
must_use int rule__parse_primary(struct rule__compiler *c, struct rule__type *ret);
must_use int rule__parse_literal(struct rule__compiler *c, struct rule__value *ret,
                                 struct rule__type *ret_type);

/* emit.c: instructions with their types checked. @at: the operator, to be named in an error. */
uint32_t rule__emit(struct rule__compiler *c, struct rule__insn i); /* its place */
void rule__emit_const(struct rule__compiler *c, struct rule__value v);
must_use int rule__push(struct rule__compiler *c); /* a value more on the stack */
must_use int rule__emit_compare(struct rule__compiler *c, const uint8_t *at, unsigned with,
                                const struct rule__type operands[2]);
void rule__emit_like(struct rule__compiler *c, struct slice pattern);
void rule__emit_is_null(struct rule__compiler *c, bool negated);
must_use int rule__emit_between(struct rule__compiler *c, const uint8_t *at,
                                const struct rule__type operands[3]);
must_use int rule__emit_arithmetic(struct rule__compiler *c, const uint8_t *at, enum rule__op op,
                                   const struct rule__type operands[2],
                                   struct rule__type *ret_type);
must_use int rule__emit_sign(struct rule__compiler *c, const uint8_t *at, enum rule__op op,
                             struct rule__type type);
/* The constants of an IN: NULL is not among them. */
struct rule__list {
    struct rule__value values[RULE_LIST_MAX];
    struct rule__type types[RULE_LIST_MAX];
    uint32_t count;
    bool has_null;
    enum rule__kind kind; /* set by rule__emit_in() */
};
must_use int rule__emit_in(struct rule__compiler *c, const uint8_t *at, struct rule__type operand,
                           struct rule__list *l);
/* Do both fit under one kind? */
bool rule__common_kind(enum rule__kind a, enum rule__kind b, enum rule__kind *ret_kind);

/* literal.c. The token is a literal's; values' bytes go into the arena. */
must_use int rule__read_number(struct rule__compiler *c, struct rule__value *ret,
                               struct rule__type *ret_type);
struct slice rule__read_text(struct rule__compiler *c);
must_use int rule__read_hex(struct rule__compiler *c, struct slice *ret);
must_use int rule__read_time(struct rule__compiler *c, enum rule__kind kind, int64_t *ret);
/* A value as people write it, cut when long. */
void rule__show(struct rule__type type, const struct rule__value *v, struct buf *out);
/* Foreign text on one line, valid UTF-8, at most @max bytes and "…". */
void rule__show_text(struct slice text, size_t max, struct buf *out);

/* like.c. A pattern in use: UTF-8, but 0xff for %, 0xfe for _. */
must_use int rule__like_compile(struct rule__compiler *c, const uint8_t *at, struct slice pattern,
                                struct slice escape, struct slice *ret);
bool rule__like(struct slice pattern, struct slice text, enum rule__fold fold);
/* Is it text and one % behind it? Then @ret_text is the text. */
bool rule__like_is_prefix(struct slice pattern, struct slice *ret_text);
static inline uint8_t rule__fold_byte(uint8_t c, enum rule__fold fold)
{
    if (fold == FOLD_LOWER)
        return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
    if (fold == FOLD_UPPER)
        return c >= 'a' && c <= 'z' ? (uint8_t)(c & 0xdf) : c;
    return c;
}
