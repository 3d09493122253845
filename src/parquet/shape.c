/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a table's columns are in Parquet: the schema elements in depth-first order, and the leaves
 * with their levels. The writer writes them, the reader compares what it finds with them.
 *
 *   STRUCT   optional group name { its fields }
 *   ARRAY    optional group name (LIST) { repeated group list { <element> } }
 *   MAP      optional group name (MAP) { repeated group key_value { required key; <value> } }
 *   VARIANT  optional group name (VARIANT) { required binary metadata; required binary value }
 *
 * A column that is NOT NULL is required instead. Only columns of the table have a field id: those
 * of fields within are not unique.
 */
#include "parquet_priv.h"

#include "base/mem.h"
#include "base/must.h"

/* Where a field stands. */
struct place {
    uint32_t parent; /* node */
    uint8_t def, rep, def_entry;
    uint32_t field_id;
};

static uint32_t node_count(const struct row_column *c)
{
    uint32_t n = c->type == ROW_ARRAY || c->type == ROW_MAP ? 2 : c->type == ROW_VARIANT ? 3 : 1;
    for (uint32_t i = 0; i < c->field_count; i++)
        n += node_count(&c->fields[i]);
    return n;
}

static uint32_t add_node(struct parquet_shape *s, struct parquet_node node)
{
    node.leaf = s->leaf_count;
    s->nodes[s->node_count] = node;
    return s->node_count++;
}

static struct place place_below(const struct place *p, uint32_t parent, bool nullable)
{
    return (struct place){parent, (uint8_t)(p->def + (nullable ? 1 : 0)), p->rep, p->def_entry, 0};
}

/* Below a repeated group: what stands there has entries from this definition level on. */
static struct place place_repeated(const struct place *p, uint32_t parent)
{
    uint8_t def = (uint8_t)(p->def + 1);
    return (struct place){parent, def, (uint8_t)(p->rep + 1), def, 0};
}

static void add_leaf(struct parquet_shape *s, const char *name, const struct row_column *c,
                     const struct place *p)
{
    struct place here = place_below(p, 0, !c->not_null);
    uint32_t node = add_node(s, (struct parquet_node){
                                    .name = name,
                                    .parent = p->parent,
                                    .rep = c->not_null ? REP_REQUIRED : REP_OPTIONAL,
                                    .field_id = p->field_id,
                                });
    struct parquet_leaf *leaf = &s->leaves[s->leaf_count++];
    parquet__leaf_init(leaf, c->type, c->precision, c->scale);
    leaf->def_max = here.def;
    leaf->rep_max = here.rep;
    leaf->def_entry = here.def_entry;
    leaf->node = node;
    s->nodes[node].end = s->node_count;
}

static void add_column(struct parquet_shape *s, const struct row_column *c, const struct place *p);

static void add_fields(struct parquet_shape *s, const struct row_column *c, const struct place *p)
{
    for (uint32_t i = 0; i < c->field_count; i++)
        add_column(s, &c->fields[i], p);
}

static void add_repeated(struct parquet_shape *s, const struct row_column *c, const struct place *p)
{
    uint32_t node = add_node(s, (struct parquet_node){
                                    .name = c->type == ROW_MAP ? "key_value" : "list",
                                    .parent = p->parent,
                                    .rep = REP_REPEATED,
                                    .child_count = c->field_count,
                                });
    struct place inner = place_repeated(p, node);
    add_fields(s, c, &inner);
    s->nodes[node].end = s->node_count;
}

static void add_variant(struct parquet_shape *s, const struct place *p)
{
    static const struct row_column part = {.type = ROW_BINARY, .not_null = true};
    add_leaf(s, "metadata", &part, p);
    add_leaf(s, "value", &part, p);
}

static void add_column(struct parquet_shape *s, const struct row_column *c, const struct place *p)
{
    if (row_type_is_flat(c->type)) {
        add_leaf(s, c->name, c, p);
        return;
    }
    static const enum parquet_group kinds[] = {[ROW_STRUCT] = GROUP_PLAIN,
                                               [ROW_ARRAY] = GROUP_LIST,
                                               [ROW_MAP] = GROUP_MAP,
                                               [ROW_VARIANT] = GROUP_VARIANT};
    bool repeats = c->type == ROW_ARRAY || c->type == ROW_MAP;
    uint32_t node = add_node(s, (struct parquet_node){
                                    .name = c->name,
                                    .parent = p->parent,
                                    .rep = c->not_null ? REP_REQUIRED : REP_OPTIONAL,
                                    .kind = kinds[c->type],
                                    .child_count = repeats                  ? 1
                                                   : c->type == ROW_VARIANT ? 2
                                                                            : c->field_count,
                                    .field_id = p->field_id,
                                });
    struct place here = place_below(p, node, !c->not_null);
    if (c->type == ROW_STRUCT)
        add_fields(s, c, &here);
    else if (c->type == ROW_VARIANT)
        add_variant(s, &here);
    else
        add_repeated(s, c, &here);
    s->nodes[node].end = s->node_count;
}

void parquet__shape_init(struct parquet_shape *s, const struct row_schema *schema)
{
    uint32_t nodes = 1;
    for (uint32_t i = 0; i < schema->column_count; i++)
        nodes += node_count(&schema->columns[i]);
    must(schema->column_count > 0);
    s->nodes = mem_calloc(nodes, sizeof(*s->nodes));
    s->leaves = mem_calloc(nodes, sizeof(*s->leaves));
    s->node_count = s->leaf_count = 0;
    (void)add_node(s, (struct parquet_node){.name = "schema",
                                            .rep = REP_NONE,
                                            .child_count = schema->column_count,
                                            .end = nodes});
    for (uint32_t i = 0; i < schema->column_count; i++) {
        struct place root = {.field_id = schema->columns[i].field_id};
        add_column(s, &schema->columns[i], &root);
    }
    must(s->node_count == nodes);
}

void parquet__shape_deinit(struct parquet_shape *s)
{
    mem_free(s->nodes);
    mem_free(s->leaves);
}

void parquet__shape_put(const struct parquet_shape *s, struct buf *out)
{
    for (uint32_t i = 0; i < s->node_count; i++) {
        const struct parquet_node *n = &s->nodes[i];
        if (n->child_count > 0)
            parquet__schema_group(out, n);
        else
            parquet__schema_leaf(out, &s->leaves[n->leaf], n->name, n->rep, n->field_id);
    }
}

uint32_t parquet__shape_path(const struct parquet_shape *s, uint32_t node,
                             const char *ret_path[PARQUET_PATH_MAX])
{
    uint32_t len = 0;
    for (uint32_t i = node; i != 0; i = s->nodes[i].parent)
        len++;
    must(len <= PARQUET_PATH_MAX);
    for (uint32_t i = node, at = len; i != 0; i = s->nodes[i].parent)
        ret_path[--at] = s->nodes[i].name;
    return len;
}
