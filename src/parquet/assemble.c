/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Levels to vectors: the way back of levels.c. Every leaf of a column says by its levels which
 * entries the vectors above it have; the first one makes these vectors, the others must say the
 * same.
 *
 * I1: below a step, the entries of the vector are, in order, the slots with rep <= step.rep and
 *     def >= step.def_entry.
 * I2: after all leaves, every vector has as many entries as the one above it asks for.
 */
#include "read_priv.h"

#include "base/must.h"

static bool is_repeated(const struct row_column *c)
{
    return c->type == ROW_ARRAY || c->type == ROW_MAP;
}

/* ---- one leaf's levels, from the column down to it ---- */

/* Where the walk stands: above a field. */
struct step {
    uint8_t def, def_entry, rep;
};

struct walk {
    const uint8_t *def, *rep; /* NULL: all 0 */
    uint32_t slots;
    const struct parquet_source *sources;
    uint32_t leaf; /* the walk ends there */
};

/* A vector that a leaf before has made already, or one to be made. */
struct target {
    struct row_vector *v;
    bool made;
};

static inline uint8_t level_at(const uint8_t *levels, uint32_t i)
{
    return levels != NULL ? levels[i] : 0;
}

static bool has_source(const struct parquet_source *sources, uint32_t begin, uint32_t end)
{
    for (uint32_t i = begin; i < end; i++)
        if (sources[i].present)
            return true;
    return false;
}

/* Sets, or compares, one entry. */
static bool take_valid(const struct target *t, uint32_t entry, bool valid)
{
    struct row_vector *v = t->v;
    if (t->made)
        return entry < v->count && v->valid[entry] == valid;
    v->valid[entry] = valid;
    v->null_count += !valid;
    return true;
}

static bool take_end(const struct target *t, uint32_t entry, uint32_t end)
{
    if (t->made)
        return entry < t->v->count && t->v->offsets[entry + 1] == end;
    t->v->offsets[entry + 1] = end;
    return true;
}

static bool take_count(const struct target *t, uint32_t entries)
{
    bool good = !t->made || t->v->count == entries;
    t->v->count = entries;
    return good;
}

/* A STRUCT's or VARIANT's entries; one has a value from @def on. */
static bool take_entries(const struct walk *w, const struct target *t, const struct step *s,
                         uint8_t def)
{
    uint32_t entries = 0;
    for (uint32_t i = 0; i < w->slots; i++) {
        uint8_t d = level_at(w->def, i);
        if (level_at(w->rep, i) > s->rep || d < s->def_entry)
            continue;
        if (!take_valid(t, entries++, d >= def))
            return false;
    }
    return take_count(t, entries);
}

/* An ARRAY's or MAP's: there is one from @def on, it holds something above. */
static bool take_lists(const struct walk *w, const struct target *t, const struct step *s,
                       uint8_t def)
{
    uint32_t entries = 0, inner = 0;
    bool holds = false; /* the entry in work */
    for (uint32_t i = 0; i < w->slots; i++) {
        uint8_t d = level_at(w->def, i), r = level_at(w->rep, i);
        if (r > s->rep) { /* one more of the list in work, or of one in it */
            if (!holds || d <= def)
                return false;
            inner += r == s->rep + 1;
            continue;
        }
        if (entries > 0 && !take_end(t, entries - 1, inner))
            return false;
        holds = d > def;
        inner += holds;
        if (d >= s->def_entry && !take_valid(t, entries++, d >= def))
            return false;
    }
    return (entries == 0 || take_end(t, entries - 1, inner)) && take_count(t, entries);
}

/* The vectors above leaf w->leaf, which is one of @c; those of @c begin at @first. */
static bool take_column(const struct walk *w, const struct row_column *c, uint32_t first,
                        struct row_vector *v, const struct step *s)
{
    if (row_type_is_flat(c->type))
        return true;
    const struct target t = {v, has_source(w->sources, first, w->leaf)};
    uint8_t def = (uint8_t)(s->def + (c->not_null ? 0 : 1));
    struct step below = {def, s->def_entry, s->rep};
    if (is_repeated(c))
        below = (struct step){(uint8_t)(def + 1), (uint8_t)(def + 1), (uint8_t)(s->rep + 1)};
    if (!t.made) {
        row_vector_reserve(v, w->slots);
        v->null_count = 0;
    }
    if (!(is_repeated(c) ? take_lists(w, &t, s, def) : take_entries(w, &t, s, def)))
        return false;
    for (uint32_t i = 0; i < c->field_count; i++) {
        uint32_t leaves = row_leaf_count(&c->fields[i]);
        if (w->leaf < first + leaves)
            return take_column(w, &c->fields[i], first, &v->children[i], &below);
        first += leaves;
    }
    return true; /* a VARIANT */
}

/* ---- what the file does not have ---- */

static void fill_nulls(const struct row_column *c, struct row_vector *v, uint32_t entries)
{
    row_vector_reserve(v, MAX(entries, 1u)); /* so that there is memory to clear */
    memset(v->valid, 0, entries);
    if (v->cell_bytes != 0)
        memset(v->fixed, 0, (size_t)entries * v->cell_bytes);
    else if (v->offsets != NULL)
        memset(v->offsets, 0, ((size_t)entries + 1) * sizeof(*v->offsets));
    buf_reset(&v->bytes);
    v->count = v->null_count = entries;
    for (uint32_t i = 0; i < v->child_count; i++) {
        const struct row_column part = {.type = ROW_BINARY}; /* of a VARIANT */
        fill_nulls(c->type == ROW_VARIANT ? &part : &c->fields[i], &v->children[i],
                   is_repeated(c) ? 0 : entries);
    }
}

/* Every vector has the entries that the one above it asks for (I2); missing ones get them. */
static bool settle(const struct parquet_reader *r, const struct row_column *c, uint32_t first,
                   struct row_vector *v, uint32_t entries)
{
    if (!has_source(r->sources, first, first + row_leaf_count(c))) {
        fill_nulls(c, v, entries);
        return true;
    }
    if (v->count != entries)
        return false;
    uint32_t inner = !is_repeated(c) ? entries : entries > 0 ? v->offsets[entries] : 0;
    if (c->type == ROW_VARIANT)
        return v->children[0].count == inner && v->children[1].count == inner;
    for (uint32_t i = 0; i < c->field_count; i++) {
        if (!settle(r, &c->fields[i], first, &v->children[i], inner))
            return false;
        first += row_leaf_count(&c->fields[i]);
    }
    return true;
}

/* ---- a column ---- */

/* The vector of leaf @leaf, which is one of @c. */
static struct row_vector *leaf_vector(const struct row_column *c, uint32_t first,
                                      struct row_vector *v, uint32_t leaf)
{
    if (row_type_is_flat(c->type))
        return v;
    if (c->type == ROW_VARIANT)
        return &v->children[leaf - first];
    for (uint32_t i = 0; i < c->field_count; i++) {
        uint32_t leaves = row_leaf_count(&c->fields[i]);
        if (leaf < first + leaves)
            return leaf_vector(&c->fields[i], first, &v->children[i], leaf);
        first += leaves;
    }
    must_die("a leaf is not of its column");
}

int parquet__column_read(struct parquet_reader *r, uint32_t group, const struct row_column *c,
                         uint32_t first, struct row_vector *v, struct err *e)
{
    const struct step root = {0};
    for (uint32_t i = first; i < first + row_leaf_count(c); i++) {
        if (!r->sources[i].present)
            continue;
        struct row_vector *leaf = leaf_vector(c, first, v, i);
        leaf->null_count = 0;
        buf_reset(&leaf->bytes);
        TRY(parquet__chunk_read(r, group, i, leaf, e));
        const struct parquet_chunk_at *at =
            &r->chunks[(size_t)group * r->source_count + r->sources[i].index];
        const struct walk w = {
            .def = r->def.len > 0 ? r->def.data : NULL,
            .rep = r->rep.len > 0 ? r->rep.data : NULL,
            .slots = (uint32_t)at->value_count,
            .sources = r->sources,
            .leaf = i,
        };
        if (!take_column(&w, c, first, v, &root))
            return parquet__read_damaged(e, at->offset, "levels that do not fit");
    }
    if (!settle(r, c, first, v, r->group_rows[group]))
        return err_set(e, ERR_DAMAGED, "the Parquet file is damaged: its levels do not fit");
    return 0;
}
