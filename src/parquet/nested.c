/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nested writer: rows of trees are taken apart into leaf columns with definition and repetition
 * levels (Dremel). Since there is no list within a list, a repetition level is 0 or 1.
 *
 *                 levels, when the field's parent is defined at d
 *   LEAF          null d, value d+1
 *   STRUCT        null: every leaf below gets d; else its children are written with d+1
 *   LIST          null d, empty d+1, element null d+2, element d+3
 *   MAP key       null d, empty d+1, key d+2 (required)
 *   MAP value     null d, empty d+1, value null d+2, value d+3
 *
 * I1: every row adds at least one level to every column, the first of them with repetition 0.
 * I2: columns stand in depth-first order; cursor walks over them once per row.
 */
#include "parquet_priv.h"

#include "base/mem.h"
#include "base/must.h"

#define GROUP_ROWS_MAX  (128u << 10)
#define GROUP_BYTES_MAX ((size_t)64 << 20)

/* A leaf column of the row group in work; values without nulls, as in a row_vector. */
struct column {
    struct buf def, rep, fixed, offsets, bytes;
    uint32_t value_count;
};

struct parquet_nested {
    struct parquet_file file;
    struct parquet_dense dense;
    const struct parquet_field *fields; /* borrowed */
    size_t field_count;
    struct column *columns; /* one per leaf */
    uint32_t cursor;
    uint32_t group_rows;
    size_t group_bytes;
};

/* ---- the tree ---- */

static uint32_t count_leaves(const struct parquet_field *fields, size_t count, uint32_t depth)
{
    uint32_t n = 0;
    must(depth < PARQUET_NESTED_DEPTH_MAX);
    must(count > 0);
    for (size_t i = 0; i < count; i++) {
        must(fields[i].name != NULL);
        if (fields[i].kind == PARQUET_STRUCT)
            n += count_leaves(fields[i].fields, fields[i].field_count, depth + 1);
        else
            n += fields[i].kind == PARQUET_MAP ? 2 : 1;
        must(n <= PARQUET_NESTED_LEAVES_MAX);
    }
    return n;
}

/* The way from the root to where the tree is walked. */
struct place {
    uint8_t path_len, def;
    const char *path[PARQUET_PATH_MAX];
};

static struct place place_below(const struct place *p, const char *name, bool raises_def)
{
    struct place below = *p;
    must(below.path_len < PARQUET_PATH_MAX);
    below.path[below.path_len++] = name;
    below.def = (uint8_t)(below.def + (raises_def ? 1 : 0));
    return below;
}

/* The leaf that @p leads to. A map's key is a required string. */
static void add_leaf(struct parquet_nested *w, const struct parquet_field *field,
                     const struct place *p, bool is_key)
{
    struct parquet_file *f = &w->file;
    struct parquet_leaf *leaf = &f->leaves[w->cursor++];
    const char *name = p->path[p->path_len - 1];
    if (is_key)
        parquet__leaf_init(leaf, ROW_STRING, 0, 0);
    else
        parquet__leaf_init(leaf, field->type, field->precision, field->scale);
    leaf->def_max = p->def;
    leaf->rep_max = field->kind == PARQUET_LEAF ? 0 : 1;
    leaf->path_len = p->path_len;
    memcpy(leaf->path, p->path, sizeof(leaf->path));
    parquet__schema_leaf(&f->schema, leaf, name, is_key ? REP_REQUIRED : REP_OPTIONAL, 0);
    f->schema_count++;
}

static void add_group(struct parquet_nested *w, const char *name, enum parquet_repetition rep,
                      size_t child_count, enum parquet_converted converted)
{
    parquet__schema_group(&w->file.schema, name, (int)rep, child_count, converted);
    w->file.schema_count++;
}

static void add_field(struct parquet_nested *w, const struct parquet_field *field,
                      const struct place *parent)
{
    struct place here = place_below(parent, field->name, true);
    struct place inner;
    struct place leaf;
    switch (field->kind) {
    case PARQUET_LEAF: add_leaf(w, field, &here, false); return;
    case PARQUET_STRUCT:
        add_group(w, field->name, REP_OPTIONAL, field->field_count, CONV_NONE);
        for (size_t i = 0; i < field->field_count; i++)
            add_field(w, &field->fields[i], &here);
        return;
    case PARQUET_LIST:
        add_group(w, field->name, REP_OPTIONAL, 1, CONV_LIST);
        add_group(w, "list", REP_REPEATED, 1, CONV_NONE);
        inner = place_below(&here, "list", true);
        leaf = place_below(&inner, "element", true);
        add_leaf(w, field, &leaf, false);
        return;
    case PARQUET_MAP:
        add_group(w, field->name, REP_OPTIONAL, 1, CONV_MAP);
        add_group(w, "key_value", REP_REPEATED, 2, CONV_NONE);
        inner = place_below(&here, "key_value", true);
        leaf = place_below(&inner, "key", false);
        add_leaf(w, field, &leaf, true);
        leaf = place_below(&inner, "value", true);
        add_leaf(w, field, &leaf, false);
        return;
    }
    must_die("a Parquet field has no kind");
}

struct parquet_nested *parquet_nested_new(const struct parquet_field *fields, size_t field_count,
                                          const struct parquet_options *o, struct buf *out)
{
    struct parquet_nested *w = mem_zalloc(sizeof(*w));
    struct place root = {0};
    uint32_t leaf_count = count_leaves(fields, field_count, 0);
    w->fields = fields;
    w->field_count = field_count;
    w->columns = mem_calloc(leaf_count, sizeof(*w->columns));
    parquet__file_init(&w->file, o, leaf_count, out);
    parquet__schema_group(&w->file.schema, "schema", PARQUET_SCHEMA_ROOT, field_count, CONV_NONE);
    w->file.schema_count = 1;
    for (size_t i = 0; i < field_count; i++)
        add_field(w, &fields[i], &root);
    must(w->cursor == leaf_count);
    return w;
}

struct parquet_nested *parquet_nested_free(struct parquet_nested *w)
{
    if (w == NULL)
        return NULL;
    for (uint32_t i = 0; i < w->file.leaf_count; i++) {
        buf_deinit(&w->columns[i].def);
        buf_deinit(&w->columns[i].rep);
        buf_deinit(&w->columns[i].fixed);
        buf_deinit(&w->columns[i].offsets);
        buf_deinit(&w->columns[i].bytes);
    }
    mem_free(w->columns);
    parquet__file_deinit(&w->file);
    buf_deinit(&w->dense.fixed);
    buf_deinit(&w->dense.offsets);
    mem_free(w);
    return NULL;
}

/* ---- a row group ---- */

static uint32_t cell_bytes(const struct parquet_leaf *leaf)
{
    return leaf->type == ROW_DECIMAL ? 16 : leaf->width;
}

static void column_reset(struct column *c)
{
    buf_reset(&c->def);
    buf_reset(&c->rep);
    buf_reset(&c->fixed);
    buf_reset(&c->offsets);
    buf_reset(&c->bytes);
    c->value_count = 0;
}

static int write_column(struct parquet_nested *w, uint32_t index, struct err *e)
{
    const struct parquet_leaf *leaf = &w->file.leaves[index];
    struct column *c = &w->columns[index];
    uint32_t end = (uint32_t)c->bytes.len;
    if (leaf->physical == PHYS_BYTE_ARRAY)
        buf_add(&c->offsets, &end, sizeof(end));
    struct row_vector v = {
        .type = leaf->type,
        .cell_bytes = cell_bytes(leaf),
        .fixed = c->fixed.data,
        .offsets = (uint32_t *)(void *)c->offsets.data,
        .bytes = c->bytes,
    };
    struct parquet_data data = {
        .row_count = w->group_rows,
        .level_count = (uint32_t)c->def.len,
        .def = c->def.data,
        .rep = leaf->rep_max > 0 ? c->rep.data : NULL,
    };
    parquet__leaf_values(leaf, &v, c->value_count, &w->dense, &data);
    TRY(parquet__chunk_write(&w->file, index, &data, e));
    column_reset(c);
    return 0;
}

static int write_group(struct parquet_nested *w, struct err *e)
{
    if (w->group_rows == 0)
        return 0;
    TRY(parquet__file_group(&w->file, w->group_rows, e));
    for (uint32_t i = 0; i < w->file.leaf_count; i++)
        TRY(write_column(w, i, e));
    w->group_rows = 0;
    w->group_bytes = 0;
    return 0;
}

/* ---- a row ---- */

static void put_cell(struct buf *out, enum row_type type, const struct row_value *v)
{
    int32_t i32 = 0;
    switch (type) {
    case ROW_BOOLEAN: buf_add_byte(out, v->boolean ? 1 : 0); return;
    case ROW_FLOAT: buf_add(out, &v->f32, sizeof(v->f32)); return;
    case ROW_DOUBLE: buf_add(out, &v->f64, sizeof(v->f64)); return;
    case ROW_DECIMAL: buf_add(out, &v->decimal, sizeof(v->decimal)); return;
    case ROW_LONG:
    case ROW_TIMESTAMP:
    case ROW_TIMESTAMP_NTZ: buf_add(out, &v->i64, sizeof(v->i64)); return;
    default:
        must_slow(v->i64 >= INT32_MIN && v->i64 <= INT32_MAX);
        i32 = (int32_t)v->i64;
        buf_add(out, &i32, sizeof(i32));
        return;
    }
}

/* Adds levels to column @index, and @value where there is one. */
static void put(struct parquet_nested *w, uint32_t index, unsigned def, bool repeats,
                const struct row_value *value)
{
    const struct parquet_leaf *leaf = &w->file.leaves[index];
    struct column *c = &w->columns[index];
    must_slow((def == leaf->def_max) == (value != NULL));
    buf_add_byte(&c->def, (uint8_t)def);
    buf_add_byte(&c->rep, repeats ? 1 : 0);
    w->group_bytes += 2;
    if (value == NULL)
        return;
    c->value_count++;
    if (leaf->physical != PHYS_BYTE_ARRAY) {
        put_cell(&c->fixed, leaf->type, value);
        w->group_bytes += cell_bytes(leaf);
        return;
    }
    must(value->bytes.len <= (size_t)INT32_MAX - c->bytes.len);
    uint32_t begin = (uint32_t)c->bytes.len;
    buf_add(&c->offsets, &begin, sizeof(begin));
    buf_add_slice(&c->bytes, value->bytes);
    w->group_bytes += sizeof(begin) + value->bytes.len;
}

static const struct row_value *cell_value(const struct parquet_cell *cell)
{
    return cell->present && !cell->value.null ? &cell->value : NULL;
}

/* @v is NULL or not present for a null. */
static void put_list(struct parquet_nested *w, const struct parquet_value *v, bool present,
                     unsigned def)
{
    uint32_t column = w->cursor++;
    if (!present || v->list.count == 0)
        put(w, column, present ? def + 1 : def, false, NULL);
    for (size_t i = 0; present && i < v->list.count; i++) {
        const struct row_value *value = cell_value(&v->list.items[i]);
        put(w, column, value != NULL ? def + 3 : def + 2, i > 0, value);
    }
}

static void put_map(struct parquet_nested *w, const struct parquet_value *v, bool present,
                    unsigned def)
{
    uint32_t column = w->cursor;
    w->cursor += 2;
    if (!present || v->map.count == 0) {
        put(w, column, present ? def + 1 : def, false, NULL);
        put(w, column + 1, present ? def + 1 : def, false, NULL);
    }
    for (size_t i = 0; present && i < v->map.count; i++) {
        const struct parquet_pair *pair = &v->map.pairs[i];
        struct row_value key = {.bytes = pair->key};
        const struct row_value *value = cell_value(&pair->value);
        put(w, column, def + 2, i > 0, &key);
        put(w, column + 1, value != NULL ? def + 3 : def + 2, i > 0, value);
    }
}

static void put_field(struct parquet_nested *w, const struct parquet_field *field,
                      const struct parquet_value *v, unsigned def)
{
    bool present = v != NULL && v->present;
    switch (field->kind) {
    case PARQUET_LEAF:
        present = present && !v->leaf.null;
        put(w, w->cursor++, present ? def + 1 : def, false, present ? &v->leaf : NULL);
        return;
    case PARQUET_STRUCT:
        for (size_t i = 0; i < field->field_count; i++)
            put_field(w, &field->fields[i], present ? &v->fields[i] : NULL,
                      present ? def + 1 : def);
        return;
    case PARQUET_LIST: put_list(w, v, present, def); return;
    case PARQUET_MAP: put_map(w, v, present, def); return;
    }
}

int parquet_nested_append(struct parquet_nested *w, const struct parquet_value *row, struct err *e)
{
    must(!w->file.finished);
    w->cursor = 0;
    for (size_t i = 0; i < w->field_count; i++)
        put_field(w, &w->fields[i], &row[i], 0);
    must_slow(w->cursor == w->file.leaf_count);
    w->group_rows++;
    if (w->group_rows < GROUP_ROWS_MAX && w->group_bytes < GROUP_BYTES_MAX)
        return 0;
    return write_group(w, e);
}

int parquet_nested_finish(struct parquet_nested *w, struct err *e)
{
    TRY(write_group(w, e));
    return parquet__footer_write(&w->file, e);
}

uint64_t parquet_nested_row_count(const struct parquet_nested *w)
{
    return w->file.row_count + w->group_rows;
}
