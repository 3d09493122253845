/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which types a column may take later on, while what is written already stays as it is: Delta's
 * "Type Widening" (PROTOCOL.md), and fields added to a STRUCT. Any thread.
 */
#include "row/row.h"

#include "base/must.h"
#include "row_priv.h"

/* Decimal digits that every value of the type needs before the point; 0: not a whole number. */
static unsigned whole_digits(enum row_type type)
{
    switch (type) {
    case ROW_BYTE:
    case ROW_SHORT:
    case ROW_INT: return 10;
    case ROW_LONG: return 20;
    default: return 0;
    }
}

static bool decimal_holds(const struct row_column *to, unsigned digits, unsigned scale)
{
    return to->scale >= scale && to->precision - to->scale >= (int)(digits - scale);
}

static bool to_decimal(const struct row_column *from, const struct row_column *to)
{
    if (from->type == ROW_DECIMAL)
        return decimal_holds(to, from->precision, from->scale);
    unsigned digits = whole_digits(from->type);
    return digits != 0 && decimal_holds(to, digits, 0);
}

static bool is_whole(enum row_type type)
{
    return type >= ROW_BYTE && type <= ROW_LONG;
}

static bool flat_ok(const struct row_column *from, const struct row_column *to)
{
    if (to->type == ROW_DECIMAL)
        return to_decimal(from, to);
    if (from->type == to->type)
        return true;
    if (is_whole(from->type) && is_whole(to->type))
        return from->type < to->type;
    if (to->type == ROW_DOUBLE)
        return from->type == ROW_FLOAT || (is_whole(from->type) && from->type != ROW_LONG);
    return from->type == ROW_DATE && to->type == ROW_TIMESTAMP_NTZ;
}

bool row_widening_ok(const struct row_column *from, const struct row_column *to)
{
    if (row_type_is_flat(from->type) || row_type_is_flat(to->type))
        return row_type_is_flat(from->type) && row_type_is_flat(to->type) && flat_ok(from, to);
    if (from->type != to->type || from->field_count > to->field_count)
        return false;
    for (uint32_t i = 0; i < to->field_count; i++) {
        const struct row_column *f = &to->fields[i];
        if (i >= from->field_count && f->not_null)
            return false; /* rows of before have no value for it */
        if (i < from->field_count &&
            (f->not_null != from->fields[i].not_null ||
             !row__same_word(slice_str(f->name), slice_str(from->fields[i].name)) ||
             !row_widening_ok(&from->fields[i], f)))
            return false;
    }
    return true;
}
