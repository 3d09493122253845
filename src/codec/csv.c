/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV → JSON rows. A record is scanned whole before anything is made of it, so that text may come
 * in pieces: what ends too early is scanned again with more behind it. Fields stand in one buffer,
 * with their doubled quotes made single; then the header says which column each one is.
 *
 * Thread: its owner's.
 */
#include "codec/csv.h"

#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/must.h"
#include "codec/variant.h"
#include "codec_priv.h"

#define RECORD_BYTES_MAX REQUEST_BYTES_MAX

struct field {
    size_t begin, len; /* in c->text */
    uint64_t line;
    bool is_quoted;
};

struct codec_csv {
    struct row_schema *schema;
    uint8_t delimiter;
    bool is_begun;            /* past a byte order mark */
    uint64_t line, next_line; /* where the last record and the next one begin */
    struct buf text;          /* of the record's fields, back to back */
    struct field *fields;     /* of the record */
    size_t field_count, field_cap;
    uint32_t *columns; /* of the header's fields */
    size_t column_count;
};

/* Where the scan stands. */
struct scan {
    const uint8_t *p, *end;
    bool is_last;
    uint64_t line;
    struct err *e;
};

/* How a field ends. */
enum ending { AT_DELIMITER = 1, AT_RECORD_END, AT_TEXT_END, AT_NONE };

bool codec_csv_delimiter_ok(char delimiter)
{
    return delimiter == '\t' || (delimiter >= ' ' && delimiter < 0x7f && delimiter != '"');
}

struct codec_csv *codec_csv_new(struct row_schema *schema, char delimiter)
{
    must(codec_csv_delimiter_ok(delimiter));
    struct codec_csv *c = mem_zalloc(sizeof(*c));
    c->schema = row_schema_ref(schema);
    c->delimiter = (uint8_t)delimiter;
    c->line = c->next_line = 1;
    return c;
}

struct codec_csv *codec_csv_free(struct codec_csv *c)
{
    if (c == NULL)
        return NULL;
    row_schema_unref(c->schema);
    buf_deinit(&c->text);
    mem_free(c->fields);
    mem_free(c->columns);
    mem_free(c);
    return NULL;
}

uint64_t codec_csv_line(const struct codec_csv *c)
{
    return c->line;
}

/* ---- scanning ---- */

static int fail(const struct scan *s, const char *reason)
{
    return err_set(s->e, ERR_INVALID, "line %llu: %s", (unsigned long long)s->line, reason);
}

/* What stands at the end of a field, taken. */
static enum ending take_ending(const struct codec_csv *c, struct scan *s)
{
    size_t left = (size_t)(s->end - s->p);
    if (left == 0)
        return s->is_last ? AT_RECORD_END : AT_TEXT_END;
    if (*s->p == c->delimiter) {
        s->p++;
        return AT_DELIMITER;
    }
    if (*s->p == '\r' && left == 1 && !s->is_last)
        return AT_TEXT_END;
    size_t taken = *s->p == '\n' ? 1 : *s->p == '\r' && (left == 1 || s->p[1] == '\n') ? 2 : 0;
    if (taken == 0)
        return AT_NONE;
    s->p += MIN(taken, left);
    s->line++;
    return AT_RECORD_END;
}

static int scan_plain(struct codec_csv *c, struct scan *s)
{
    const uint8_t *begin = s->p;
    while (s->p < s->end && *s->p != c->delimiter && *s->p != '\n' && *s->p != '\r' && *s->p != '"')
        s->p++;
    buf_add(&c->text, begin, (size_t)(s->p - begin));
    enum ending ending = take_ending(c, s);
    if (ending == AT_NONE)
        return fail(s, *s->p == '"'
                           ? "a quote stands inside of a field that does not begin with one"
                           : "a carriage return stands outside of quotes");
    return (int)ending;
}

/* Behind the opening quote. */
static int scan_quoted(struct codec_csv *c, struct scan *s)
{
    for (; s->p < s->end; s->p++) {
        bool is_quote = *s->p == '"';
        if (is_quote && (s->p + 1 == s->end || s->p[1] != '"'))
            break;
        if (is_quote)
            s->p++;
        s->line += *s->p == '\n';
        buf_add_byte(&c->text, *s->p);
    }
    if (s->p == s->end)
        return s->is_last ? fail(s, "the closing quote is missing") : AT_TEXT_END;
    s->p++;
    enum ending ending = take_ending(c, s);
    if (ending == AT_NONE)
        return fail(s, "behind a closing quote the field must end");
    return (int)ending;
}

static int scan_field(struct codec_csv *c, struct scan *s)
{
    if (c->field_count == c->field_cap) {
        c->field_cap = MAX((size_t)16, c->field_cap * 2);
        c->fields = mem_realloc(c->fields, c->field_cap * sizeof(*c->fields));
    }
    struct field *f = &c->fields[c->field_count];
    *f = (struct field){.begin = c->text.len, .line = s->line};
    f->is_quoted = s->p < s->end && *s->p == '"';
    if (f->is_quoted)
        s->p++;
    int ending = f->is_quoted ? scan_quoted(c, s) : scan_plain(c, s);
    TRY(ending);
    f->len = c->text.len - f->begin;
    c->field_count++;
    return ending;
}

/* All fields of a record. AT_RECORD_END or AT_TEXT_END. */
static int scan_record(struct codec_csv *c, struct scan *s)
{
    int ending = AT_DELIMITER;
    c->field_count = 0;
    buf_reset(&c->text);
    while (ending == AT_DELIMITER) {
        ending = scan_field(c, s);
        TRY(ending);
    }
    return ending;
}

static struct slice field_text(const struct codec_csv *c, const struct field *f)
{
    return f->len == 0 ? slice_of("", 0) : slice_of(c->text.data + f->begin, f->len);
}

/* ---- the header ---- */

static int take_header(struct codec_csv *c, struct err *e)
{
    uint32_t *columns = mem_calloc(c->field_count, sizeof(*columns));
    int r = 0;
    for (size_t i = 0; i < c->field_count && r == 0; i++) {
        const struct field *f = &c->fields[i];
        struct slice name = field_text(c, f);
        int column = row_schema_find(c->schema, name);
        if (column < 0)
            r = err_set(e, ERR_INVALID, "line %llu: the table has no column \"%s\"",
                        (unsigned long long)f->line, codec__show(name).text);
        for (size_t k = 0; k < i && r == 0; k++)
            if (columns[k] == (uint32_t)column)
                r = err_set(e, ERR_INVALID, "line %llu: column %s is named twice",
                            (unsigned long long)f->line, c->schema->columns[column].name);
        columns[i] = (uint32_t)column;
    }
    if (r < 0) {
        mem_free(columns);
        return r;
    }
    c->columns = columns;
    c->column_count = c->field_count;
    return CODEC_CSV_NOTHING;
}

/* ---- rows ---- */

static int fail_field(const struct field *f, const struct row_column *column, const char *reason,
                      struct err *e)
{
    (void)err_set(e, ERR_INVALID, "line %llu, column %s: %s", (unsigned long long)f->line,
                  column->name, reason);
    (void)err_blame(e, column->name);
    return ERR_INVALID;
}

static bool is_word(struct slice s, const char *word)
{
    size_t len = strlen(word);
    for (size_t i = 0; i < len && i < s.len; i++)
        if ((s.data[i] | 0x20) != word[i])
            return false;
    return s.len == len;
}

static int put_boolean(struct json *j, struct slice text, const struct field *f,
                       const struct row_column *column, struct err *e)
{
    bool is_true = is_word(text, "true");
    if (!is_true && !is_word(text, "false"))
        return fail_field(f, column, "true or false is expected", e);
    json_bool(j, is_true);
    return 0;
}

static int put_json(struct json *j, struct slice text, const struct field *f,
                    const struct row_column *column, struct err *e)
{
    struct err why = {0};
    if (codec_variant_check(text, &why) < 0)
        return fail_field(f, column, why.text, e);
    json_raw(j, text);
    return 0;
}

static int put_field(struct json *j, const struct codec_csv *c, size_t i, struct err *e)
{
    const struct field *f = &c->fields[i];
    const struct row_column *column = &c->schema->columns[c->columns[i]];
    struct slice text = field_text(c, f);
    if (text.len == 0 && !f->is_quoted)
        return 0; /* NULL: as good as absent */
    json_key(j, column->name);
    if (column->type == ROW_BOOLEAN)
        return put_boolean(j, text, f, column, e);
    if (!row_type_is_flat(column->type))
        return put_json(j, text, f, column, e);
    json_slice(j, text);
    return 0;
}

static int put_row(const struct codec_csv *c, struct buf *out, struct err *e)
{
    if (c->field_count != c->column_count)
        return err_set(e, ERR_INVALID, "line %llu: %zu field%s, but the header names %zu column%s",
                       (unsigned long long)c->line, c->field_count, c->field_count == 1 ? "" : "s",
                       c->column_count, c->column_count == 1 ? "" : "s");
    size_t len = out->len;
    struct json j = json_on(out);
    int r = 0;
    json_open(&j, '{');
    for (size_t i = 0; i < c->field_count && r == 0; i++)
        r = put_field(&j, c, i, e);
    json_close(&j, '}');
    if (r < 0)
        out->len = len;
    return r < 0 ? r : CODEC_CSV_ROW;
}

/* A line with nothing on it. Below a header of one column it is a NULL. */
static bool is_blank(const struct codec_csv *c)
{
    return c->field_count == 1 && c->fields[0].len == 0 && !c->fields[0].is_quoted &&
           c->column_count != 1;
}

/* Nothing behind the last record. */
static int at_end(const struct codec_csv *c, struct err *e)
{
    if (c->column_count == 0)
        return err_set(e, ERR_INVALID, "line %llu: the first line must name the columns",
                       (unsigned long long)c->next_line);
    return CODEC_CSV_END;
}

int codec_csv_next(struct codec_csv *c, struct slice text, bool is_last, struct buf *out,
                   size_t *ret_taken, struct err *e)
{
    static const uint8_t mark[] = {0xef, 0xbb, 0xbf};
    if (!c->is_begun && text.len < sizeof(mark) && !is_last)
        return CODEC_CSV_MORE;
    bool has_mark = !c->is_begun && text.len >= sizeof(mark) && memcmp(text.data, mark, 3) == 0;
    size_t begin = has_mark ? sizeof(mark) : 0;
    if (text.len == begin && is_last)
        return at_end(c, e);
    struct scan s = {text.data + begin, text.data + text.len, is_last, c->next_line, e};
    int ending = scan_record(c, &s);
    TRY(ending);
    if (ending == AT_TEXT_END) {
        s.line = c->next_line;
        return text.len < RECORD_BYTES_MAX
                   ? CODEC_CSV_MORE
                   : fail(&s, "the record is longer than 10 MiB; is a closing quote missing?");
    }
    *ret_taken = (size_t)(s.p - text.data);
    c->is_begun = true;
    c->line = c->next_line;
    c->next_line = s.line;
    if (is_blank(c))
        return CODEC_CSV_NOTHING;
    return c->column_count == 0 ? take_header(c, e) : put_row(c, out, e);
}
