/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vectors to definition and repetition levels (Dremel), column by column from the root down.
 *
 * A slot is a place where a leaf has a pair of levels. At the root there is one per row. On the way
 * down a nullable field raises the definition level of the slots where it has a value; an ARRAY or
 * MAP makes of a slot one for each of its entries, or leaves it alone when it is null or empty.
 *
 *   rows  [1,2]  null  []       slots (def, rep) of a nullable array of nullable ints
 *   own    1      0     1        optional: defined or not
 *   list  (2,0)(2,1) (0,0) (1,0)      what has an entry in the element's vector is at 2
 *   leaf  (3,0)(3,1) (0,0) (1,0)      optional element
 *
 * I1: the entries of the vector in work belong, in order, to the slots with def >= def_entry.
 * I2: slots below def_max are settled: nothing further down raises them.
 */
#include "parquet_priv.h"

#include "base/must.h"

void parquet__slots_own(const struct parquet_slots *s, const struct row_vector *v, struct buf *def,
                        struct parquet_slots *ret)
{
    *ret = *s;
    ret->def_max = (uint8_t)(s->def_max + 1);
    if (s->def == NULL) { /* each slot an entry, all at level 0 */
        must(s->def_max == 0);
        ret->def = v->valid;
        return;
    }
    buf_reset(def);
    uint8_t *to = buf_reserve(def, s->count);
    uint32_t entry = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        uint8_t d = s->def[i];
        bool alive = d == s->def_max;
        to[i] = (uint8_t)(d + (alive ? v->valid[entry] : 0));
        entry += d >= s->def_entry;
    }
    ret->def = to;
}

/* Room for the levels of the slots that @s becomes; 0: they are too many. */
static uint32_t expanded_count(const struct parquet_slots *s, const uint32_t *offsets)
{
    uint64_t count = 0;
    uint32_t entry = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        uint8_t d = s->def != NULL ? s->def[i] : 0;
        bool has_entry = d >= s->def_entry;
        uint32_t n = has_entry ? offsets[entry + 1] - offsets[entry] : 0;
        must(n == 0 || d == s->def_max); /* what is null holds nothing */
        count += n > 0 ? n : 1;
        entry += has_entry;
    }
    return count <= PARQUET_LEVELS_MAX ? (uint32_t)count : 0;
}

bool parquet__slots_expand(const struct parquet_slots *s, const uint32_t *offsets, struct buf *def,
                           struct buf *rep, struct parquet_slots *ret)
{
    uint32_t count = expanded_count(s, offsets), entry = 0, at = 0;
    if (count == 0)
        return false;
    buf_reset(def);
    buf_reset(rep);
    uint8_t *to_def = buf_reserve(def, count), *to_rep = buf_reserve(rep, count);
    for (uint32_t i = 0; i < s->count; i++) {
        uint8_t d = s->def != NULL ? s->def[i] : 0;
        bool has_entry = d >= s->def_entry;
        uint32_t n = has_entry ? offsets[entry + 1] - offsets[entry] : 0;
        entry += has_entry;
        to_def[at] = (uint8_t)(d + (n > 0));
        to_rep[at++] = s->rep != NULL ? s->rep[i] : 0;
        if (n < 2)
            continue;
        memset(to_def + at, d + 1, n - 1);
        memset(to_rep + at, s->rep_max + 1, n - 1);
        at += n - 1;
    }
    must(at == count);
    *ret = (struct parquet_slots){
        .def = to_def,
        .rep = to_rep,
        .count = count,
        .def_max = (uint8_t)(s->def_max + 1),
        .def_entry = (uint8_t)(s->def_max + 1),
        .rep_max = (uint8_t)(s->rep_max + 1),
    };
    return true;
}
