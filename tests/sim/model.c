/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model: which rows clients have sent, in which requests of which streams. A row states its own
 * number (column u), so wherever it turns up it can be told whose it is and what it must look like.
 *
 * Columns of every table: k STRING NOT NULL, u BIGINT NOT NULL, n BIGINT, pad STRING.
 */
#include "sim.h"

#include "base/mem.h"
#include "codec/codec.h"

#include <stdio.h>
#include <string.h>

static void *grow(void *list, uint32_t count, uint32_t *cap, size_t size)
{
    if (count < *cap)
        return list;
    *cap = *cap == 0 ? 256 : *cap * 2;
    return mem_realloc(list, *cap * size);
}

uint32_t sim_row_add(struct world *w, uint32_t request, uint32_t key, uint64_t logical)
{
    struct sim_model *m = &w->m;
    const struct sim_client *c = &w->clients[m->streams[m->requests[request].stream].client];
    uint32_t pad = (uint32_t)(sim_one_in(w, 8) ? sim_below(w, c->size_max) : sim_below(w, 120));
    m->rows = grow(m->rows, m->row_count, &m->row_cap, sizeof(*m->rows));
    m->rows[m->row_count] =
        (struct sim_row){.request = request, .key = key, .pad_len = pad, .logical = logical};
    m->requests[request].row_count++;
    return m->row_count++;
}

uint32_t sim_request_add(struct world *w, uint32_t stream, bool batch)
{
    struct sim_model *m = &w->m;
    struct sim_stream *s = &m->streams[stream];
    m->requests = grow(m->requests, m->request_count, &m->request_cap, sizeof(*m->requests));
    m->requests[m->request_count] = (struct sim_request){
        .stream = stream,
        .offset = s->request_count,
        .first_row = m->row_count,
        .batch = batch,
        .sent_ns = sim_now(w),
    };
    s->requests = grow(s->requests, s->request_count, &s->request_cap, sizeof(*s->requests));
    s->requests[s->request_count++] = m->request_count;
    return m->request_count++;
}

uint32_t sim_stream_add(struct world *w, uint32_t client, uint32_t table)
{
    struct sim_model *m = &w->m;
    m->streams = grow(m->streams, m->stream_count, &m->stream_cap, sizeof(*m->streams));
    m->streams[m->stream_count] = (struct sim_stream){.client = client,
                                                      .table = table,
                                                      .life = w->life,
                                                      .acked = -1,
                                                      .seen_acked = -1,
                                                      .progress_ns = sim_now(w)};
    w->r.streams++;
    return m->stream_count++;
}

/* Text that only this row has: letters from its number. */
void sim_row_pad(uint32_t row, uint32_t len, char *out)
{
    uint64_t z = row * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (uint32_t i = 0; i < len; i++) {
        z ^= z << 13;
        z ^= z >> 7;
        z ^= z << 17;
        out[i] = (char)('a' + (z & 15));
    }
}

void sim_row_encode(struct world *w, uint32_t row, bool json, struct buf *out)
{
    const struct sim_row *r = &w->m.rows[row];
    char key[16], *pad = mem_alloc(r->pad_len + 1);
    (void)snprintf(key, sizeof(key), "key-%u", r->key);
    sim_row_pad(row, r->pad_len, pad);
    if (json) {
        buf_printf(out, "{\"k\":\"%s\",\"u\":%u,\"n\":%llu,\"pad\":\"%.*s\"}", key, row,
                   (unsigned long long)r->logical, (int)r->pad_len, pad);
    } else {
        struct row_value v[4] = {{.bytes = slice_str(key)},
                                 {.i64 = row},
                                 {.i64 = (int64_t)r->logical},
                                 {.bytes = slice_of(pad, r->pad_len)}};
        codec_values_to_row(w->schema, v, out);
    }
    mem_free(pad);
}

bool sim_row_matches(struct world *w, const struct row_value *v, uint32_t *ret_row)
{
    if (v[0].null || v[1].null || v[2].null || v[3].null || v[1].i64 < 0 ||
        v[1].i64 >= w->m.row_count)
        return false;
    uint32_t row = (uint32_t)v[1].i64;
    const struct sim_row *r = &w->m.rows[row];
    char key[16], *pad = mem_alloc(r->pad_len + 1);
    (void)snprintf(key, sizeof(key), "key-%u", r->key);
    sim_row_pad(row, r->pad_len, pad);
    bool same = slice_eq(v[0].bytes, slice_str(key)) && v[2].i64 == (int64_t)r->logical &&
                slice_eq(v[3].bytes, slice_of(pad, r->pad_len));
    mem_free(pad);
    *ret_row = row;
    return same;
}
