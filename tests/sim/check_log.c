/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tap: a reader of the log beside the others, which compares every durable block with what
 * clients have sent, and with what it has seen in earlier lives.
 *
 *   positions follow each other; a position never means something else than before     (I1, I3)
 *   a frame is just a request (or several, of one row each) of one stream, whole       (L6)
 *   the requests of a stream come in order, without a gap, each once                   (I1, I3)
 *   rows are the bytes that were sent, under their table                               (I7)
 *   no row follows the drop of its table                                               (L8)
 */
#include "sim.h"

#include "base/mem.h"
#include "base/must.h"
#include "codec/codec.h"

#include <inttypes.h>
#include <string.h>

#define BLOCK_HEADER_BYTES 128u /* docs/formats/bronze.md */

enum { SEEN_NOTHING = 0, SEEN_ROW = 1, SEEN_CONTROL = 2 };

static struct sim_at *at(struct world *w, bronze_pos pos)
{
    struct sim_model *m = &w->m;
    if (pos >= m->at_cap) {
        uint64_t cap = MAX(pos + 1, m->at_cap * 2 + 1024);
        m->at = mem_realloc(m->at, cap * sizeof(*m->at));
        memset(m->at + m->at_cap, 0, (cap - m->at_cap) * sizeof(*m->at));
        m->at_cap = cap;
    }
    return &m->at[pos];
}

static struct sim_table *table_by_id(struct world *w, uint32_t id)
{
    for (uint32_t i = 0; i < w->m.table_count; i++)
        if (w->m.tables[i].id == id)
            return &w->m.tables[i];
    return NULL;
}

static void list_row(struct sim_table *t, bronze_pos pos, uint32_t row)
{
    if (t->row_count == t->row_cap) {
        t->row_cap = t->row_cap == 0 ? 256 : t->row_cap * 2;
        t->rows = mem_realloc(t->rows, t->row_cap * sizeof(*t->rows));
    }
    t->rows[t->row_count++] = (struct sim_place){pos, row};
}

/* The position is seen as @what (@row + 1 for a row); false: it was something else before. */
static bool see(struct world *w, bronze_pos pos, uint8_t what, uint32_t row)
{
    struct sim_at *a = at(w, pos);
    if (a->what == SEEN_NOTHING) {
        *a = (struct sim_at){row, what};
        return true;
    }
    if (a->what == what && a->row == row)
        return true;
    sim_violation(w, "I1", "position %" PRIu64 " means row %d now, and meant row %d before", pos,
                  (int)row - 1, (int)a->row - 1);
    return false;
}

/* Row @index of @f: which row of the model; UINT32_MAX after a violation. */
static uint32_t read_row(struct world *w, const struct bronze_frame *f, bronze_pos pos,
                         struct slice bytes)
{
    struct codec_plan *plan = catalog_plan(w->catalog, f->table_id, f->descriptor_id);
    struct row_value v[SIM_COLUMNS_MAX] = {{0}};
    uint32_t row;
    if (plan == NULL)
        return UINT32_MAX; /* of a table that is forgotten: nobody can read it any more */
    if (codec_decode(plan, bytes, NULL, v) < 0 || !sim_row_matches(w, v, &row)) {
        sim_violation(w, "I7", "the row at position %" PRIu64 " is not what was sent", pos);
        return UINT32_MAX;
    }
    return row;
}

static void check_request(struct world *w, const struct bronze_frame *f, uint64_t index,
                          uint32_t row)
{
    struct sim_row *r = &w->m.rows[row];
    struct sim_request *q = &w->m.requests[r->request];
    struct sim_stream *s = &w->m.streams[q->stream];
    struct sim_table *t = &w->m.tables[s->table];
    const struct sim_table *found = table_by_id(w, f->table_id);
    if (found != NULL && found != t && strcmp(found->name, t->name) == 0) {
        s->table = (uint32_t)(found - w->m.tables); /* dropped and made again meanwhile */
        t = &w->m.tables[s->table];
    }
    bool single = f->kind == BRONZE_SINGLES;
    uint64_t offset = f->first_offset + (single ? index : 0);
    if (t->id != f->table_id)
        sim_violation(w, "I7", "row %u of table id %u stands under table id %u", row, t->id,
                      f->table_id);
    if (s->id != 0 && s->id != f->stream_id)
        sim_violation(w, "I7", "row %u stands under another stream", row);
    s->id = f->stream_id;
    if ((int64_t)offset != q->offset || single == q->batch)
        sim_violation(w, "I7", "row %u of offset %lld stands under offset %" PRIu64, row,
                      (long long)q->offset, offset);
    if (!single && (f->row_count != q->row_count || row != q->first_row + index))
        sim_violation(w, "I1", "request %lld of stream %u is not whole in its block",
                      (long long)q->offset, q->stream);
}

static struct sim_stream *stream_by_id(struct world *w, uint64_t id)
{
    for (uint32_t i = w->m.stream_count; i > 0; i--) {
        struct sim_stream *s = &w->m.streams[i - 1];
        if (s->id == id)
            return s;
        uint64_t found;
        if (s->id == 0 && s->created &&
            catalog_stream_by_uuid(w->catalog, s->uuid, &found, NULL) == 0 && found == id) {
            s->id = id;
            return s;
        }
    }
    return NULL;
}

/* The requests of this frame are in the log now. */
static void log_requests(struct world *w, const struct bronze_frame *f)
{
    struct sim_stream *s = stream_by_id(w, f->stream_id);
    if (s == NULL)
        return;
    for (uint32_t i = 0; i < f->offset_count; i++) {
        int64_t offset = (int64_t)(f->first_offset + i);
        if (offset >= (int64_t)s->request_count) {
            sim_violation(w, "I7", "the log has offset %lld of a stream that sent %u",
                          (long long)offset, s->request_count);
            return;
        }
        struct sim_request *q = &w->m.requests[s->requests[offset]];
        if (q->logged)
            continue; /* rows that are there twice are told by their positions */
        if (offset != s->next_logged)
            sim_violation(w, "I1", "stream %u: offset %lld is in the log, offset %lld is not",
                          (unsigned)(s - w->m.streams), (long long)offset,
                          (long long)s->next_logged);
        s->next_logged = offset + 1;
        q->logged = true;
    }
}

static void tap_rows(struct world *w, const struct bronze_frame *f)
{
    struct sim_table *t = table_by_id(w, f->table_id);
    size_t row_at = 0;
    struct slice bytes;
    uint64_t index = 0;
    for (bronze_pos pos = f->first_pos; bronze_frame_row(f, &row_at, &bytes); pos++, index++) {
        uint32_t row = read_row(w, f, pos, bytes);
        if (row == UINT32_MAX)
            continue;
        struct sim_row *r = &w->m.rows[row];
        if (!see(w, pos, SEEN_ROW, row + 1))
            continue;
        if (r->pos != 0 && r->pos != pos) {
            sim_violation(w, "I3", "row %u stands at positions %" PRIu64 " and %" PRIu64, row,
                          r->pos, pos);
            continue;
        }
        if (r->pos == 0) {
            r->pos = pos;
            w->r.logged_rows++;
            if (t != NULL)
                list_row(t, pos, row);
        }
        check_request(w, f, index, row);
        if (t != NULL && t->drop_pos != 0 && pos > t->drop_pos)
            sim_violation(w, "I4",
                          "row %u at position %" PRIu64 " follows the drop of %s at %" PRIu64, row,
                          pos, t->name, t->drop_pos);
    }
    if (index != f->row_count)
        sim_violation(w, "I7", "a frame at position %" PRIu64 " has %" PRIu64 " rows, not %u",
                      f->first_pos, index, f->row_count);
    log_requests(w, f);
}

static void tap_control(struct world *w, const struct bronze_frame *f)
{
    uint32_t dropped = catalog_dropped_table(f);
    struct sim_table *t = dropped != 0 ? table_by_id(w, dropped) : NULL;
    (void)see(w, f->first_pos, SEEN_CONTROL, 0);
    if (t != NULL && t->drop_pos == 0)
        t->drop_pos = f->first_pos;
}

static void note_block(struct world *w, const struct bronze_block *b)
{
    if (w->block_count > 0 && b->ticket <= w->blocks[w->block_count - 1].ticket)
        return;
    if (w->block_count == w->block_cap) {
        w->block_cap = w->block_cap == 0 ? 256 : w->block_cap * 2;
        w->blocks = mem_realloc(w->blocks, w->block_cap * sizeof(*w->blocks));
    }
    w->blocks[w->block_count++] = (struct sim_block){
        b->ticket, b->segment, b->offset, BLOCK_HEADER_BYTES + (uint32_t)b->frames.len, b->end_pos};
    w->segment = b->segment;
}

static void tap_block(struct world *w, const struct bronze_block *b)
{
    struct sim_model *m = &w->m;
    struct bronze_frame f;
    note_block(w, b);
    for (size_t frame_at = 0; bronze_block_frame(b, &frame_at, &f);) {
        if (f.first_pos != m->seen_end)
            sim_violation(w, "I1", "position %" PRIu64 " follows position %" PRIu64, f.first_pos,
                          m->seen_end - 1);
        m->seen_end = f.first_pos + (f.kind == BRONZE_CONTROL ? 1 : f.row_count);
        if (f.time_us < m->time_us)
            sim_violation(w, "I7", "time goes back at position %" PRIu64, f.first_pos);
        m->time_us = f.time_us;
        if (f.kind == BRONZE_CONTROL)
            tap_control(w, &f);
        else
            tap_rows(w, &f);
    }
    m->seen_ever = MAX(m->seen_ever, m->seen_end);
}

void sim_tap_open(struct world *w)
{
    struct err e = {0};
    bronze_pos from = bronze_trimmed_pos(w->log);
    w->m.seen_end = from;
    w->m.time_us = 0;
    w->m.trimmed = MAX(w->m.trimmed, from);
    must(bronze_reader_open(w->log, "sim", from, &w->tap, &e) == 0);
}

void sim_tap_follow(struct world *w)
{
    struct bronze_block b;
    struct err e = {0};
    int rc;
    while ((rc = bronze_reader_next(w->tap, &b, &e)) == 0)
        tap_block(w, &b);
    if (rc < 0)
        sim_violation(w, "I7", "the log does not read: %s", e.text);
    bronze_reader_release(w->tap);
    if (rc == BRONZE_END && w->m.seen_end != bronze_durable_pos(w->log) + 1)
        sim_violation(w, "I5", "a reader is at position %" PRIu64 ", durable is %" PRIu64,
                      w->m.seen_end - 1, bronze_durable_pos(w->log));
}

/*
 * I1: after a start, whose log ends before @end, everything that was acknowledged is there (or was
 * seen, and then trimmed).
 */
void sim_check_acked(struct world *w, bronze_pos end)
{
    struct sim_model *m = &w->m;
    for (uint32_t i = 0; i < m->request_count; i++) {
        const struct sim_request *q = &m->requests[i];
        for (uint32_t k = 0; q->acked && k < q->row_count; k++) {
            const struct sim_row *r = &m->rows[q->first_row + k];
            if (r->pos != 0 && r->pos < end)
                continue;
            sim_violation(w, "I1",
                          "row %u (stream %u, offset %lld) was acknowledged and is not in the log",
                          q->first_row + k, q->stream, (long long)q->offset);
            return;
        }
        if (q->acked && !q->logged && m->streams[q->stream].id != 0)
            sim_violation(w, "I1", "offset %lld of stream %u was acknowledged, its frame is gone",
                          (long long)q->offset, q->stream);
    }
}

/* I5: what a reader has been shown in an earlier life is there in this one, which ends at @end. */
void sim_check_durable(struct world *w, bronze_pos end)
{
    if (end < w->m.seen_ever)
        sim_violation(w, "I5",
                      "readers saw position %" PRIu64 "; after the crash the log ends at %" PRIu64,
                      w->m.seen_ever - 1, end - 1);
}
