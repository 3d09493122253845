/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The inside of a plan, and what the files of codec share.
 *
 * A plan is a tree of messages that mirrors the schema's columns: the record, and below it what
 * STRUCT, ARRAY and MAP columns hold as far as it travels in messages. docs/formats/rows.md says
 * which.
 *
 * I1  fields[] ascend by number; a column has at most one field.
 * I2  In the own plan field i of a message belongs to its column i, and its operation is the
 *     column's natural one.
 * I3  The messages form a tree: none is used by two fields.
 */

#include "base/limits.h"
#include "codec/codec.h"
#include "codec/wire.h"
#include "json_priv.h"

/* How a field's bytes become a value. */
enum codec__op {
    CODEC__INT = 1, /* int32, int64: two's complement in a varint */
    CODEC__ZIGZAG,
    CODEC__UINT,
    CODEC__SFIXED32,
    CODEC__FIXED32,
    CODEC__SFIXED64,
    CODEC__FIXED64,
    CODEC__BOOL,
    CODEC__FLOAT,
    CODEC__DOUBLE,
    CODEC__STRING,
    CODEC__BYTES,
    CODEC__DECIMAL, /* text */
    /* Not in the plan of a flat schema: */
    CODEC__VARIANT,  /* JSON text */
    CODEC__MESSAGE,  /* one message: a STRUCT, or a wrapper */
    CODEC__REPEATED, /* an ARRAY; the elements' operation is @item */
    CODEC__MAP,      /* a MAP: repeated entries */
};

struct codec__message;
struct codec__field {
    uint32_t tag;    /* number << 3 | wire type; of a repeated number: when it is not packed */
    uint16_t column; /* of its message */
    uint8_t op, item;
    /* The tag as it usually stands on the wire, little-endian, when that takes one or two bytes:
     * bytes & tag_mask == tag_bytes. Longer ones: mask 0, bytes 1, equal to nothing. */
    uint16_t tag_bytes, tag_mask;
    uint8_t tag_len;
    uint8_t sure_bytes; /* a varint of at most so many bytes fits min and max; at most 8 */
    union {
        struct {
            int64_t min, max; /* integers: what the column holds */
        };
        struct codec__message *message; /* op or item MESSAGE; MAP: its entry */
    };
};

enum codec__kind {
    CODEC__STRUCT = 0, /* the record too: a column per field */
    CODEC__WRAPPER,    /* its one column is an ARRAY or MAP inside of another one */
    CODEC__ENTRY,      /* of a MAP: columns ROW_KEY and ROW_VALUE */
};

#define CODEC__NONE 0xffffu
/* Field numbers up to this one are found by index, larger ones by binary search. */
#define CODEC__DIRECT_MAX 4095u
#define CODEC__WORDS_MAX  ((COLUMNS_MAX + 63) / 64)

/* One message: its fields, and the columns that they fill. */
struct codec__message {
    enum codec__kind kind;
    uint32_t column_count, field_count;
    uint32_t words; /* of 64 columns each */
    uint32_t direct_count;
    uint32_t name_mask;               /* slots in @names less one */
    struct codec__field *fields;      /* behind the last one stands one that is no tag's */
    uint16_t *direct;                 /* field number → index into fields, or CODEC__NONE */
    const struct row_column *columns; /* of the schema */
    uint16_t *names; /* hash of a name → column, or CODEC__NONE; open addressing */
    struct slice *column_names;
    uint64_t *required; /* a bit per column that must have a value: NOT NULL, no ARRAY or MAP */
    /* Where a walk notes which columns it has seen, in words: its own @words, and behind them those
     * of the single messages below it. */
    uint32_t seen, seen_words;
    bool asks;       /* @required is not empty, here or in single messages below */
    bool holds_maps; /* a field is a MAP, likewise */
    /* Values that one of it in a list takes: its columns and those of the STRUCTs directly inside,
     * whether the descriptor has them or not, for a batch has a cell for each. */
    uint32_t values;
    uint32_t inner_count;
    uint16_t *inner;         /* fields for which one of the two holds */
    struct row_value *blank; /* the values of a message without fields; NULL in a flat plan */
};

struct codec_plan {
    struct codec__message root;
    uint32_t refs;
    bool is_flat;
    bool iso8601;        /* timestamps in JSON may be text */
    uint32_t seen_words; /* of all messages */
    struct row_schema *schema;
};

/* ---- descriptors ---- */

/* What a plan wants to know of a FieldDescriptorProto. */
struct codec__field_descriptor {
    struct slice name, type_name;
    uint64_t number, label, type;
};
enum { CODEC__LABEL_OPTIONAL = 1, CODEC__LABEL_REQUIRED, CODEC__LABEL_REPEATED };

/* A message type of a descriptor: the record's own (the first one), or one that is nested in it. */
struct codec__type {
    struct slice name, body;
    uint32_t parent;
    bool is_map_entry;
    bool is_open; /* the plan's making stands inside of it */
};
struct codec__types {
    struct codec__type *types;
    uint32_t count, cap, max;
    uint32_t *slots; /* hash of parent and name → index; 0 = free */
    uint32_t mask;
};
/* ERR_INVALID: not a DescriptorProto, or too many types. Owns: borrows the descriptor. */
must_use int codec__types_read(struct slice descriptor, uint32_t max,
                               struct codec__types *ret_types, struct err *e);
void codec__types_deinit(struct codec__types *t);
/* The type that @name means inside of type @scope, absolute or relative; -1: there is none. */
int codec__types_find(const struct codec__types *t, uint32_t scope, struct slice name);
/* The next field of a message type at *at. 1, 0 at the end, -1 malformed. */
int codec__next_field(const uint8_t **at, const uint8_t *end, struct codec__field_descriptor *ret);
int codec__fail_descriptor(struct err *e);

/* ---- plans ---- */

/* Without fields yet; they go to m->fields, at most one per column. */
void codec__message_init(struct codec__message *m, enum codec__kind kind,
                         const struct row_column *columns, uint32_t count);
/* Once all fields are there: puts them in order. 0, or the index of a field whose number the one
 * before it has too. */
int codec__message_index(struct codec__message *m);
/* Fills the tree from p->root on. ERR_INVALID, ERR_UNSUPPORTED naming column and reason. */
must_use int codec__compile(struct codec_plan *p, struct slice descriptor, uint32_t types_max,
                            struct err *e);
/* codec_plan_new() for a descriptor of any size. */
must_use int codec__plan_make(struct slice descriptor, uint32_t types_max,
                              struct row_schema *schema, struct codec_plan **ret_plan,
                              struct err *e);

/* The column with that name (letter case ignored), or -1. */
int codec__column_find(const struct codec__message *m, struct slice name);
/* The range of an integer column; 64 bits for all others. */
void codec__range(enum row_type type, int64_t *ret_min, int64_t *ret_max);
/* The first column that must have a value and that @seen (the message's own words) lacks, or -1. */
int codec__missing(const struct codec__message *m, const uint64_t *seen);
/* ERR_INVALID: the NOT NULL column at @path has no value. */
int codec__fail_missing(const char *path, struct err *e);
/* ERR_INVALID or @code with "column PATH" in front of the sentence; blames the path. */
int codec__fail_at(struct err *e, int code, const char *path, const char *fmt, ...)
    printf_like(4, 5);

/* Foreign bytes as they may stand in a message: printable ASCII, cut at 48. */
struct codec__text {
    char text[56];
};
struct codec__text codec__show(struct slice s);
/* A column's type for a message: "decimal(10,2)". */
struct codec__text codec__type_text(const struct row_column *c);

/* One step of a path: a field by its name, an element by its index, a value by its key. */
struct codec__step {
    const char *name;                  /* NULL: the others */
    const struct row_column *key_type; /* NULL: an index */
    uint32_t index;
    struct row_value key;
};
/* A path in words, as docs/formats/rows.md says; what is longer is cut. */
struct codec__path {
    size_t len;
    char text[ERR_FIELD_MAX];
};
void codec__path_add(struct codec__path *p, const struct codec__step *s);

/* ---- rows of the table's own message ---- */

/* A nested message of the row that is being written to @out: field @number begins; what is appended
 * until the close is its content. */
size_t codec__row_open(struct buf *out, uint32_t number);
void codec__row_close(struct buf *out, size_t start);
/* One field of the table's own message; null appends nothing. @v's bytes may stand in @out itself
 * behind its length, when at least 16 bytes lie between and the room is reserved. */
void codec__put_value(struct buf *out, const struct row_column *c, const struct row_value *v);
/* What stands for one value: of a single field, an element, a key or a map's value. */
void codec__put_item(struct buf *out, uint32_t number, const struct row_column *c,
                     const struct row_value *v);
/* A number as it stands in a packed field. */
void codec__put_packed(struct buf *out, enum row_type type, const struct row_value *v);

/* ---- JSON rows ---- */

/* Where a reader of JSON stands in the row. */
struct codec__place {
    const struct codec__place *outer;
    struct codec__step step;
};

/* Opens an object. */
must_use int codec__json_open(struct codec__json *j);
/* 1: the next key, its colon taken; 0: the object is at its end. */
must_use int codec__json_key(struct codec__json *j, struct slice *ret_key);
/* The value of flat column @c. Text and bytes are borrowed from the JSON, or stand in scratch
 * at least 16 bytes behind its length, in reserved room. */
must_use int codec__json_value(struct codec__json *j, const struct row_column *c,
                               struct row_value *ret_value);
/* A map's key of type @c, from its text, which began at @from. */
must_use int codec__json_map_key(struct codec__json *j, const struct row_column *c,
                                 struct slice text, struct row_value *ret_key);
/* ERR_INVALID with byte, path, type of @c and @reason; the byte is that of the value. */
int codec__json_fail_value(struct codec__json *j, const struct row_column *c, const char *reason);
/* ERR_INVALID: "JSON, byte N: column PATH", then the sentence, whose separator is its own. */
int codec__json_fail_at(struct codec__json *j, const char *fmt, ...) printf_like(2, 3);
/* ERR_INVALID: the NOT NULL column that the place says has no value. */
int codec__json_fail_missing(struct codec__json *j);

/* One value of any kind, to behind it: does it make a variant? */
must_use int codec__variant_skip(struct codec__json *j);

/* Days since 1970-01-01 of "YYYY-MM-DD" in the Gregorian calendar; false: no such day. */
bool codec__iso_date(struct slice text, int64_t *ret_days);
/* Microseconds since 1970-01-01 of RFC 3339 text, with a zone or without. NULL, or what is wrong
 * with it. */
const char *codec__iso_timestamp(struct slice text, bool with_zone, int64_t *ret_us);

/* Values as JSON and base64 text. */
void codec__base64_add(struct buf *out, struct slice bytes);
/* Standard or URL alphabet, padded or not; false when malformed. @to may be @text's own place.
 * Room for 3/4 of the text. */
bool codec__base64_decode(struct slice text, uint8_t *to, size_t *ret_len);
/* Exact or correctly rounded. ERR_INVALID: not a JSON number; out of range. */
must_use int codec__number_f64(struct slice text, double *ret);
must_use int codec__number_f32(struct slice text, float *ret);
