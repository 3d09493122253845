/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replay of quarantined records (ingest.h). Each run of records of one form has a stream of its own
 * in the catalog, under the descriptor they came with, so that their rows are rows like any other.
 *
 *   R1  a record's row and the mark that it was replayed are two frames of one request (L6)
 *   R2  the mark has the key of the quarantined row: the store shows it instead of that one, and
 *       the next replay passes it over
 *
 * Thread: the admin worker's. It waits for room in the log, and at the end for the durable one.
 */
#include "ingest/ingest.h"

#include "ingest_priv.h"
#include "judge_priv.h"

#include "base/mem.h"
#include "bronze/bronze.h"
#include "codec/codec.h"
#include "sys/sys.h"

#define ROOM_WAIT_MS_MAX    10000
#define ROOM_STEP_MS        5
#define DURABLE_WAIT_MS_MAX 30000

struct ingest_replay {
    struct ingest *in;
    struct catalog_table *table, *quarantine;
    const char *principal;
    struct catalog_stream stream; /* of the records at hand */
    bool is_open, json;
    uint64_t came_with; /* their descriptor id in the quarantine table */
    uint64_t offset;
    uint64_t ticket; /* of the newest; 0: none */
    struct judge judge;
    struct buf mark, descriptor;
};

struct ingest_replay *ingest_replay_new(struct ingest *in, struct catalog_table *table,
                                        struct catalog_table *quarantine, const char *principal)
{
    struct ingest_replay *r = mem_zalloc(sizeof(*r));
    r->in = in;
    r->table = catalog_table_ref(table);
    r->quarantine = catalog_table_ref(quarantine);
    r->principal = principal;
    atomic_fetch_add(&table->live->streams_open, 1); /* a drop waits for us */
    return r;
}

static void close_stream(struct ingest_replay *r)
{
    if (r->is_open)
        catalog_close_stream(ingest__options(r->in)->catalog, &r->stream);
    r->is_open = false;
    r->offset = 0;
}

/* A stream for records of this form. INGEST_STILL_BAD: they cannot be read any more. */
static int open_stream(struct ingest_replay *r, bool json, uint64_t descriptor_id, struct err *e)
{
    const struct ingest_options *o = ingest__options(r->in);
    if (r->is_open && r->json == json && r->came_with == descriptor_id)
        return 0;
    close_stream(r);
    buf_reset(&r->descriptor);
    if (!json &&
        !catalog_descriptor(o->catalog, r->table->id, (uint32_t)descriptor_id, &r->descriptor)) {
        (void)err_set(e, ERR_NOT_FOUND,
                      "the descriptor that it came with is not known any more: the table was "
                      "dropped and made again");
        return INGEST_STILL_BAD;
    }
    int rc = catalog_open_stream(o->catalog, r->table, buf_slice(&r->descriptor), r->principal,
                                 &r->stream, e);
    if (rc > 0)
        return err_set(e, ERR_EXHAUSTED, "the log takes no records at the moment; try again");
    if (rc == ERR_INVALID || rc == ERR_UNSUPPORTED)
        return INGEST_STILL_BAD;
    if (rc < 0)
        return err_wrap(e, "table %s", r->table->name);
    r->is_open = true;
    r->json = json;
    r->came_with = descriptor_id;
    return 0;
}

static int append(struct ingest_replay *r, struct slice row, struct err *e)
{
    const struct ingest_options *o = ingest__options(r->in);
    struct slice mark = buf_slice(&r->mark);
    struct bronze_append also = {
        .kind = BRONZE_ROWS,
        .table_id = r->quarantine->id,
        .descriptor_id = r->quarantine->own_id,
        .stream_id = r->stream.id,
        .offset = r->offset,
        .rows = &mark,
        .row_count = 1,
    };
    struct bronze_append a = {
        .kind = BRONZE_ROWS,
        .table_id = r->table->id,
        .descriptor_id = r->stream.descriptor_id,
        .stream_id = r->stream.id,
        .offset = r->offset,
        .rows = &row,
        .row_count = 1,
        .also = &also,
    };
    int rc = bronze_append(o->log, &a);
    for (uint32_t ms = 0; rc > 0 && ms < ROOM_WAIT_MS_MAX; ms += ROOM_STEP_MS) {
        sys_sleep_ms(o->sys, ROOM_STEP_MS);
        rc = bronze_append(o->log, &a);
    }
    if (rc == ERR_INVALID) {
        (void)err_set(e, rc,
                      "as a row it has %zu bytes, with which it does not fit into a block of the "
                      "log (%u bytes)",
                      row.len, BLOCK_BYTES_MAX);
        return INGEST_STILL_BAD;
    }
    if (rc != 0)
        return err_set(e, rc < 0 ? rc : ERR_EXHAUSTED,
                       "the log has no room for replayed rows; try again later");
    r->offset++;
    r->ticket = a.ticket;
    ingest__raise_last_pos(r->table, a.last_pos);
    ingest__raise_last_pos(r->quarantine, also.last_pos);
    atomic_fetch_add(&r->table->live->rows_appended, 1);
    atomic_fetch_add(&r->table->live->rows_replayed, 1);
    atomic_fetch_add(&r->quarantine->live->rows_appended, 1);
    return 0;
}

/* The quarantined row once more, without its content, as replayed now. */
static void make_mark(struct ingest_replay *r, const struct row_value *bad)
{
    struct row_value values[CATALOG_QUARANTINE_COLUMNS];
    memcpy(values, bad, sizeof(values));
    values[CATALOG_Q_RAW] = values[CATALOG_Q_JSON] = (struct row_value){.null = true};
    values[CATALOG_Q_REPLAYED] = (struct row_value){.i64 = sys_now_us(ingest__options(r->in)->sys)};
    buf_reset(&r->mark);
    codec_values_to_row(r->quarantine->schema, values, &r->mark);
}

int ingest_replay_row(struct ingest_replay *r, const struct row_value *bad, struct err *e)
{
    if (atomic_load(&r->table->live->dropped))
        return err_set(e, ERR_NOT_FOUND, "table %s has been dropped", r->table->name);
    bool json = slice_eq(bad[CATALOG_Q_FORMAT].bytes, slice_str("json"));
    int rc = open_stream(r, json, (uint64_t)bad[CATALOG_Q_DESCRIPTOR_ID].i64, e);
    if (rc != 0)
        return rc;
    struct judge_by by = {
        r->stream.table, NULL,        r->stream.plan, r->stream.descriptor_id, json,
        r->stream.uuid,  r->principal};
    struct slice rule, record = bad[CATALOG_Q_RAW].bytes;
    buf_reset(&r->judge.json);
    enum verdict v = ingest__judge_one(&r->judge, &by, record, &rule, e);
    if (v == VERDICT_DROP)
        (void)err_set(e, ERR_INVALID, "rule \"%.*s\" drops it", (int)rule.len,
                      (const char *)rule.data);
    if (v != VERDICT_KEEP)
        return INGEST_STILL_BAD;
    make_mark(r, bad);
    return append(r, json ? buf_slice(&r->judge.json) : record, e);
}

int ingest_replay_end(struct ingest_replay *r, struct err *e)
{
    int rc = 0;
    if (r->ticket > 0 &&
        bronze_wait(ingest__options(r->in)->log, r->ticket, DURABLE_WAIT_MS_MAX) < 0)
        rc = err_set(e, ERR_UNAVAILABLE,
                     "the log has not made the replayed rows durable in time; they will be: look "
                     "again before you replay again");
    close_stream(r);
    atomic_fetch_sub(&r->table->live->streams_open, 1);
    r->table = catalog_table_unref(r->table);
    r->quarantine = catalog_table_unref(r->quarantine);
    ingest__judge_deinit(&r->judge);
    buf_deinit(&r->mark);
    buf_deinit(&r->descriptor);
    mem_free(r);
    return rc;
}
