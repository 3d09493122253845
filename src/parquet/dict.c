/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dictionary of a column chunk: distinct values in order of appearance, found by a hash table
 * with linear probing, kept at most half full. Values are compared as bits (so -0.0, 0.0 and each
 * NaN are values of their own).
 *
 * It is not begun where it cannot pay: SAMPLE values from all over the chunk hardly ever repeat. It
 * is given up when the entries outgrow ENTRIES_BYTES_MAX. At the end the cost in bytes before
 * compression decides: entries + packed indexes must be well below the plain values, because plain
 * values compress better than indexes do.
 */
#include "parquet_priv.h"

#include "base/bits.h"
#include "base/mem.h"
#include "base/must.h"

#define ENTRIES_BYTES_MAX  (1u << 20)
#define SAMPLE             2048u
#define RUN                8u
#define SAMPLED_VALUES_MIN (8 * SAMPLE) /* a smaller chunk is not sampled */
#define SLOTS_FIRST        1024u
#define VALUES_MIN         2u

/* An entry of bytes; fixed entries are the uint64_t of their bits. */
struct key {
    uint32_t hash, len;
    uint32_t begin; /* in the chunk's bytes */
};

/* Every bit reaches the low ones, also where only high bits differ (doubles). */
static inline uint64_t mix(uint64_t v)
{
    v ^= v >> 32;
    v *= 0x9e3779b97f4a7c15u;
    return v ^ (v >> 32);
}

static uint32_t hash_bytes(const uint8_t *p, size_t len)
{
    uint64_t h = len * 0xff51afd7ed558ccdu;
    while (len >= 8) {
        h = mix(h ^ get_le64(p));
        p += 8;
        len -= 8;
    }
    uint64_t tail = 0;
    if (len >= 4) {
        tail = (uint64_t)get_le32(p) << 32 | get_le32(p + len - 4);
    } else if (len > 0) {
        tail = (uint64_t)p[0] << 16 | (uint64_t)p[len / 2] << 8 | p[len - 1];
    }
    return (uint32_t)(mix(mix(h ^ tail)) >> 16);
}

void parquet__dict_deinit(struct parquet_dict *d)
{
    mem_free(d->slots);
    buf_deinit(&d->keys);
    buf_deinit(&d->indexes);
}

static void dict_reset(struct parquet_dict *d)
{
    if (d->slots == NULL) {
        d->slot_cap = SLOTS_FIRST;
        d->slots = mem_alloc(d->slot_cap * sizeof(*d->slots));
    }
    d->slot_count = SLOTS_FIRST;
    memset(d->slots, 0, d->slot_count * sizeof(*d->slots));
    d->entry_count = 0;
    d->plain_bytes = 0;
    buf_reset(&d->keys);
    buf_reset(&d->indexes);
}

static uint32_t key_hash(const struct parquet_dict *d, uint32_t entry, bool fixed)
{
    if (fixed)
        return (uint32_t)mix(((const uint64_t *)(const void *)d->keys.data)[entry]);
    return ((const struct key *)(const void *)d->keys.data)[entry].hash;
}

/* Doubles the table when it is half full. */
static void dict_make_room(struct parquet_dict *d, bool fixed)
{
    if (likely(d->entry_count * 2 < d->slot_count))
        return;
    d->slot_count *= 2;
    if (d->slot_count > d->slot_cap) {
        d->slot_cap = d->slot_count;
        d->slots = mem_realloc(d->slots, d->slot_cap * sizeof(*d->slots));
    }
    memset(d->slots, 0, d->slot_count * sizeof(*d->slots));
    for (uint32_t i = 0; i < d->entry_count; i++) {
        uint32_t at = key_hash(d, i, fixed) & (d->slot_count - 1);
        while (d->slots[at] != 0)
            at = (at + 1) & (d->slot_count - 1);
        d->slots[at] = i + 1;
    }
}

/* Is it clear already that it will not pay? */
static inline bool is_hopeless(const struct parquet_dict *d)
{
    return d->plain_bytes > ENTRIES_BYTES_MAX;
}

static inline uint32_t add_u64(struct parquet_dict *d, uint64_t bits, uint32_t width)
{
    uint32_t at = (uint32_t)mix(bits) & (d->slot_count - 1);
    while (d->slots[at] != 0) {
        uint32_t entry = d->slots[at] - 1;
        if (((const uint64_t *)(const void *)d->keys.data)[entry] == bits)
            return entry;
        at = (at + 1) & (d->slot_count - 1);
    }
    uint32_t entry = d->entry_count++;
    d->slots[at] = entry + 1;
    buf_add(&d->keys, &bits, sizeof(bits));
    d->plain_bytes += width;
    dict_make_room(d, true);
    return entry;
}

static inline uint32_t add_bytes(struct parquet_dict *d, const uint8_t *base, struct key k,
                                 uint32_t prefix)
{
    uint32_t at = k.hash & (d->slot_count - 1);
    while (d->slots[at] != 0) {
        uint32_t entry = d->slots[at] - 1;
        const struct key *other = &((const struct key *)(const void *)d->keys.data)[entry];
        if (other->hash == k.hash && other->len == k.len &&
            memcmp(base + other->begin, base + k.begin, k.len) == 0)
            return entry;
        at = (at + 1) & (d->slot_count - 1);
    }
    uint32_t entry = d->entry_count++;
    d->slots[at] = entry + 1;
    buf_add(&d->keys, &k, sizeof(k));
    d->plain_bytes += prefix + k.len;
    dict_make_room(d, false);
    return entry;
}

/* The index of value @i; an entry more when it is new. */
static inline uint32_t add_value(struct parquet_dict *d, const struct parquet_leaf *leaf,
                                 const struct parquet_data *data, uint32_t i)
{
    struct key k;
    if (leaf->physical == PHYS_BYTE_ARRAY) {
        k = (struct key){.begin = data->offsets[i], .len = data->offsets[i + 1] - data->offsets[i]};
        k.hash = hash_bytes(data->bytes + k.begin, k.len);
        return add_bytes(d, data->bytes, k, 4);
    }
    if (leaf->physical == PHYS_FIXED) {
        k = (struct key){.begin = i * leaf->width, .len = leaf->width};
        k.hash = hash_bytes(data->fixed + k.begin, k.len);
        return add_bytes(d, data->fixed, k, 0);
    }
    const uint8_t *cell = data->fixed + (size_t)i * leaf->width;
    return add_u64(d, leaf->width == 4 ? get_le32(cell) : get_le64(cell), leaf->width);
}

/*
 * Does hardly any of SAMPLE values come a second time? They are short runs, one from each of as
 * many equal parts of the chunk, at a scattered place: what recurs at once, at a fixed distance or
 * anywhere is seen. Of n values with d distinct ones about SAMPLE² / 2d repeat; the bound is half
 * of that for d = ¾ n, where a dictionary has long ceased to pay.
 */
static bool seldom_repeats(struct parquet_dict *d, const struct parquet_leaf *leaf,
                           const struct parquet_data *data)
{
    uint64_t n = data->value_count, part = n / (SAMPLE / RUN);
    for (uint64_t r = 0; r < SAMPLE / RUN; r++) {
        uint64_t at = r * part + mix(r + 1) % (part - RUN);
        for (uint64_t i = at; i < at + RUN; i++)
            (void)add_value(d, leaf, data, (uint32_t)i);
    }
    uint64_t repeats = SAMPLE - d->entry_count;
    return repeats * 3 * n < (uint64_t)SAMPLE * SAMPLE;
}

/* One loop per width. */
static bool build(struct parquet_dict *d, const struct parquet_leaf *leaf,
                  const struct parquet_data *data)
{
    uint32_t *to = (uint32_t *)(void *)d->indexes.data;
    bool is_number = leaf->physical != PHYS_BYTE_ARRAY && leaf->physical != PHYS_FIXED;
    must(is_number || (uint64_t)data->value_count * leaf->width <= UINT32_MAX);
    if (is_number && leaf->width == 4)
        for (uint32_t i = 0; i < data->value_count && !is_hopeless(d); i++)
            to[i] = add_u64(d, get_le32(data->fixed + (size_t)i * 4), 4);
    else if (is_number)
        for (uint32_t i = 0; i < data->value_count && !is_hopeless(d); i++)
            to[i] = add_u64(d, get_le64(data->fixed + (size_t)i * 8), 8);
    else
        for (uint32_t i = 0; i < data->value_count && !is_hopeless(d); i++)
            to[i] = add_value(d, leaf, data, i);
    return !is_hopeless(d);
}

static bool dict_pays(const struct parquet_dict *d, const struct parquet_leaf *leaf,
                      const struct parquet_data *data)
{
    uint64_t n = data->value_count;
    uint64_t plain = n * leaf->width;
    if (leaf->physical == PHYS_BYTE_ARRAY)
        plain = data->offsets[n] - data->offsets[0] + 4 * n;
    uint64_t indexes = n * parquet__bit_width(d->entry_count - 1) / 8;
    return (d->plain_bytes + indexes) * 4 < plain * 3;
}

bool parquet__dict_build(struct parquet_dict *d, const struct parquet_leaf *leaf,
                         const struct parquet_data *data)
{
    if (leaf->physical == PHYS_BOOLEAN || data->value_count < VALUES_MIN)
        return false;
    if (data->value_count >= SAMPLED_VALUES_MIN) {
        dict_reset(d);
        if (seldom_repeats(d, leaf, data))
            return false;
    }
    dict_reset(d);
    (void)buf_reserve(&d->indexes, (size_t)data->value_count * sizeof(uint32_t));
    if (!build(d, leaf, data) || !dict_pays(d, leaf, data))
        return false;
    d->indexes.len = (size_t)data->value_count * sizeof(uint32_t);
    return true;
}

void parquet__dict_plain(const struct parquet_dict *d, const struct parquet_leaf *leaf,
                         const struct parquet_data *data, struct buf *out)
{
    uint8_t *start = buf_reserve(out, d->plain_bytes);
    uint8_t *p = start;
    bool bytes = leaf->physical == PHYS_BYTE_ARRAY;
    bool numbers = !bytes && leaf->physical != PHYS_FIXED;
    for (uint32_t i = 0; i < d->entry_count; i++) {
        if (numbers) {
            memcpy(p, d->keys.data + (size_t)i * sizeof(uint64_t), leaf->width);
            p += leaf->width;
            continue;
        }
        const struct key *k = &((const struct key *)(const void *)d->keys.data)[i];
        if (bytes) {
            put_le32(p, k->len);
            p += 4;
        }
        memcpy(p, (bytes ? data->bytes : data->fixed) + k->begin, k->len);
        p += k->len;
    }
    must((size_t)(p - start) == d->plain_bytes);
    out->len += d->plain_bytes;
}
