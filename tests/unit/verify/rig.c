/* SPDX-License-Identifier: Apache-2.0 */
/* See rig.h. */
#include "rig.h"

#include "base/bits.h"
#include "base/crc.h"
#include "bronze/check.h"
#include "codec/codec.h"

#define MIB     (1024u * 1024)
#define HOUR_MS 3600000u

void rig_open(struct rig *x)
{
    struct bronze_options o = {.path = x->data,
                               .segment_bytes = 16 * MIB,
                               .log_bytes_max = 128 * MIB,
                               .memory_bytes = 32 * MIB};
    struct store_options so = {.cache_bytes = MIB, .write_buffer_bytes = MIB, .sys = x->sys};
    struct compact_options co = {.freshness_ms = HOUR_MS};
    char path[128];
    snprintf(path, sizeof(path), "%s/store", x->data);
    so.path = path;
    x->catalog = catalog_new(x->sys);
    int r = bronze_open(x->sys, &o, catalog_on_control, x->catalog, &x->log, &x->e);
    cr_assert_eq(r, 0, "%s", x->e.text);
    catalog_attach(x->catalog, x->log);
    cr_assert_eq(bronze_start(x->log, &x->e), 0);
    r = store_open_rocksdb(&so, &x->store, &x->e);
    cr_assert_eq(r, 0, "%s", x->e.text);
    cr_assert_eq(objstore_open_folder(x->sys, x->lake_path, &x->lake, &x->e), 0);
    struct compact_deps d = {x->sys, x->log, x->catalog, x->store, x->lake};
    r = compact_new(&d, &co, &x->compact, &x->e);
    cr_assert_eq(r, 0, "%s", x->e.text);
}

static void up(struct rig *x, bool keyed)
{
    static const char *const keys[] = {"id"};
    *x = (struct rig){.path = "/tmp/verify-test-XXXXXX", .keyed = keyed};
    struct catalog_create t = {.name = RIG_TABLE,
                               .ddl = "id BIGINT NOT NULL, text STRING",
                               .keys = keys,
                               .key_count = keyed ? 1 : 0};
    cr_assert_not_null(mkdtemp(x->path));
    snprintf(x->data, sizeof(x->data), "%s/data", x->path);
    snprintf(x->lake_path, sizeof(x->lake_path), "%s/lake", x->path);
    cr_assert_eq(sys_new_uring(&x->sys, &x->e), 0);
    cr_assert_eq(bronze_init(x->sys, x->data, &x->e), 0, "%s", x->e.text);
    rig_open(x);
    int r = catalog_create_table(x->catalog, &t, &x->table, &x->e);
    cr_assert_eq(r, 0, "%s", x->e.text);
}

void rig_up(struct rig *x)
{
    up(x, false);
}

void rig_up_keyed(struct rig *x)
{
    up(x, true);
}

static void row_bytes(struct rig *x, unsigned id, struct buf *out)
{
    char text[32];
    snprintf(text, sizeof(text), "row %u", id);
    struct row_value v[2] = {{.i64 = id}, {.bytes = slice_str(text)}};
    buf_reset(out);
    codec_values_to_row(x->table->schema, v, out);
}

static uint64_t append(struct rig *x, uint64_t stream, uint64_t offset, struct slice row)
{
    struct bronze_append a = {.kind = BRONZE_SINGLES,
                              .table_id = x->table->id,
                              .stream_id = stream,
                              .offset = offset,
                              .rows = &row,
                              .row_count = 1};
    cr_assert_eq(bronze_append(x->log, &a), 0);
    return a.ticket;
}

void rig_rows(struct rig *x, unsigned first, unsigned count, const char *ledger)
{
    struct catalog_stream s;
    struct buf row = BUF_NULL;
    uint64_t ticket = 0;
    FILE *f = ledger != NULL ? fopen(ledger, "a") : NULL;
    int r = catalog_open_stream(x->catalog, x->table, SLICE_NULL, "test", &s, &x->e);
    cr_assert_eq(r, 0, "%s", x->e.text);
    if (f != NULL)
        fprintf(f, "S\t%s\t" RIG_TABLE "\tid\tcrc32\n", s.uuid);
    for (unsigned i = 0; i < count; i++) {
        row_bytes(x, first + i, &row);
        if (f != NULL)
            fprintf(f, "R\t%s\t%u\t%u\t%08x\n", s.uuid, i, first + i,
                    crc32_ieee(0, row.data, row.len));
        ticket = append(x, s.id, i, buf_slice(&row));
    }
    cr_assert_eq(bronze_wait(x->log, ticket, 10000), 0);
    if (f != NULL) {
        fprintf(f, "A\t%s\t%u\n", s.uuid, count - 1);
        fclose(f);
    }
    snprintf(x->stream, sizeof(x->stream), "%s", s.uuid);
    catalog_close_stream(x->catalog, &s);
    buf_deinit(&row);
}

void rig_commit(struct rig *x)
{
    compact_drain(x->compact);
}

void rig_next_life(struct rig *x)
{
    rig_close(x);
    rig_open(x);
    cr_assert_eq(catalog_table_by_name(x->catalog, RIG_TABLE, &x->table, &x->e), 0);
}

static int skip_block(void *ctx, const char *segment, const struct bronze_block *b)
{
    (void)ctx;
    (void)segment;
    (void)b;
    return 0;
}

/* As the log's files say. */
static bronze_pos first_pos(struct rig *x)
{
    struct bronze_check k = {.path = x->data, .live = true, .on_block = skip_block};
    cr_assert_eq(bronze_check(x->sys, &k, &x->e), 0);
    return k.first_pos;
}

void rig_trim(struct rig *x)
{
    struct bronze_usage u;
    bronze_pos pos;
    bronze_usage(x->log, &u);
    int r = catalog_snapshot(x->catalog, &pos, &x->e);
    cr_assert_eq(r, 0, "%s", x->e.text);
    cr_assert_neq(u.next_trim_pos, 0);
    bronze_trim(x->log, u.next_trim_pos);
    for (int i = 0; i < 1000 && first_pos(x) < u.next_trim_pos; i++)
        sys_sleep_ms(x->sys, 5); /* the segment thread takes the file away */
    cr_assert_geq(first_pos(x), u.next_trim_pos);
}

static void apply_rows(struct rig *x, const struct bronze_frame *f, struct store_batch *batch)
{
    struct slice row;
    size_t at = 0;
    struct codec_plan *plan = catalog_plan(x->catalog, f->table_id, f->descriptor_id);
    for (bronze_pos pos = f->first_pos; bronze_frame_row(f, &at, &row); pos++) {
        if (pos > x->apply_to)
            return;
        struct row_value v[2];
        struct buf key = BUF_NULL, value = BUF_NULL;
        cr_assert_eq(codec_decode(plan, row, NULL, v), 0);
        buf_add_byte(&key, 'r');
        put_be32(buf_reserve(&key, 4), f->table_id);
        key.len += 4;
        cr_assert_eq(row_key_encode(x->table->schema, v, &key, &x->e), 0);
        put_be64(buf_reserve(&key, 8), ~pos);
        key.len += 8;
        put_le32(buf_reserve(&value, 4), f->descriptor_id);
        value.len = 4;
        buf_add_slice(&value, row);
        if (!x->skip_a_row)
            store_batch_put(batch, buf_slice(&key), buf_slice(&value));
        x->skip_a_row = false;
        buf_deinit(&key);
        buf_deinit(&value);
    }
}

/* What the apply thread does, as far as verify looks at it. */
static void apply(struct rig *x)
{
    struct bronze_reader *r;
    struct bronze_block b;
    struct bronze_frame f;
    uint8_t applied[8];
    struct store_batch *batch = store_batch_new(x->store);
    bronze_pos end = bronze_durable_pos(x->log), from = bronze_trimmed_pos(x->log);
    if (x->apply_to == 0 || x->apply_to > end)
        x->apply_to = end;
    cr_assert_eq(bronze_reader_open(x->log, "test", from, &r, &x->e), 0);
    while (bronze_reader_next(r, &b, &x->e) == 0)
        for (size_t at = 0; bronze_block_frame(&b, &at, &f);)
            if (f.kind == BRONZE_CONTROL && f.first_pos <= x->apply_to)
                catalog_persist(x->catalog, &f, batch);
            else if (f.kind != BRONZE_CONTROL && x->keyed)
                apply_rows(x, &f, batch);
    put_le64(applied, x->apply_to);
    x->apply_to = 0;
    store_batch_put(batch, slice_str("m/applied"), slice_of(applied, 8));
    cr_assert_eq(store_write(x->store, batch, &x->e), 0);
    store_batch_free(batch);
    r = bronze_reader_close(r);
}

void rig_close(struct rig *x)
{
    for (int i = 0; i < 1000 && bronze_durable_pos(x->log) < bronze_appended_pos(x->log); i++)
        sys_sleep_ms(x->sys, 5);
    apply(x);
    x->compact = compact_free(x->compact);
    x->table = catalog_table_unref(x->table);
    bronze_stop(x->log);
    x->catalog = catalog_free(x->catalog);
    x->log = bronze_close(x->log);
    x->store = store_close(x->store);
    x->lake = objstore_close(x->lake);
}

void rig_down(struct rig *x)
{
    char command[128];
    if (x->log != NULL)
        rig_close(x);
    x->sys = sys_free(x->sys);
    snprintf(command, sizeof(command), "rm -rf %s", x->path);
    cr_assert_eq(system(command), 0);
}

static void on_finding(void *ctx, const struct verify_finding *f)
{
    struct rig *x = ctx;
    size_t used = strlen(x->all);
    x->faults += f->kind == VERIFY_FAULT;
    x->notes += f->kind == VERIFY_NOTE;
    snprintf(x->all + used, sizeof(x->all) - used, "%s %s %s %s\n",
             f->kind == VERIFY_FAULT ? "fault" : "note", f->what, f->file, f->text);
    if (f->kind == VERIFY_FAULT && x->faults == 1)
        snprintf(x->first_fault, sizeof(x->first_fault), "%s %s %s", f->what, f->file, f->text);
}

uint64_t rig_verify(struct rig *x, struct verify_options o)
{
    x->faults = x->notes = 0;
    x->first_fault[0] = x->all[0] = '\0';
    o.data = x->data;
    o.lake = x->lake_path;
    o.on_finding = on_finding;
    o.ctx = x;
    x->e.text[0] = '\0';
    int r = verify_run(x->sys, &o, &x->report, &x->e);
    cr_assert_eq(r, 0, "%s", x->e.text);
    cr_assert_eq(x->report.faults, x->faults);
    return x->report.faults;
}

bool rig_told(const struct rig *x, const char *part)
{
    return strstr(x->all, part) != NULL;
}
