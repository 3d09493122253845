/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A damaged log's rows, as far as they can be read, as NDJSON. Two passes over the files: the
 * first for the catalog (a snapshot behind the damage may say what a lost record said), the second
 * for the rows. What is readable is bronze's judgement (bronze/check.h): a block counts when all
 * its checksums do. A row that no descriptor renders is written as the bytes it is.
 */
#include "rescue/rescue.h"
#include "rescue_priv.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/must.h"
#include "bronze/check.h"
#include "codec/codec.h"
#include "spill/spill.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct salvage {
    struct rescue_log *r;
    struct bronze_check check;
    struct catalog *catalog;
    struct buf line, text; /* scratch */
    struct row_value *values;
    uint32_t value_cap;
    struct arena arena; /* what the values hold */
    bool counting;      /* the first pass */
    bronze_pos below;   /* rows with positions below it only */
};

static void show_progress(struct salvage *v)
{
    if (v->r->progress != NULL)
        v->r->progress(v->r->ctx, v->counting ? "catalog" : "rows", v->check.bytes,
                       v->check.bytes_total);
}

/* ---- the first pass ---- */

static int take_controls(void *ctx, const char *segment, const struct bronze_block *b)
{
    struct salvage *v = ctx;
    struct bronze_frame f;
    for (size_t at = 0; bronze_block_frame(b, &at, &f);) {
        if (f.kind != BRONZE_CONTROL || catalog_on_control(v->catalog, &f) == 0)
            continue;
        v->r->faults++;
        (void)fprintf(v->r->tell,
                      "log/%s at byte %" PRIu64 ": the control record at position %" PRIu64
                      " makes no sense\n",
                      segment, b->offset, f.first_pos);
    }
    show_progress(v);
    return 0;
}

/* ---- the second pass ---- */

static void put_base64(struct buf *out, struct slice s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < s.len; i += 3) {
        size_t n = MIN(s.len - i, (size_t)3);
        uint32_t v = (uint32_t)s.data[i] << 16;
        v |= n > 1 ? (uint32_t)s.data[i + 1] << 8 : 0;
        v |= n > 2 ? s.data[i + 2] : 0;
        buf_add_byte(out, (uint8_t)digits[v >> 18]);
        buf_add_byte(out, (uint8_t)digits[v >> 12 & 63]);
        buf_add_byte(out, (uint8_t)(n > 1 ? digits[v >> 6 & 63] : '='));
        buf_add_byte(out, (uint8_t)(n > 2 ? digits[v & 63] : '='));
    }
}

/* The row as JSON into v->text; false: no descriptor renders it. */
static bool render(struct salvage *v, const struct bronze_frame *f, struct slice row)
{
    const struct codec_plan *plan = catalog_plan(v->catalog, f->table_id, f->descriptor_id);
    if (plan == NULL)
        return false;
    const struct row_schema *schema = codec_plan_schema(plan);
    if (v->value_cap < schema->column_count) {
        v->value_cap = schema->column_count;
        v->values = mem_realloc(v->values, v->value_cap * sizeof(*v->values));
    }
    arena_reset(&v->arena);
    if (codec_decode(plan, row, &v->arena, v->values) < 0)
        return false;
    buf_reset(&v->text);
    codec_values_to_json(schema, v->values, &v->text);
    return true;
}

static void put_row(struct salvage *v, struct json *j, const struct bronze_frame *f,
                    struct slice row)
{
    if (render(v, f, row)) {
        json_key(j, "row");
        json_raw(j, buf_slice(&v->text));
        return;
    }
    v->r->rows_raw++;
    buf_reset(&v->text);
    put_base64(&v->text, row);
    json_key(j, "descriptor_id");
    json_u64(j, f->descriptor_id);
    json_key(j, "row_base64");
    json_slice(j, buf_slice(&v->text));
}

static void put_table(struct salvage *v, struct json *j, const struct bronze_frame *f)
{
    struct catalog_table *t = catalog_table_by_id(v->catalog, f->table_id);
    json_key(j, "table");
    if (t != NULL)
        json_str(j, t->name);
    else
        json_null(j);
    catalog_table_unref(t);
    json_key(j, "table_id");
    json_u64(j, f->table_id);
}

static void put_stream(struct salvage *v, struct json *j, const struct bronze_frame *f,
                       uint64_t index)
{
    char uuid[UUID_TEXT_LEN + 1];
    json_key(j, "stream");
    if (catalog_stream_uuid(v->catalog, f->stream_id, uuid))
        json_str(j, uuid);
    else
        json_null(j);
    json_key(j, "stream_id");
    json_u64(j, f->stream_id);
    json_key(j, "offset");
    json_u64(j, f->first_offset + (f->kind == BRONZE_SINGLES ? index : 0));
}

static int write_row(struct salvage *v, const struct bronze_frame *f, uint64_t index,
                     struct slice row)
{
    buf_reset(&v->line);
    struct json j = json_on(&v->line);
    json_open(&j, '{');
    put_table(v, &j, f);
    json_key(&j, "position");
    json_u64(&j, f->first_pos + index);
    put_stream(v, &j, f, index);
    json_key(&j, "time_us");
    json_i64(&j, f->time_us);
    put_row(v, &j, f, row);
    json_close(&j, '}');
    buf_add_byte(&v->line, '\n');
    v->r->rows++;
    return fwrite(v->line.data, 1, v->line.len, v->r->out) == v->line.len ? 0 : ERR_IO;
}

static int write_rows(void *ctx, const char *segment, const struct bronze_block *b)
{
    struct salvage *v = ctx;
    struct bronze_frame f;
    (void)segment;
    for (size_t at = 0; bronze_block_frame(b, &at, &f);) {
        struct slice row;
        size_t row_at = 0;
        if (f.kind == BRONZE_CONTROL)
            continue;
        for (uint64_t i = 0; bronze_frame_row(&f, &row_at, &row); i++)
            if (f.first_pos + i < v->below)
                TRY(write_row(v, &f, i, row));
    }
    show_progress(v);
    return 0;
}

static void tell_fault(void *ctx, const char *file, uint64_t offset, const char *what)
{
    struct salvage *v = ctx;
    if (v->counting)
        return; /* the second pass finds it again */
    v->r->faults++;
    (void)fprintf(v->r->tell, "%s at byte %" PRIu64 ": %s\n", file, offset, what);
}

/* ---- both ---- */

static int pass(struct salvage *v, struct sys *s, bool counting, struct err *e)
{
    v->counting = counting;
    v->check = (struct bronze_check){
        .path = v->r->data,
        .on_block = counting ? take_controls : write_rows,
        .on_fault = tell_fault,
        .ctx = v,
    };
    return bronze_check(s, &v->check, e);
}

/* ---- rows that were spilled, and are not in the log any more ---- */

static void tell_spill(void *ctx, const struct spill_file *f, uint64_t offset, const char *what)
{
    struct salvage *v = ctx;
    v->r->faults++;
    (void)fprintf(v->r->tell, "spill/%s at byte %" PRIu64 ": %s\n", f->name, offset, what);
}

static int write_spilled(struct salvage *v, const struct spill_folder *d,
                         const struct spill_file *f, struct err *e)
{
    _cleanup_(spill_reader_closep) struct spill_reader *r = NULL;
    struct bronze_block b;
    if (f->damaged)
        return 0; /* told */
    int rc = spill_reader_open(d, f, &r, e);
    while (rc == 0 && (rc = spill_reader_next(r, &b, e)) == 0)
        TRY(write_rows(v, f->name, &b));
    bool unreadable = rc == ERR_DAMAGED || rc == ERR_IO;
    if (unreadable)
        tell_spill(v, f, r != NULL ? spill_reader_offset(r) : 0, e->text);
    return rc == SPILL_END || unreadable ? 0 : rc;
}

static int spilled(struct salvage *v, struct sys *s, struct err *e)
{
    const struct spill_list l = {
        .folder = {s, v->r->data, v->check.uuid, v->check.timeline},
        .on_fault = tell_spill,
        .ctx = v,
    };
    struct spill_file *files = NULL;
    size_t count = 0;
    TRY(spill_list(&l, &files, &count, e));
    int r = 0;
    v->below = v->check.first_pos;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = write_spilled(v, &l.folder, &files[i], e);
    v->below = UINT64_MAX;
    mem_free(files);
    return r;
}

static int salvage(struct salvage *v, struct sys *s, struct err *e)
{
    TRY(pass(v, s, true, e));
    int r = spilled(v, s, e);
    if (r == 0)
        r = pass(v, s, false, e);
    if (r == ERR_IO && ferror(v->r->out))
        return err_set(e, ERR_IO, "the rows cannot be written: %s", strerrordesc_np(errno));
    TRY(r);
    return fflush(v->r->out) == 0
               ? 0
               : err_set(e, ERR_IO, "the rows cannot be written: %s", strerrordesc_np(errno));
}

int rescue_log(struct sys *s, struct rescue_log *r, struct err *e)
{
    _cleanup_(mem_freep) char *path = mem_printf("%s/LOCK", r->data);
    _cleanup_(sys_closep) struct sys_file *lock = NULL;
    bool exists;
    TRY(sys_exists(s, path, &exists, e));
    if (exists) {
        TRY(sys_open(s, path, SYS_WRITE, &lock, e));
        int locked = sys_lock(lock, 0, e);
        if (locked == ERR_BUSY)
            return err_set(e, ERR_BUSY, "%s is in use by another process: stop the server first",
                           r->data);
        TRY(locked);
    }
    struct salvage v = {.r = r, .catalog = catalog_new(s)};
    int rc = salvage(&v, s, e);
    catalog_free(v.catalog);
    buf_deinit(&v.line);
    buf_deinit(&v.text);
    mem_free(v.values);
    arena_deinit(&v.arena);
    return rc;
}
