/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two parts of a VARIANT. Its metadata comes first and says itself how long it is (Parquet's
 * VariantEncoding.md):
 *
 *   size        what
 *   1           bits 0-3: version 1; bit 4: strings are sorted; bits 6-7: size of a number, less 1
 *   s           n, how many strings there are
 *   s * (n + 1) where each string begins, and the end of the last one
 *   …           the strings
 *
 * Numbers have s bytes, little-endian. Only the lengths are looked at here. Thread: any.
 */
#include "row/row.h"

static uint32_t load_number(const uint8_t *p, size_t size)
{
    uint32_t v = 0;
    for (size_t i = 0; i < size; i++)
        v |= (uint32_t)p[i] << 8 * i;
    return v;
}

int row_variant_split(struct slice variant, struct slice *ret_metadata, struct slice *ret_value)
{
    if (variant.len == 0 || (variant.data[0] & 0x0f) != 1)
        return ERR_INVALID;
    size_t size = (size_t)(variant.data[0] >> 6) + 1;
    if (variant.len < 1 + size)
        return ERR_INVALID;
    uint64_t strings = 1 + size + ((uint64_t)load_number(variant.data + 1, size) + 1) * size;
    if (strings > variant.len)
        return ERR_INVALID;
    uint64_t end = strings + load_number(variant.data + strings - size, size);
    if (end >= variant.len)
        return ERR_INVALID;
    *ret_metadata = slice_of(variant.data, end);
    *ret_value = slice_of(variant.data + end, variant.len - end);
    return 0;
}
