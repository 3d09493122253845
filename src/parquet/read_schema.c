/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of a file against that of the table. The file may be older: columns and fields that
 * were added at the end since are missing in it, types that were widened are narrow there. Anything
 * else is not a file of ours.
 */
#include "read_priv.h"
#include "thrift_priv.h"

#include "base/must.h"

struct element {
    int64_t physical, width, repetition, children, converted, scale, precision, field_id;
    int logical; /* field of the union; 0: none */
    struct slice name;
};

static int read_logical(struct parquet_in *in, int type)
{
    int id = 0, of, found = 0;
    if (type != THRIFT_STRUCT) {
        in->bad = true;
        return 0;
    }
    while (parquet__in_field(in, &id, &of)) {
        found = id;
        parquet__in_skip(in, of);
    }
    return found;
}

static void read_element(struct parquet_in *in, struct element *ret)
{
    enum {
        SE_TYPE = 1,
        SE_WIDTH,
        SE_REPETITION,
        SE_NAME,
        SE_CHILDREN,
        SE_CONVERTED,
        SE_SCALE,
        SE_PRECISION,
        SE_FIELD_ID,
        SE_LOGICAL,
    };
    int id = 0, type;
    *ret = (struct element){.physical = -1, .repetition = REP_NONE, .converted = -1};
    while (parquet__in_field(in, &id, &type)) {
        switch (id) {
        case SE_TYPE: ret->physical = parquet__in_int(in, type); break;
        case SE_WIDTH: ret->width = parquet__in_int(in, type); break;
        case SE_REPETITION: ret->repetition = parquet__in_int(in, type); break;
        case SE_NAME: ret->name = parquet__in_binary(in, type); break;
        case SE_CHILDREN: ret->children = parquet__in_int(in, type); break;
        case SE_CONVERTED: ret->converted = parquet__in_int(in, type); break;
        case SE_SCALE: ret->scale = parquet__in_int(in, type); break;
        case SE_PRECISION: ret->precision = parquet__in_int(in, type); break;
        case SE_FIELD_ID: ret->field_id = parquet__in_int(in, type); break;
        case SE_LOGICAL: ret->logical = read_logical(in, type); break;
        default: parquet__in_skip(in, type);
        }
    }
}

/* ---- a leaf's type ---- */

static enum row_type plain_type(const struct element *el)
{
    switch (el->physical) {
    case PHYS_BOOLEAN: return ROW_BOOLEAN;
    case PHYS_INT32: return ROW_INT;
    case PHYS_INT64: return el->logical == PARQUET_LOGICAL_TIMESTAMP ? ROW_TIMESTAMP_NTZ : ROW_LONG;
    case PHYS_FLOAT: return ROW_FLOAT;
    case PHYS_DOUBLE: return ROW_DOUBLE;
    default: return ROW_BINARY;
    }
}

/* The column that the file's leaf was written for. False: none of ours. */
static bool written_as(const struct element *el, struct row_column *ret)
{
    *ret = (struct row_column){.type = plain_type(el)};
    switch (el->converted) {
    case CONV_NONE: return true;
    case CONV_UTF8: ret->type = ROW_STRING; return true;
    case CONV_DATE: ret->type = ROW_DATE; return true;
    case CONV_TIMESTAMP_MICROS: ret->type = ROW_TIMESTAMP; return true;
    case CONV_INT_8: ret->type = ROW_BYTE; return true;
    case CONV_INT_16: ret->type = ROW_SHORT; return true;
    case CONV_DECIMAL:
        if (el->precision < 1 || el->precision > DECIMAL_DIGITS_MAX || el->scale < 0 ||
            el->scale > el->precision)
            return false;
        ret->type = ROW_DECIMAL;
        ret->precision = (uint8_t)el->precision;
        ret->scale = (uint8_t)el->scale;
        return true;
    default: return false;
    }
}

static bool take_leaf(struct parquet_reader *r, uint32_t index, const struct element *el)
{
    const struct parquet_leaf *leaf = &r->shape.leaves[index];
    struct parquet_source *s = &r->sources[index];
    struct row_column from;
    struct row_column to = {.type = leaf->type, .precision = leaf->precision, .scale = leaf->scale};
    if (!written_as(el, &from) || !row_widening_ok(&from, &to))
        return false;
    parquet__leaf_init(&s->leaf, from.type, from.precision, from.scale);
    if (el->physical != (int64_t)s->leaf.physical ||
        (s->leaf.physical == PHYS_FIXED && el->width != s->leaf.width))
        return false;
    s->leaf.def_max = leaf->def_max;
    s->leaf.rep_max = leaf->rep_max;
    s->leaf.def_entry = leaf->def_entry;
    s->present = true;
    s->widened = from.type != to.type || from.precision != to.precision || from.scale != to.scale;
    s->index = r->source_count++;
    return true;
}

/* ---- the tree ---- */

static int is_other(const struct parquet_reader *r, uint32_t node, struct err *e)
{
    _cleanup_(buf_deinit) struct buf text = BUF_NULL;
    const char *path[PARQUET_PATH_MAX];
    uint32_t len = parquet__shape_path(&r->shape, node, path);
    if (len == 0)
        return err_set(e, ERR_UNSUPPORTED, "the Parquet file has other columns than the table");
    for (uint32_t i = 0; i < len; i++)
        buf_printf(&text, "%s%s", i > 0 ? "." : "", path[i]);
    return err_set(e, ERR_UNSUPPORTED, "the Parquet file's columns are not the table's: column %s",
                   buf_cstr(&text));
}

static bool may_lack(const struct parquet_node *n)
{
    return n->kind == GROUP_PLAIN && n->rep != REP_REPEATED;
}

static int take_node(struct parquet_reader *r, struct parquet_in *in, uint32_t *left, uint32_t node,
                     struct err *e);

/* The file has @count of the node's children. */
static int take_children(struct parquet_reader *r, struct parquet_in *in, uint32_t *left,
                         uint32_t node, int64_t count, struct err *e)
{
    const struct parquet_node *nodes = r->shape.nodes, *n = &nodes[node];
    if (count < 1 || count > n->child_count || (count < n->child_count && !may_lack(n)))
        return is_other(r, node, e);
    uint32_t child = node + 1;
    for (int64_t i = 0; i < n->child_count; i++, child = nodes[child].end) {
        if (i < count)
            TRY(take_node(r, in, left, child, e));
        else if (nodes[child].rep != REP_OPTIONAL)
            return is_other(r, child, e);
    }
    return 0;
}

static int take_node(struct parquet_reader *r, struct parquet_in *in, uint32_t *left, uint32_t node,
                     struct err *e)
{
    const struct parquet_node *n = &r->shape.nodes[node];
    struct element el;
    in->bad |= *left == 0;
    if (in->bad)
        return 0;
    --*left;
    read_element(in, &el);
    if (in->bad)
        return 0;
    bool fits = el.repetition == (int64_t)n->rep && el.field_id == n->field_id &&
                (node == 0 || slice_eq(el.name, slice_str(n->name)));
    if (!fits || (el.children == 0) != (n->child_count == 0))
        return is_other(r, node, e);
    if (n->child_count > 0)
        return take_children(r, in, left, node, el.children, e);
    return take_leaf(r, n->leaf, &el) ? 0 : is_other(r, node, e);
}

int parquet__schema_read(struct parquet_reader *r, struct parquet_in *in, int type, struct err *e)
{
    uint32_t left = parquet__in_list(in, type, THRIFT_STRUCT);
    in->bad |= r->source_count != 0; /* a second schema */
    if (in->bad)
        return 0;
    TRY(take_node(r, in, &left, 0, e));
    if (!in->bad && left > 0)
        return is_other(r, 0, e);
    return 0;
}
