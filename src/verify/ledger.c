/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ledgers against what is stored: every row that a ledger speaks of has an entry of three numbers,
 *
 *   acked ≤ found ≤ sent
 *
 * and found counts the rows of Delta, and those of the log above Delta's txn. Rows of other
 * producers have no entry. Where the numbers do not fit, the ledger's line is read again, and the
 * rows are passed once more to say where a doubled row stands, or one of the same key.
 *
 * A record that the server sent to a quarantine table counts as sent only: its place there (stream,
 * offset, record) is looked up, so it need not be readable.
 *
 * G1  Memory: as many entries as fit into the budget; with more rows, several passes, each over a
 *     share of the identities.
 */
#include "ledger_priv.h"
#include "verify/verify.h"

#include "base/mem.h"
#include "base/must.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACES_MAX 200

struct entry {
    uint64_t id; /* 0 = free */
    uint32_t sent, acked, found;
    uint32_t file;
    uint64_t offset; /* of its first line */
};

/* A row whose numbers do not fit, for the explanation. */
struct suspect {
    struct entry entry;
    uint64_t key_id;
    char places[PLACES_MAX]; /* where it, or one of its key, stands */
    bool is_doubled, other_found;
    uint64_t stream_id; /* of the server; 0 = not known */
    int64_t request;
    bronze_pos log_pos; /* where the log has it; 0 = nowhere */
    uint64_t segment, block;
};

struct comparing {
    struct ledger l;
    struct entry *entries;
    uint64_t mask;
    uint64_t share, shares; /* ids of this pass: id % shares == share */
    struct suspect *suspects;
    size_t suspect_count;
    uint64_t missing_told, doubled_told;
    uint64_t unproved; /* of this pass: seemed missing, but the log was trimmed meanwhile */
    struct buf key, line;
    uint64_t *quarantined; /* ledger__place_id() of what stands in quarantine tables, sorted */
    size_t quarantined_count, quarantined_cap;
};

/* ---- entries ---- */

static bool is_mine(const struct comparing *c, uint64_t id)
{
    return id % c->shares == c->share;
}

static struct entry *find(struct comparing *c, uint64_t id)
{
    for (uint64_t i = id * 0x9e3779b97f4a7c15ull >> 20;; i++) {
        struct entry *en = &c->entries[i & c->mask];
        if (en->id == id || en->id == 0)
            return en;
    }
}

/* ---- quarantine ---- */

static int by_id(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int note_quarantined(void *ctx, struct verify_table *t, const struct verify_row *r,
                            const struct verify_where *at)
{
    struct comparing *c = ctx;
    (void)at;
    if (!catalog_is_quarantine(t->meta->name))
        return 0;
    if (c->quarantined_count == c->quarantined_cap) {
        c->quarantined_cap = MAX((size_t)1024, c->quarantined_cap * 2);
        c->quarantined = mem_realloc(c->quarantined, c->quarantined_cap * sizeof(*c->quarantined));
    }
    const struct row_value *v = r->values;
    c->quarantined[c->quarantined_count++] =
        ledger__place_id(&c->l, v[CATALOG_Q_STREAM_ID].bytes, v[CATALOG_Q_STREAM_OFFSET].i64,
                         v[CATALOG_Q_RECORD_INDEX].i64);
    return 0;
}

/* A pass of its own, and only when there is a quarantine table. */
static int read_quarantined(struct comparing *c, struct err *e)
{
    struct verify *v = c->l.v;
    bool some = false;
    for (size_t i = 0; i < v->table_count; i++)
        some = some || catalog_is_quarantine(v->tables[i]->meta->name);
    if (!some)
        return 0;
    TRY(verify__pass(v, false, note_quarantined, c, e));
    if (c->quarantined_count > 0)
        qsort(c->quarantined, c->quarantined_count, sizeof(*c->quarantined), by_id);
    return 0;
}

static bool is_quarantined(struct comparing *c, const struct ledger_row *r)
{
    if (c->quarantined_count == 0)
        return false;
    uint64_t id = ledger__place_id(&c->l, slice_str(r->stream->name), r->request, r->record);
    return bsearch(&id, c->quarantined, c->quarantined_count, sizeof(id), by_id) != NULL;
}

static int add_row(void *ctx, const struct ledger_row *r)
{
    struct comparing *c = ctx;
    uint64_t id = ledger__id(&c->l, r->stream->table, r->key, r->crc) | 1;
    if (!is_mine(c, id >> 1))
        return 0;
    struct entry *en = find(c, id);
    if (en->id == 0)
        *en = (struct entry){.id = id, .file = r->file, .offset = r->offset};
    bool acked = r->request <= r->stream->acked;
    bool elsewhere = acked && is_quarantined(c, r);
    en->sent++;
    en->acked += acked && !elsewhere;
    c->l.v->report->ledger_sent++;
    c->l.v->report->ledger_acked += acked;
    c->l.v->report->ledger_quarantined += elsewhere;
    return 0;
}

static int count_row(void *ctx, struct verify_table *t, const struct verify_row *r,
                     const struct verify_where *at)
{
    struct comparing *c = ctx;
    const struct ledger_table *lt = ledger__table(&c->l, t->meta->id);
    (void)at;
    if (lt == NULL || !lt->compared)
        return 0;
    ledger__key_text(lt, r->values, &c->key);
    uint64_t id = ledger__id(&c->l, lt, buf_slice(&c->key), lt->hashed ? r->crc : 0) | 1;
    if (!is_mine(c, id >> 1))
        return 0;
    struct entry *en = find(c, id);
    if (en->id != 0)
        en->found++;
    return 0;
}

/* ---- which ones ---- */

static int suspect(struct comparing *c, const struct entry *en, struct err *e)
{
    struct verify_report *report = c->l.v->report;
    bool doubled = en->found > en->sent;
    uint64_t *told = doubled ? &c->doubled_told : &c->missing_told;
    *(doubled ? &report->ledger_doubled : &report->ledger_missing) +=
        doubled ? en->found - en->sent : en->acked - en->found;
    report->faults++;
    if ((*told)++ >= verify__details(c->l.v))
        return 0;
    report->faults--; /* it is counted when it is told */
    struct ledger_row r;
    TRY(ledger__row_at(&c->l, en->file, en->offset, &c->line, &r, e));
    c->suspects = mem_realloc(c->suspects, (c->suspect_count + 1) * sizeof(*c->suspects));
    struct suspect *s = &c->suspects[c->suspect_count++];
    *s = (struct suspect){.entry = *en, .is_doubled = doubled, .request = r.request};
    s->key_id = ledger__key_id(&c->l, r.stream->table, r.key);
    (void)catalog_stream_by_uuid(c->l.v->catalog, r.stream->name, &s->stream_id, NULL);
    return 0;
}

/* Rows that moved from the log to Delta and were trimmed while we looked are not seen. */
static bool was_trimmed_meanwhile(const struct comparing *c)
{
    const struct verify *v = c->l.v;
    const struct ledger_table *t;
    for (size_t i = 0; v->report->live && (t = map_next(&c->l.tables, &i)) != NULL;)
        if (v->lake != NULL && v->log_from > t->table->txn + 1)
            return true;
    return false;
}

static int judge(struct comparing *c, struct err *e)
{
    bool trimmed = was_trimmed_meanwhile(c);
    c->unproved = 0;
    for (uint64_t i = 0; i <= c->mask; i++) {
        const struct entry *en = &c->entries[i];
        if (en->id == 0 || (en->found >= en->acked && en->found <= en->sent))
            continue;
        if (trimmed && en->found < en->acked)
            c->unproved++;
        else
            TRY(suspect(c, en, e));
    }
    return 0;
}

/* ---- where ---- */

static void add_place(struct suspect *s, const struct verify_table *t,
                      const struct verify_where *at)
{
    size_t used = strlen(s->places);
    s->other_found = true;
    if (used + 100 >= sizeof(s->places))
        return;
    if (at->file != NULL)
        (void)snprintf(s->places + used, sizeof(s->places) - used, "%s%s row %" PRIu64,
                       used > 0 ? ", " : "", at->file->path, at->index);
    else
        (void)snprintf(s->places + used, sizeof(s->places) - used, "%sthe log, position %" PRIu64,
                       used > 0 ? ", " : "", at->pos);
    (void)t;
}

static int look_for(void *ctx, struct verify_table *t, const struct verify_row *r,
                    const struct verify_where *at)
{
    struct comparing *c = ctx;
    const struct ledger_table *lt = ledger__table(&c->l, t->meta->id);
    if (lt == NULL || !lt->compared)
        return 0;
    ledger__key_text(lt, r->values, &c->key);
    uint64_t key_id = ledger__key_id(&c->l, lt, buf_slice(&c->key));
    uint64_t id = ledger__id(&c->l, lt, buf_slice(&c->key), lt->hashed ? r->crc : 0) | 1;
    for (size_t i = 0; i < c->suspect_count; i++) {
        struct suspect *s = &c->suspects[i];
        if (s->is_doubled ? s->entry.id == id : s->key_id == key_id && s->entry.id != id)
            add_place(s, t, at);
    }
    return 0;
}

static int look_in_log(void *ctx, const char *segment, const struct bronze_block *b,
                       const struct bronze_frame *f)
{
    struct comparing *c = ctx;
    (void)segment;
    for (size_t i = 0; i < c->suspect_count && f->kind != BRONZE_CONTROL; i++) {
        struct suspect *s = &c->suspects[i];
        if (s->stream_id == 0 || s->stream_id != f->stream_id ||
            (uint64_t)s->request < f->first_offset ||
            (uint64_t)s->request >= f->first_offset + f->offset_count)
            continue;
        s->log_pos = f->kind == BRONZE_SINGLES
                         ? f->first_pos + ((uint64_t)s->request - f->first_offset)
                         : f->first_pos;
        s->segment = b->segment;
        s->block = b->offset;
    }
    return 0;
}

static void tell(struct comparing *c, const struct suspect *s, const struct ledger_row *r)
{
    struct verify *v = c->l.v;
    bool different = !s->is_doubled && s->other_found;
    char log[96] = "";
    if (s->log_pos != 0)
        (void)snprintf(log, sizeof(log),
                       "; the log has it at position %" PRIu64 ", segment %" PRIu64
                       ", block at %" PRIu64,
                       s->log_pos, s->segment, s->block);
    else if (s->stream_id != 0)
        (void)snprintf(log, sizeof(log), "; the log does not hold it (any more)");
    struct verify_place at = {.what = s->is_doubled ? "doubled"
                                      : different   ? "different"
                                                    : "missing",
                              .table = r->stream->table->table->meta->name,
                              .folder = c->l.files[s->entry.file].path,
                              .offset = s->entry.offset,
                              .has_offset = true,
                              .position = s->log_pos};
    v->report->ledger_different += different;
    verify__fault(v, &at,
                  "stream %s offset %" PRId64 " key %.*s: sent %u times, acknowledged %u, found %u"
                  "%s%s%s",
                  r->stream->name, r->request, (int)MIN(r->key.len, 64u), (const char *)r->key.data,
                  s->entry.sent, s->entry.acked, s->entry.found,
                  different       ? "; other content with this key: "
                  : s->is_doubled ? "; "
                                  : "",
                  s->places, log);
}

static int explain(struct comparing *c, struct err *e)
{
    struct verify *v = c->l.v;
    if (c->suspect_count == 0)
        return 0;
    TRY(verify__pass(v, false, look_for, c, e));
    TRY(verify__frames(v, look_in_log, c, e));
    for (size_t i = 0; i < c->suspect_count; i++) {
        struct ledger_row r;
        const struct suspect *s = &c->suspects[i];
        TRY(ledger__row_at(&c->l, s->entry.file, s->entry.offset, &c->line, &r, e));
        tell(c, s, &r);
    }
    return 0;
}

/* ---- the passes ---- */

static void size_entries(struct comparing *c)
{
    const struct verify_options *o = c->l.v->o;
    uint64_t budget = o->memory_bytes != 0 ? o->memory_bytes : VERIFY_MEMORY;
    uint64_t fit = MAX(budget / sizeof(struct entry) / 2, 1024);
    uint64_t rows = c->l.row_count;
    c->shares = rows / fit + 1;
    uint64_t cap = 1024;
    while (cap < 2 * (rows / c->shares + rows / c->shares / 8 + 64))
        cap *= 2;
    c->mask = cap - 1;
}

static int one_pass(struct comparing *c, struct err *e)
{
    struct verify *v = c->l.v;
    memset(c->entries, 0, (c->mask + 1) * sizeof(*c->entries));
    c->suspect_count = 0;
    verify__stage(v, "ledgers", 0);
    TRY(ledger__rows(&c->l, add_row, c, e));
    TRY(verify__pass(v, c->share == 0, count_row, c, e));
    TRY(judge(c, e));
    if (c->unproved > 0)
        verify__note(v, AT(.what = "unchecked"),
                     "the log was trimmed while rows were compared with the ledgers: verify again");
    return explain(c, e);
}

int verify__ledgers(struct verify *v, struct err *e)
{
    struct comparing c = {.shares = 1};
    int r = ledger__open(&c.l, v, e);
    if (r == 0)
        r = read_quarantined(&c, e);
    if (r == 0) {
        size_entries(&c);
        c.entries = mem_alloc((c.mask + 1) * sizeof(*c.entries));
    }
    for (; r == 0 && c.share < c.shares; c.share++)
        r = one_pass(&c, e);
    ledger__close(&c.l);
    mem_free(c.entries);
    mem_free(c.suspects);
    mem_free(c.quarantined);
    buf_deinit(&c.key);
    buf_deinit(&c.line);
    return r;
}
