/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lookups and the store against the model.
 *
 *   a lookup shows the newest row that was durable when it arrived, or a newer one    (I2)
 *   what it shows is durable, and the bytes that were sent                            (I5, I7)
 *   a MultiGet shows one moment, and says which                                       (R9)
 *   the store holds just the rows of keyed tables up to its applied position          (P1)
 */
#include "sim.h"

#include "base/bits.h"
#include "base/mem.h"
#include "base/must.h"
#include "codec/codec.h"
#include "codec/wire.h"
#include "serve/serve.h"
#include "store/keys.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct answer {
    bool found;
    struct slice row;
    bronze_pos pos;
};

static struct answer read_answer(struct slice message)
{
    struct answer a = {false, SLICE_NULL, 0};
    if (message.len == 0)
        return a;
    const uint8_t *p = message.data, *end = p + message.len;
    struct wire_field f;
    while (wire_next(&p, end, &f) > 0) {
        if (f.number == 1)
            a.found = f.value != 0;
        else if (f.number == 2)
            a.row = f.bytes;
        else if (f.number == 3)
            a.pos = f.value;
    }
    return a;
}

/* The newest row of the key at or before @until; 0 = none. */
static bronze_pos newest(struct world *w, const struct sim_table *t, uint32_t key, bronze_pos until)
{
    for (uint32_t i = t->row_count; i > 0; i--)
        if (t->rows[i - 1].pos <= until && w->m.rows[t->rows[i - 1].row].key == key)
            return t->rows[i - 1].pos;
    return 0;
}

/* Is this the row that stands at @pos? */
static bool is_row_at(struct world *w, const struct sim_lookup *l, const struct answer *a)
{
    uint32_t row = a->pos < w->m.at_cap ? w->m.at[a->pos].row : 0;
    if (row == 0)
        return false;
    if (l->json) {
        char text[40], body[400];
        (void)snprintf(text, sizeof(text), "\"u\":%u,", row - 1);
        (void)snprintf(body, sizeof(body), "%.*s", (int)MIN(a->row.len, sizeof(body) - 1),
                       (const char *)a->row.data);
        return strstr(body, text) != NULL;
    }
    struct row_value v[SIM_COLUMNS_MAX] = {{0}};
    struct catalog_table *t = catalog_table_by_id(w->catalog, w->m.tables[l->table].id);
    uint32_t shown = UINT32_MAX;
    bool same =
        t != NULL && codec_decode(t->own, a->row, NULL, v) == 0 && sim_row_matches(w, v, &shown);
    t = catalog_table_unref(t);
    return same && shown == row - 1;
}

static void check_answer(struct world *w, const struct sim_lookup *l, uint32_t key,
                         const struct answer *a)
{
    const struct sim_table *t = &w->m.tables[l->table];
    bronze_pos least = newest(w, t, key, l->fence);
    if (a->found ? a->pos < least : least != 0) {
        sim_violation(w, "I2",
                      "a lookup of key-%u in %s shows position %" PRIu64 ", %" PRIu64
                      " was durable when it arrived (fence %" PRIu64 ")",
                      key, t->name, a->found ? a->pos : 0, least, l->fence);
        return;
    }
    if (!a->found)
        return;
    if (a->pos > bronze_durable_pos(w->log))
        sim_violation(w, "I5", "a lookup shows position %" PRIu64 ", durable is %" PRIu64, a->pos,
                      bronze_durable_pos(w->log));
    else if (!is_row_at(w, l, a))
        sim_violation(w, "I7", "a lookup of key-%u shows another row than position %" PRIu64, key,
                      a->pos);
    else if (w->m.rows[w->m.at[a->pos].row - 1].key != key)
        sim_violation(w, "I2", "a lookup of key-%u shows another key", key);
}

void sim_check_reply(struct world *w, const struct sim_lookup *l, struct slice reply)
{
    const struct sim_table *t = &w->m.tables[l->table];
    if (!l->arrived || !l->known || t->dropped != FATE_NO)
        return;
    if (!l->multi) {
        struct answer a = read_answer(reply);
        check_answer(w, l, l->keys[0], &a);
        return;
    }
    const uint8_t *p = reply.data, *end = p + reply.len;
    struct wire_field f;
    struct answer answers[ARRAY_LEN(l->keys)];
    uint32_t count = 0;
    bronze_pos moment = 0;
    while (wire_next(&p, end, &f) > 0) {
        if (f.number == 2)
            moment = f.value;
        else if (count < ARRAY_LEN(answers))
            answers[count++] = read_answer(f.bytes);
    }
    if (count != l->key_count)
        sim_violation(w, "I2", "%u keys were asked for, %u answers came", l->key_count, count);
    for (uint32_t i = 0; i < MIN(count, l->key_count); i++) {
        check_answer(w, l, l->keys[i], &answers[i]);
        bronze_pos exact = newest(w, t, l->keys[i], moment);
        if (exact != (answers[i].found ? answers[i].pos : 0))
            sim_violation(w, "I2",
                          "a MultiGet of position %" PRIu64 " shows position %" PRIu64
                          " of key-%u, not %" PRIu64,
                          moment, answers[i].pos, l->keys[i], exact);
    }
}

/* ---- the store's rows ---- */

static struct sim_table *table_of_key(struct world *w, struct slice key)
{
    uint32_t id = key.len > 13 ? get_be32(key.data + 1) : 0;
    for (uint32_t i = 0; i < w->m.table_count; i++)
        if (w->m.tables[i].id == id)
            return &w->m.tables[i];
    return NULL;
}

static void check_stored(struct world *w, struct slice key, struct slice value, bronze_pos applied)
{
    const struct sim_table *t = table_of_key(w, key);
    bronze_pos pos = key.len > 13 ? ~get_be64(key.data + key.len - 8) : 0;
    if (t == NULL || !t->keyed || pos > applied || pos >= w->m.at_cap || w->m.at[pos].row == 0) {
        sim_violation(w, "I2", "the store has a row at position %" PRIu64 ", applied is %" PRIu64,
                      pos, applied);
        return;
    }
    struct codec_plan *plan = catalog_plan(w->catalog, t->id, get_le32(value.data));
    struct row_value v[SIM_COLUMNS_MAX] = {{0}};
    uint32_t row = UINT32_MAX;
    if (plan == NULL)
        return;
    if (codec_decode(plan, slice_of(value.data + 4, value.len - 4), NULL, v) < 0 ||
        !sim_row_matches(w, v, &row) || row != w->m.at[pos].row - 1)
        sim_violation(w, "I7", "the store's row at position %" PRIu64 " is not what was sent", pos);
}

static uint32_t rows_until(const struct sim_table *t, bronze_pos applied)
{
    uint32_t n = t->row_count;
    while (n > 0 && t->rows[n - 1].pos > applied)
        n--;
    return n;
}

void sim_check_store(struct world *w)
{
    static const uint8_t from[1] = {STORE_ROW};
    bronze_pos applied = serve_applied_pos(w->serve);
    uint32_t found[SIM_TABLES_MAX] = {0};
    struct store_iter *it = store_iter_new(w->store, NULL);
    for (store_iter_seek(it, slice_of(from, 1)); store_iter_valid(it); store_iter_next(it)) {
        struct slice key = store_iter_key(it);
        if (key.data[0] != STORE_ROW)
            break;
        const struct sim_table *t = table_of_key(w, key);
        if (t != NULL)
            found[t - w->m.tables]++;
        check_stored(w, key, store_iter_value(it), applied);
    }
    it = store_iter_free(it);
    for (uint32_t i = 0; i < w->m.table_count; i++) {
        const struct sim_table *t = &w->m.tables[i];
        bool gone = t->drop_pos != 0 && t->drop_pos <= applied;
        if (!t->keyed || t->id == 0 || (t->dropped != FATE_NO && !gone))
            continue;
        uint32_t want = gone ? 0 : rows_until(t, applied);
        if (found[i] != want)
            sim_violation(w, "I2",
                          "the store has %u rows of %s up to applied position %" PRIu64 ", not %u",
                          found[i], t->name, applied, want);
    }
}
