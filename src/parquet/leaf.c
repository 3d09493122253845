/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a column's type to Parquet's: physical type, logical and converted type, and the dense
 * values of a vector. docs/formats/parquet.md has the table.
 */
#include "parquet_priv.h"
#include "thrift_priv.h"

#include "base/bits.h"
#include "base/must.h"

#define DECIMAL_PRECISION_MAX 38

/* Fields of the LogicalType union, and of TimeUnit */
enum {
    LOGICAL_STRING = 1,
    LOGICAL_MAP = 2,
    LOGICAL_LIST = 3,
    LOGICAL_DECIMAL = 5,
    LOGICAL_DATE = 6,
    LOGICAL_TIMESTAMP = PARQUET_LOGICAL_TIMESTAMP,
    LOGICAL_INTEGER = 10,
    LOGICAL_VARIANT = 16,
};
#define VARIANT_SPECIFICATION 1
enum { UNIT_MICROS = 2 };
/* Fields of SchemaElement */
enum {
    SE_TYPE = 1,
    SE_TYPE_LENGTH,
    SE_REPETITION,
    SE_NAME,
    SE_NUM_CHILDREN,
    SE_CONVERTED,
    SE_SCALE,
    SE_PRECISION,
    SE_FIELD_ID,
    SE_LOGICAL,
};

/* The fewest bytes of two's complement that hold every decimal of @precision digits. */
static uint8_t decimal_width(uint8_t precision)
{
    unsigned __int128 max = 1;
    for (uint8_t i = 0; i < precision; i++)
        max *= 10;
    max--;
    uint8_t width = 1;
    while (max >> (8 * width - 1) != 0)
        width++;
    return width;
}

static enum parquet_physical physical_of(const struct parquet_leaf *leaf)
{
    switch (leaf->type) {
    case ROW_BOOLEAN: return PHYS_BOOLEAN;
    case ROW_BYTE:
    case ROW_SHORT:
    case ROW_INT:
    case ROW_DATE: return PHYS_INT32;
    case ROW_LONG:
    case ROW_TIMESTAMP:
    case ROW_TIMESTAMP_NTZ: return PHYS_INT64;
    case ROW_FLOAT: return PHYS_FLOAT;
    case ROW_DOUBLE: return PHYS_DOUBLE;
    case ROW_DECIMAL:
        return leaf->precision <= 9 ? PHYS_INT32 : leaf->precision <= 18 ? PHYS_INT64 : PHYS_FIXED;
    case ROW_STRING:
    case ROW_BINARY: return PHYS_BYTE_ARRAY;
    case ROW_STRUCT:
    case ROW_ARRAY:
    case ROW_MAP:
    case ROW_VARIANT: break;
    }
    must_die("a Parquet column has no type");
}

void parquet__leaf_init(struct parquet_leaf *leaf, enum row_type type, uint8_t precision,
                        uint8_t scale)
{
    *leaf = (struct parquet_leaf){.type = type, .precision = precision, .scale = scale};
    leaf->physical = physical_of(leaf);
    switch (leaf->physical) {
    case PHYS_BOOLEAN: leaf->width = 1; break;
    case PHYS_INT32:
    case PHYS_FLOAT: leaf->width = 4; break;
    case PHYS_INT64:
    case PHYS_DOUBLE: leaf->width = 8; break;
    case PHYS_BYTE_ARRAY: leaf->width = 0; break;
    case PHYS_FIXED:
        must(precision <= DECIMAL_PRECISION_MAX);
        leaf->width = decimal_width(precision);
        break;
    }
}

/* ---- values ---- */

static void dense_offsets(const struct row_vector *v, uint32_t row_count, struct buf *out)
{
    uint32_t *to = (uint32_t *)(void *)buf_reserve(out, ((size_t)row_count + 1) * sizeof(*to));
    size_t n = 0;
    for (uint32_t i = 0; i < row_count; i++) {
        to[n] = v->offsets[i];
        n += v->valid[i];
    }
    to[n] = v->offsets[row_count];
    out->len = (n + 1) * sizeof(*to);
}

/* One loop per width, without a branch: a null's place is written over by the next value. */
static size_t dense_cells(const struct row_vector *v, uint32_t row_count, uint8_t *out)
{
    size_t n = 0;
    switch (v->cell_bytes) {
    case 1:
        for (uint32_t i = 0; i < row_count; n += v->valid[i++])
            out[n] = v->fixed[i];
        break;
    case 4:
        for (uint32_t i = 0; i < row_count; n += v->valid[i++])
            memcpy(out + n * 4, v->fixed + (size_t)i * 4, 4);
        break;
    case 8:
        for (uint32_t i = 0; i < row_count; n += v->valid[i++])
            memcpy(out + n * 8, v->fixed + (size_t)i * 8, 8);
        break;
    default:
        for (uint32_t i = 0; i < row_count; n += v->valid[i++])
            memcpy(out + n * 16, v->fixed + (size_t)i * 16, 16);
        break;
    }
    return n;
}

/* From 16-byte cells to the leaf's width, maybe in place: the target never overtakes the source. */
static void narrow_decimals(const struct parquet_leaf *leaf, const uint8_t *from, size_t count,
                            uint8_t *to)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t half[2]; /* low, high */
        memcpy(half, from + i * 16, 16);
        if (leaf->physical == PHYS_INT32) {
            put_le32(to + i * 4, (uint32_t)half[0]);
        } else if (leaf->physical == PHYS_INT64) {
            put_le64(to + i * 8, half[0]);
        } else {
            uint8_t be[16];
            put_be64(be, half[1]);
            put_be64(be + 8, half[0]);
            memcpy(to + i * leaf->width, be + 16 - leaf->width, leaf->width);
        }
    }
}

void parquet__leaf_values(const struct parquet_leaf *leaf, const struct row_vector *v,
                          uint32_t row_count, struct parquet_dense *scratch,
                          struct parquet_data *ret_data)
{
    ret_data->value_count = row_count - v->null_count;
    if (leaf->physical == PHYS_BYTE_ARRAY) {
        ret_data->bytes = v->bytes.data != NULL ? v->bytes.data : (const uint8_t *)"";
        ret_data->offsets = v->offsets;
        if (v->null_count != 0) {
            buf_reset(&scratch->offsets);
            dense_offsets(v, row_count, &scratch->offsets);
            ret_data->offsets = (const uint32_t *)(const void *)scratch->offsets.data;
        }
        return;
    }
    ret_data->fixed = v->fixed;
    if (v->null_count == 0 && leaf->type != ROW_DECIMAL)
        return;
    buf_reset(&scratch->fixed);
    /* one cell more: the place of a null at the end */
    uint8_t *to = buf_reserve(&scratch->fixed, ((size_t)row_count + 1) * v->cell_bytes);
    const uint8_t *cells = v->fixed;
    if (v->null_count != 0) {
        must(dense_cells(v, row_count, to) == ret_data->value_count);
        cells = to;
    }
    if (leaf->type == ROW_DECIMAL)
        narrow_decimals(leaf, cells, ret_data->value_count, to);
    ret_data->fixed = to;
}

/* ---- schema elements ---- */

static void put_empty(struct parquet_thrift *t, int id)
{
    parquet__thrift_struct(t, id);
    parquet__thrift_end(t);
}

static int converted_of(const struct parquet_leaf *leaf)
{
    switch (leaf->type) {
    case ROW_BYTE: return CONV_INT_8;
    case ROW_SHORT: return CONV_INT_16;
    case ROW_DECIMAL: return CONV_DECIMAL;
    case ROW_STRING: return CONV_UTF8;
    case ROW_DATE: return CONV_DATE;
    case ROW_TIMESTAMP: return CONV_TIMESTAMP_MICROS;
    default: /* without a zone there is no converted type: it would mean UTC */ return CONV_NONE;
    }
}

static void put_logical_fields(struct parquet_thrift *t, const struct parquet_leaf *leaf)
{
    switch (leaf->type) {
    case ROW_BYTE:
    case ROW_SHORT:
        parquet__thrift_struct(t, LOGICAL_INTEGER);
        parquet__thrift_i8(t, 1, leaf->type == ROW_BYTE ? 8 : 16);
        parquet__thrift_bool(t, 2, true); /* signed */
        parquet__thrift_end(t);
        return;
    case ROW_DECIMAL:
        parquet__thrift_struct(t, LOGICAL_DECIMAL);
        parquet__thrift_i32(t, 1, leaf->scale);
        parquet__thrift_i32(t, 2, leaf->precision);
        parquet__thrift_end(t);
        return;
    case ROW_STRING: put_empty(t, LOGICAL_STRING); return;
    case ROW_DATE: put_empty(t, LOGICAL_DATE); return;
    default:
        parquet__thrift_struct(t, LOGICAL_TIMESTAMP);
        parquet__thrift_bool(t, 1, leaf->type == ROW_TIMESTAMP); /* adjusted to UTC */
        parquet__thrift_struct(t, 2);
        put_empty(t, UNIT_MICROS);
        parquet__thrift_end(t);
        parquet__thrift_end(t);
        return;
    }
}

static bool has_logical(enum row_type type)
{
    return type == ROW_BYTE || type == ROW_SHORT || type == ROW_DECIMAL || type == ROW_STRING ||
           type == ROW_DATE || type == ROW_TIMESTAMP || type == ROW_TIMESTAMP_NTZ;
}

void parquet__schema_leaf(struct buf *out, const struct parquet_leaf *leaf, const char *name,
                          enum parquet_repetition rep, uint32_t field_id)
{
    struct parquet_thrift t;
    parquet__thrift_init(&t, out);
    parquet__thrift_i32(&t, SE_TYPE, (int32_t)leaf->physical);
    if (leaf->physical == PHYS_FIXED)
        parquet__thrift_i32(&t, SE_TYPE_LENGTH, leaf->width);
    parquet__thrift_i32(&t, SE_REPETITION, (int32_t)rep);
    parquet__thrift_binary(&t, SE_NAME, slice_str(name));
    if (converted_of(leaf) != CONV_NONE)
        parquet__thrift_i32(&t, SE_CONVERTED, converted_of(leaf));
    if (leaf->type == ROW_DECIMAL) {
        parquet__thrift_i32(&t, SE_SCALE, leaf->scale);
        parquet__thrift_i32(&t, SE_PRECISION, leaf->precision);
    }
    if (field_id != 0)
        parquet__thrift_i32(&t, SE_FIELD_ID, (int32_t)field_id);
    if (has_logical(leaf->type)) {
        parquet__thrift_struct(&t, SE_LOGICAL);
        put_logical_fields(&t, leaf);
        parquet__thrift_end(&t);
    }
    parquet__thrift_end(&t);
}

static void put_group_logical(struct parquet_thrift *t, enum parquet_group kind)
{
    parquet__thrift_struct(t, SE_LOGICAL);
    if (kind == GROUP_VARIANT) {
        parquet__thrift_struct(t, LOGICAL_VARIANT);
        parquet__thrift_i8(t, 1, VARIANT_SPECIFICATION);
        parquet__thrift_end(t);
    } else {
        put_empty(t, kind == GROUP_MAP ? LOGICAL_MAP : LOGICAL_LIST);
    }
    parquet__thrift_end(t);
}

void parquet__schema_group(struct buf *out, const struct parquet_node *node)
{
    struct parquet_thrift t;
    parquet__thrift_init(&t, out);
    if (node->rep != REP_NONE)
        parquet__thrift_i32(&t, SE_REPETITION, (int32_t)node->rep);
    parquet__thrift_binary(&t, SE_NAME, slice_str(node->name));
    parquet__thrift_i32(&t, SE_NUM_CHILDREN, (int32_t)node->child_count);
    if (node->kind == GROUP_LIST || node->kind == GROUP_MAP)
        parquet__thrift_i32(&t, SE_CONVERTED, node->kind == GROUP_MAP ? CONV_MAP : CONV_LIST);
    if (node->field_id != 0)
        parquet__thrift_i32(&t, SE_FIELD_ID, (int32_t)node->field_id);
    if (node->kind != GROUP_PLAIN)
        put_group_logical(&t, node->kind);
    parquet__thrift_end(&t);
}
