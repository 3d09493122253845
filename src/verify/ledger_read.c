/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ledgers of producers, read (docs/formats/ledger.md). A file is read twice: streams and acks
 * first, because an ack stands behind the rows it covers; then rows, in chunks. A last line that
 * has no end was cut off with its writer, and does not count.
 */
#include "ledger_priv.h"
#include "verify/verify.h"

#include "base/bits.h"
#include "base/mem.h"
#include "base/must.h"
#include "sys/sys.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES (1u << 20)
#define FIELDS_MAX  5

/* ---- lines ---- */

typedef int line_fn(void *ctx, struct slice line, uint64_t offset);

/* Each whole line without its end; the rest of a chunk is read again with the next. */
static int read_lines(struct ledger_file *f, line_fn *fn, void *ctx, struct err *e)
{
    uint8_t *chunk = mem_alloc(CHUNK_BYTES);
    uint64_t at = 0;
    size_t got = CHUNK_BYTES;
    int r = 0;
    while (r == 0 && got == CHUNK_BYTES) {
        size_t used = 0;
        const uint8_t *eol;
        size_t want = (size_t)MIN((uint64_t)CHUNK_BYTES, f->size - at);
        r = sys_read_some(f->file, chunk, want, at, &got, e);
        while (r == 0 && (eol = memchr(chunk + used, '\n', got - used)) != NULL) {
            size_t len = (size_t)(eol - chunk) - used;
            r = fn(ctx, slice_of(chunk + used, len), at + used);
            used += len + 1;
        }
        if (r == 0 && used == 0 && got == CHUNK_BYTES)
            r = err_set(e, ERR_INVALID, "%s at byte %" PRIu64 ": a line without end", f->path, at);
        at += used;
    }
    mem_free(chunk);
    return r;
}

static unsigned split(struct slice line, struct slice fields[FIELDS_MAX])
{
    unsigned n = 0;
    while (n < FIELDS_MAX) {
        const uint8_t *tab = n + 1 < FIELDS_MAX ? memchr(line.data, '\t', line.len) : NULL;
        size_t len = tab != NULL ? (size_t)(tab - line.data) : line.len;
        fields[n++] = slice_of(line.data, len);
        if (tab == NULL)
            break;
        line = slice_of(tab + 1, line.len - len - 1);
    }
    return n;
}

static bool is_word(struct slice s, const char *word)
{
    return slice_eq(s, slice_str(word));
}

static bool parse_offset(struct slice s, int64_t *ret)
{
    int64_t v = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9' || v > INT64_MAX / 10 - 1)
            return false;
        v = v * 10 + (s.data[i] - '0');
    }
    *ret = v;
    return s.len > 0;
}

static bool parse_crc(struct slice s, uint32_t *ret)
{
    uint32_t v = 0;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        bool digit = c >= '0' && c <= '9', letter = c >= 'a' && c <= 'f';
        if (!digit && !letter)
            return false;
        v = v << 4 | (uint32_t)(digit ? c - '0' : c - 'a' + 10);
    }
    *ret = v;
    return s.len == 8;
}

/* ---- streams ---- */

struct opening {
    struct ledger *l;
    struct ledger_file *f;
    struct err *e;
};

static int wrong(struct opening *o, uint64_t offset, const char *why)
{
    return err_set(o->e, ERR_INVALID, "%s at byte %" PRIu64 ": %s", o->f->path, offset, why);
}

static bool is_key_type(enum row_type type)
{
    return type != ROW_FLOAT && type != ROW_DOUBLE && type != ROW_BINARY;
}

static int key_columns(struct opening *o, struct ledger_table *t, struct slice names,
                       uint64_t offset)
{
    const struct row_schema *schema = t->table->meta->schema;
    while (names.len > 0) {
        const uint8_t *comma = memchr(names.data, ',', names.len);
        size_t len = comma != NULL ? (size_t)(comma - names.data) : names.len;
        int c = row_schema_find(schema, slice_of(names.data, len));
        if (c < 0 || !is_key_type(schema->columns[c].type))
            return wrong(o, offset,
                         "a key column that the table does not have, or of a type that "
                         "cannot be a key here");
        if (t->column_count == LEDGER_KEY_COLUMNS_MAX)
            return wrong(o, offset, "too many key columns");
        t->columns[t->column_count++] = (uint32_t)c;
        names = comma != NULL ? slice_of(comma + 1, names.len - len - 1) : SLICE_NULL;
    }
    return 0;
}

static struct verify_table *table_named(struct verify *v, struct slice name)
{
    for (size_t i = 0; i < v->table_count; i++)
        if (is_word(name, v->tables[i]->meta->name))
            return v->tables[i];
    return NULL;
}

struct ledger_table *ledger__table(const struct ledger *l, uint32_t id)
{
    return map_get(&l->tables, slice_of(&id, sizeof(id)));
}

static void decide(struct ledger *l, struct ledger_table *t)
{
    struct verify *v = l->v;
    const char *why = t->table->rewritten ? "another writer has rewritten files of this table"
                      : v->lake == NULL && v->log.first_pos > t->table->meta->created_pos
                          ? "the log is trimmed, and no lake was named"
                          : NULL;
    t->compared = why == NULL;
    if (why != NULL)
        verify__note(v, AT(.what = "unchecked", .table = t->table->meta->name),
                     "its rows were not compared with the ledgers: %s", why);
}

static int table_of(struct opening *o, const struct slice f[FIELDS_MAX], uint64_t offset,
                    struct ledger_table **ret)
{
    struct verify_table *known = table_named(o->l->v, f[2]);
    *ret = NULL;
    if (known == NULL) {
        verify__fault(
            o->l->v,
            AT(.what = "missing", .folder = o->f->path, .offset = offset, .has_offset = true),
            "table %.*s, to which this ledger sent rows, is not there", (int)f[2].len,
            (const char *)f[2].data);
        return 0;
    }
    struct ledger_table now = {.table = known, .hashed = is_word(f[4], "crc32")};
    if (!now.hashed && !is_word(f[4], "-"))
        return wrong(o, offset, "the hash is neither crc32 nor -");
    TRY(key_columns(o, &now, f[3], offset));
    struct ledger_table *t = ledger__table(o->l, known->meta->id);
    if (t == NULL) {
        t = mem_alloc(sizeof(*t));
        *t = now;
        decide(o->l, t);
        (void)map_put(&o->l->tables, slice_of(&known->meta->id, sizeof(known->meta->id)), t);
    }
    if (t->column_count != now.column_count ||
        memcmp(t->columns, now.columns, sizeof(uint32_t) * now.column_count) != 0)
        return wrong(o, offset, "other key columns than before for this table");
    t->hashed = t->hashed && now.hashed;
    *ret = t;
    return 0;
}

static int take_stream(struct opening *o, const struct slice f[FIELDS_MAX], uint64_t offset)
{
    struct ledger_table *t;
    if (map_get(&o->f->streams, f[1]) != NULL)
        return wrong(o, offset, "a second S line of this stream");
    TRY(table_of(o, f, offset, &t));
    struct ledger_stream *s = mem_alloc(sizeof(*s));
    *s = (struct ledger_stream){
        .name = mem_strndup((const char *)f[1].data, f[1].len), .table = t, .acked = -1};
    (void)map_put(&o->f->streams, f[1], s);
    return 0;
}

static int take_line(void *ctx, struct slice line, uint64_t offset)
{
    struct opening *o = ctx;
    struct slice f[FIELDS_MAX];
    int64_t request;
    unsigned n = split(line, f);
    if (line.len > LEDGER_LINE_BYTES_MAX)
        return wrong(o, offset, "a line that is too long");
    if (n == 5 && is_word(f[0], "S"))
        return take_stream(o, f, offset);
    struct ledger_stream *s = n >= 3 ? map_get(&o->f->streams, f[1]) : NULL;
    bool is_row = n >= 4 && is_word(f[0], "R"), is_ack = n == 3 && is_word(f[0], "A");
    if ((!is_row && !is_ack) || !parse_offset(f[2], &request))
        return wrong(o, offset, "neither an S, nor an R, nor an A line");
    if (s == NULL)
        return wrong(o, offset, "a stream without an S line before");
    if (is_ack)
        s->acked = MAX(s->acked, request);
    else
        o->l->row_count++;
    verify__progress(o->l->v, line.len + 1);
    return 0;
}

int ledger__open(struct ledger *l, struct verify *v, struct err *e)
{
    *l = (struct ledger){.v = v, .file_count = v->o->ledger_count};
    l->files = mem_calloc(l->file_count + 1, sizeof(*l->files));
    verify__stage(v, "ledgers", 0);
    for (uint32_t i = 0; i < l->file_count; i++) {
        struct ledger_file *f = &l->files[i];
        struct opening o = {l, f, e};
        f->path = v->o->ledgers[i];
        TRY(sys_open(v->sys, f->path, SYS_READ, &f->file, e));
        TRY(sys_size(f->file, &f->size, e)); /* what is added from now on does not count */
        TRY(read_lines(f, take_line, &o, e));
    }
    return 0;
}

void ledger__close(struct ledger *l)
{
    struct ledger_stream *s;
    struct ledger_table *t;
    for (uint32_t i = 0; i < l->file_count; i++) {
        for (size_t k = 0; (s = map_next(&l->files[i].streams, &k)) != NULL;) {
            mem_free(s->name);
            mem_free(s);
        }
        map_deinit(&l->files[i].streams);
        l->files[i].file = sys_close(l->files[i].file);
    }
    for (size_t k = 0; (t = map_next(&l->tables, &k)) != NULL;)
        mem_free(t);
    map_deinit(&l->tables);
    mem_free(l->files);
    buf_deinit(&l->scratch);
}

/* ---- rows ---- */

struct reading {
    struct ledger *l;
    uint32_t file;
    ledger_row_fn *fn;
    void *ctx;
    struct err *e;
};

static int parse_row(const struct reading *g, struct slice line, uint64_t offset,
                     struct ledger_row *ret)
{
    struct slice f[FIELDS_MAX];
    unsigned n = split(line, f);
    *ret = (struct ledger_row){.file = g->file, .offset = offset};
    if (n < 4 || !is_word(f[0], "R"))
        return 1;
    ret->stream = map_get(&g->l->files[g->file].streams, f[1]);
    must(ret->stream != NULL);
    ret->key = f[3];
    bool hashed = ret->stream->table != NULL && ret->stream->table->hashed;
    if (!parse_offset(f[2], &ret->request) || (hashed && (n < 5 || !parse_crc(f[4], &ret->crc))))
        return err_set(g->e, ERR_INVALID, "%s at byte %" PRIu64 ": a row without its hash",
                       g->l->files[g->file].path, offset);
    if (!hashed)
        ret->crc = 0;
    return 0;
}

static int show_row(void *ctx, struct slice line, uint64_t offset)
{
    const struct reading *g = ctx;
    struct ledger_row r;
    if (line.len == 0 || line.data[0] != 'R')
        return 0;
    TRY(parse_row(g, line, offset, &r));
    r.record = r.stream->request == r.request ? r.stream->record + 1 : 0;
    r.stream->request = r.request;
    r.stream->record = r.record;
    verify__progress(g->l->v, line.len + 1);
    return r.stream->table != NULL && r.stream->table->compared ? g->fn(g->ctx, &r) : 0;
}

int ledger__rows(struct ledger *l, ledger_row_fn *fn, void *ctx, struct err *e)
{
    for (uint32_t i = 0; i < l->file_count; i++) {
        struct ledger_stream *s;
        for (size_t k = 0; (s = map_next(&l->files[i].streams, &k)) != NULL;)
            s->request = -1;
        struct reading g = {l, i, fn, ctx, e};
        TRY(read_lines(&l->files[i], show_row, &g, e));
    }
    return 0;
}

int ledger__row_at(struct ledger *l, uint32_t file, uint64_t offset, struct buf *line,
                   struct ledger_row *ret, struct err *e)
{
    struct reading g = {.l = l, .file = file, .e = e};
    size_t got;
    buf_reset(line);
    TRY(sys_read_some(l->files[file].file, buf_reserve(line, LEDGER_LINE_BYTES_MAX),
                      LEDGER_LINE_BYTES_MAX, offset, &got, e));
    const uint8_t *eol = memchr(line->data, '\n', got);
    if (eol == NULL ||
        parse_row(&g, slice_of(line->data, (size_t)(eol - line->data)), offset, ret) != 0)
        return err_set(e, ERR_INVALID, "%s has changed meanwhile", l->files[file].path);
    return 0;
}

/* ---- identity ---- */

static uint64_t hash_of(const struct buf *b)
{
    uint8_t hash[16];
    delta_hash(buf_slice(b), hash);
    return get_le64(hash);
}

uint64_t ledger__key_id(struct ledger *l, const struct ledger_table *t, struct slice key)
{
    buf_reset(&l->scratch);
    put_le32(buf_reserve(&l->scratch, 4), t->table->meta->id);
    l->scratch.len += 4;
    buf_add_slice(&l->scratch, key);
    return hash_of(&l->scratch);
}

uint64_t ledger__id(struct ledger *l, const struct ledger_table *t, struct slice key, uint32_t crc)
{
    (void)ledger__key_id(l, t, key);
    put_le32(buf_reserve(&l->scratch, 4), crc);
    l->scratch.len += 4;
    return hash_of(&l->scratch);
}

uint64_t ledger__place_id(struct ledger *l, struct slice stream, int64_t request, int64_t record)
{
    buf_reset(&l->scratch);
    buf_printf(&l->scratch, "%.*s %" PRId64 " %" PRId64, (int)stream.len, (const char *)stream.data,
               request, record);
    return hash_of(&l->scratch);
}

static void add_text(struct slice s, struct buf *out)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        if (c == '\t' || c == '\n' || c == '\\') {
            buf_add_byte(out, '\\');
            c = c == '\t' ? 't' : c == '\n' ? 'n' : '\\';
        }
        buf_add_byte(out, c);
    }
}

void ledger__key_text(const struct ledger_table *t, const struct row_value *values, struct buf *out)
{
    const struct row_schema *schema = t->table->meta->schema;
    buf_reset(out);
    for (uint32_t i = 0; i < t->column_count; i++) {
        const struct row_column *c = &schema->columns[t->columns[i]];
        const struct row_value *v = &values[t->columns[i]];
        if (i > 0)
            buf_add_byte(out, ',');
        if (v->null)
            continue;
        switch (c->type) {
        case ROW_BOOLEAN: buf_add_str(out, v->boolean ? "true" : "false"); break;
        case ROW_DECIMAL: row_decimal_format(v->decimal, c->scale, out); break;
        case ROW_STRING: add_text(v->bytes, out); break;
        default: buf_printf(out, "%" PRId64, v->i64); break;
        }
    }
}
