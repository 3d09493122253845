/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sluice.v1.Quarantine: list and replay, both over a scan of the quarantine table, in pages: the
 * cursor of an answer is the key of the last row it has looked at. On the admin worker, so one
 * replay at a time; each waits until what the one before has logged is durable, and begins with
 * waiting until the store shows it: no record is replayed twice.
 */
#include "admin_priv.h"

#include "base/limits.h"
#include "base/mem.h"
#include "codec/codec.h"
#include "row/row.h"
#include "sluice/v1/sluice.pb-c.h"

#include <string.h>

enum { PAGE_FULL = 1 };

struct page {
    struct job *job;
    struct catalog_table *table, *quarantine; /* references; table NULL: only listed */
    struct buf cursor;
    struct row_value values[CATALOG_QUARANTINE_COLUMNS];
    uint32_t looked_at;
    /* list */
    Sluice__V1__QuarantinedRow **rows;
    size_t row_count, rows_max, bytes;
    bool with_replayed;
    /* replay */
    void *replay;
    uint64_t replayed, still_bad;
};

/* The quarantine table of @name, and whether the token may read it. */
static int open_page(struct page *p, const char *name, struct err *e)
{
    struct catalog *c = admin__options(p->job->admin)->catalog;
    char *quarantine = catalog_quarantine_name(name);
    int r = catalog_may(p->job->token, CATALOG_READ, quarantine, e);
    if (r == 0)
        r = catalog_table_by_name(c, quarantine, &p->quarantine, NULL);
    if (r == ERR_NOT_FOUND)
        (void)err_set(e, r, "table %.255s has no quarantine table", name);
    mem_free(quarantine);
    return r;
}

static void close_page(struct page *p)
{
    p->table = catalog_table_unref(p->table);
    p->quarantine = catalog_table_unref(p->quarantine);
    buf_deinit(&p->cursor);
}

static char *text_of(struct job *j, const struct row_value *v)
{
    char *text = job_alloc(j, v->null ? 1 : v->bytes.len + 1);
    if (!v->null && v->bytes.len > 0)
        memcpy(text, v->bytes.data, v->bytes.len);
    return text;
}

/* @why: the reason now; NULL: as it was. */
static Sluice__V1__QuarantinedRow *row_message(struct page *p, const char *why)
{
    struct job *j = p->job;
    const struct row_value *v = p->values;
    Sluice__V1__QuarantinedRow *m = job_alloc(j, sizeof(*m));
    sluice__v1__quarantined_row__init(m);
    m->arrived_us = v[CATALOG_Q_ARRIVED].i64;
    m->stream_id = text_of(j, &v[CATALOG_Q_STREAM_ID]);
    m->stream_offset = v[CATALOG_Q_STREAM_OFFSET].i64;
    m->record_index = (int32_t)v[CATALOG_Q_RECORD_INDEX].i64;
    m->reason = why != NULL ? job_str(j, why) : text_of(j, &v[CATALOG_Q_REASON]);
    m->rule = text_of(j, &v[CATALOG_Q_RULE]);
    m->column_path = text_of(j, &v[CATALOG_Q_COLUMN_PATH]);
    m->principal = text_of(j, &v[CATALOG_Q_PRINCIPAL]);
    m->format = text_of(j, &v[CATALOG_Q_FORMAT]);
    m->replayed_us = v[CATALOG_Q_REPLAYED].null ? 0 : v[CATALOG_Q_REPLAYED].i64;
    return m;
}

static void add_content(struct page *p, Sluice__V1__QuarantinedRow *m)
{
    const struct row_value *v = p->values;
    m->json = text_of(p->job, &v[CATALOG_Q_JSON]);
    m->raw.data = (uint8_t *)text_of(p->job, &v[CATALOG_Q_RAW]);
    m->raw.len = v[CATALOG_Q_RAW].null ? 0 : v[CATALOG_Q_RAW].bytes.len;
    p->bytes += m->raw.len + strlen(m->json) + 512;
}

/* Decodes the row into p->values. */
static int take_row(struct page *p, struct slice key, struct slice row, uint32_t descriptor_id)
{
    const struct codec_plan *plan =
        catalog_plan(admin__options(p->job->admin)->catalog, p->quarantine->id, descriptor_id);
    if (plan == NULL || codec_plan_schema(plan)->column_count != CATALOG_QUARANTINE_COLUMNS ||
        codec_decode(plan, row, NULL, p->values) < 0)
        return err_set(&p->job->err, ERR_DAMAGED, "table %s: a row cannot be decoded",
                       p->quarantine->name);
    buf_reset(&p->cursor);
    buf_add_slice(&p->cursor, key);
    p->looked_at++;
    return 0;
}

static int scan(struct page *p, const ProtobufCBinaryData *cursor, admin_scan_fn *fn)
{
    const struct admin_hooks *hooks = &admin__options(p->job->admin)->hooks;
    return hooks->scan(hooks->ctx, p->quarantine, slice_of(cursor->data, cursor->len), fn, p,
                       &p->job->err);
}

/* The cursor for the answer: none at the end. */
static void give_cursor(struct page *p, int outcome, ProtobufCBinaryData *ret)
{
    if (outcome != PAGE_FULL)
        return;
    ret->data = job_alloc(p->job, p->cursor.len + 1);
    memcpy(ret->data, p->cursor.data, p->cursor.len);
    ret->len = p->cursor.len;
}

/* ---- list ---- */

static int list_row(void *ctx, struct slice key, struct slice row, uint32_t descriptor_id)
{
    struct page *p = ctx;
    TRY(take_row(p, key, row, descriptor_id));
    if (p->with_replayed || p->values[CATALOG_Q_REPLAYED].null) {
        Sluice__V1__QuarantinedRow *m = row_message(p, NULL);
        add_content(p, m);
        p->rows[p->row_count++] = m;
    }
    bool full = p->row_count == p->rows_max || p->bytes >= QUARANTINE_LIST_BYTES_MAX ||
                p->looked_at >= 100 * QUARANTINE_LIST_MAX;
    return full ? PAGE_FULL : 0;
}

int admin__quarantine_list(struct job *j)
{
    const Sluice__V1__ListQuarantineRequest *q = (const void *)j->request;
    struct page p = {.job = j, .with_replayed = q->with_replayed};
    p.rows_max = q->limit == 0 ? 100 : MIN(q->limit, QUARANTINE_LIST_MAX);
    p.rows = job_alloc(j, p.rows_max * sizeof(struct page *));
    Sluice__V1__ListQuarantineResponse *a = job_alloc(j, sizeof(*a));
    sluice__v1__list_quarantine_response__init(a);
    int r = open_page(&p, q->table, &j->err);
    if (r == 0)
        r = scan(&p, &q->cursor, list_row);
    if (r >= 0)
        give_cursor(&p, r, &a->cursor);
    close_page(&p);
    a->rows = p.rows;
    a->n_rows = p.row_count;
    j->answer = &a->base;
    return MIN(r, 0);
}

/* ---- replay ---- */

static int replay_row(void *ctx, struct slice key, struct slice row, uint32_t descriptor_id)
{
    struct page *p = ctx;
    const struct admin_hooks *hooks = &admin__options(p->job->admin)->hooks;
    TRY(take_row(p, key, row, descriptor_id));
    if (p->values[CATALOG_Q_REPLAYED].null) {
        struct err why = {0};
        int r = hooks->replay_row(p->replay, p->values, &why);
        if (r < 0)
            return err_set(&p->job->err, r, "%s", why.text);
        p->replayed += r == 0;
        p->still_bad += r > 0;
        if (r > 0 && p->row_count < QUARANTINE_TOLD_MAX)
            p->rows[p->row_count++] = row_message(p, why.text);
    }
    return p->looked_at >= QUARANTINE_REPLAY_MAX ? PAGE_FULL : 0;
}

static int run_replay(struct page *p, const Sluice__V1__ReplayRequest *q)
{
    struct job *j = p->job;
    const struct admin_options *o = admin__options(j->admin);
    TRY(catalog_may(j->token, CATALOG_WRITE, q->table, &j->err));
    TRY(open_page(p, q->table, &j->err));
    TRY(catalog_table_by_name(o->catalog, q->table, &p->table, &j->err));
    p->replay = o->hooks.replay_new(o->hooks.ctx, p->table, p->quarantine, j->token->name);
    int r = scan(p, &q->cursor, replay_row);
    int ended = o->hooks.replay_end(p->replay, r < 0 ? NULL : &j->err);
    return r < 0 || ended == 0 ? r : ended;
}

int admin__quarantine_replay(struct job *j)
{
    const Sluice__V1__ReplayRequest *q = (const void *)j->request;
    struct page p = {.job = j};
    p.rows = job_alloc(j, QUARANTINE_TOLD_MAX * sizeof(struct page *));
    Sluice__V1__ReplayResponse *a = job_alloc(j, sizeof(*a));
    sluice__v1__replay_response__init(a);
    int r = run_replay(&p, q);
    if (r >= 0)
        give_cursor(&p, r, &a->cursor);
    a->replayed = p.replayed;
    a->still_bad = p.still_bad;
    a->bad = p.rows;
    a->n_bad = p.row_count;
    close_page(&p);
    j->answer = &a->base;
    return MIN(r, 0);
}
