/* SPDX-License-Identifier: Apache-2.0 */
/* See rig.h. */
#include "rig.h"

#include "base/bits.h"
#include "codec/codec.h"

#define HOUR_MS 3600000u

static void open_log(struct rig *x)
{
    struct bronze_options o = {0};
    o.path = x->path;
    o.segment_bytes = 16 * RIG_UNIT;
    o.log_bytes_max = x->log_bytes_max;
    o.memory_bytes = 32 * RIG_UNIT;
    o.block_bytes_max = 4 * RIG_UNIT;
    x->catalog = catalog_new(x->sys);
    int r = bronze_open(x->sys, &o, catalog_on_control, x->catalog, &x->log, &x->e);
    cr_assert_eq(r, 0, "%s", x->e.text);
    catalog_attach(x->catalog, x->log);
    cr_assert_eq(bronze_start(x->log, &x->e), 0);
}

static void close_log(struct rig *x)
{
    bronze_stop(x->log);
    x->catalog = catalog_free(x->catalog);
    x->log = bronze_close(x->log);
}

void rig_open(struct rig *x)
{
    struct compact_deps d = {x->sys, x->log, x->catalog, x->store, x->lake};
    int r = compact_new(&d, &x->options, &x->c, &x->e);
    cr_assert_eq(r, 0, "%s", x->e.text);
}

void rig_up(struct rig *x)
{
    *x = (struct rig){.path = "/tmp/compact-test-XXXXXX", .draw = 1};
    x->options.freshness_ms = HOUR_MS;
    x->log_bytes_max = 160 * RIG_UNIT;
    x->options.table_log_bytes = x->log_bytes_max;
    cr_assert_not_null(mkdtemp(x->path));
    cr_assert_eq(sys_new_uring(&x->sys, &x->e), 0);
    cr_assert_eq(bronze_init(x->sys, x->path, &x->e), 0);
    open_log(x);
    x->store = store_open_model();
    char *lake = mem_printf("%s/lake", x->path);
    cr_assert_eq(objstore_open_folder(x->sys, lake, &x->lake, &x->e), 0);
    x->lake = objstore_open_fake(x->lake);
    mem_free(lake);
    rig_open(x);
}

void rig_kill(struct rig *x)
{
    x->c = compact_free(x->c);
}

void rig_restart(struct rig *x)
{
    rig_kill(x);
    close_log(x);
    open_log(x);
    rig_open(x);
}

/* $p: the folder. */
static void shell(struct rig *x, const char *line)
{
    char *command = mem_printf("p=%s; %s", x->path, line);
    cr_assert_eq(system(command), 0, "%s", command);
    mem_free(command);
}

void rig_backup(struct rig *x)
{
    rig_kill(x);
    close_log(x);
    shell(x, "cp -a $p $p.bak && rm -r $p.bak/lake");
    open_log(x);
    rig_open(x);
}

void rig_restore(struct rig *x)
{
    rig_kill(x);
    close_log(x);
    shell(x, "mv $p/lake $p.bak && rm -r $p && mv $p.bak $p");
    x->store = (store_close(x->store), store_open_model());
    open_log(x);
    rig_open(x);
}

void rig_down(struct rig *x)
{
    rig_kill(x);
    close_log(x);
    x->store = store_close(x->store);
    x->lake = objstore_close(x->lake);
    x->sys = sys_free(x->sys);
    shell(x, "rm -rf $p $p.bak");
}

struct catalog_table *rig_table(struct rig *x, const char *name)
{
    struct catalog_create r = {.name = name, .ddl = "id BIGINT NOT NULL, text STRING"};
    struct catalog_table *t = NULL;
    int rc = catalog_create_table(x->catalog, &r, &t, &x->e);
    cr_assert_eq(rc, 0, "%s", x->e.text);
    return t;
}

struct catalog_table *rig_alter(struct rig *x, const char *name, const char *add, const char *widen)
{
    struct catalog_alter r = {
        .name = name,
        .change = {&add, add != NULL, &widen, widen != NULL},
    };
    struct catalog_table *t = NULL;
    int rc = catalog_alter_table(x->catalog, &r, &t, &x->e);
    cr_assert_eq(rc, 0, "%s", x->e.text);
    return t;
}

/* a to p in no order: four bits of each do not compress. */
static void letters(struct rig *x, char *text, size_t len)
{
    for (size_t i = 0; i < len; i += 8) {
        x->draw ^= x->draw << 13; /* xorshift64 */
        x->draw ^= x->draw >> 7;
        x->draw ^= x->draw << 17;
        uint64_t eight = 0x6161616161616161 + (x->draw & 0x0f0f0f0f0f0f0f0f);
        memcpy(text + i, &eight, MIN(len - i, sizeof(eight)));
    }
}

bronze_pos rig_rows(struct rig *x, struct catalog_table *t, unsigned count, size_t text_len)
{
    struct slice *rows = mem_calloc(count, sizeof(*rows));
    struct buf *bytes = mem_calloc(count, sizeof(*bytes));
    char *text = mem_zalloc(text_len + 1);
    for (unsigned i = 0; i < count; i++) {
        letters(x, text, text_len);
        struct row_value v[4] = {{.i64 = i}, {.bytes = slice_of(text, text_len)}};
        cr_assert_leq(t->schema->column_count, ARRAY_LEN(v));
        v[2].null = v[3].null = true;
        codec_values_to_row(t->schema, v, &bytes[i]);
        rows[i] = buf_slice(&bytes[i]);
    }
    struct bronze_append a = {.kind = BRONZE_ROWS,
                              .table_id = t->id,
                              .descriptor_id = t->own_id,
                              .stream_id = 1,
                              .rows = rows,
                              .row_count = count};
    int r;
    while ((r = bronze_append(x->log, &a)) == BRONZE_FULL)
        cr_assert(bronze_wait(x->log, bronze_durable_ticket(x->log) + 1, 50) <= 0);
    cr_assert_eq(r, 0);
    cr_assert_eq(bronze_wait(x->log, a.ticket, 10000), 0);
    for (unsigned i = 0; i < count; i++)
        buf_deinit(&bytes[i]);
    mem_free(text);
    mem_free(bytes);
    mem_free(rows);
    return a.last_pos;
}

void rig_turn(struct rig *x)
{
    while (compact_step(x->c, 0) || x->c->rewind)
        ;
}

void rig_applied(struct rig *x, bronze_pos pos)
{
    uint8_t value[8];
    put_le64(value, pos);
    struct store_batch *b = store_batch_new(x->store);
    store_batch_put(b, slice_str("m/applied"), slice_of(value, sizeof(value)));
    cr_assert_eq(store_write(x->store, b, NULL), 0);
    store_batch_free(b);
}

bronze_pos rig_load(struct rig *x, struct catalog_table *t, unsigned units)
{
    bronze_pos last = 0;
    for (unsigned i = 0; i < units; i += 2) {
        last = rig_rows(x, t, 2, RIG_UNIT);
        rig_turn(x);
        rig_applied(x, bronze_durable_pos(x->log));
        compact__trim(x->c);
    }
    return last;
}

struct compact_table_status rig_status(struct rig *x, struct catalog_table *t)
{
    struct compact_table_status s;
    cr_assert(compact_table(x->c, t->id, &s));
    return s;
}

void rig_settle(struct rig *x, struct catalog_table *t)
{
    x->c->draining = true;
    for (unsigned i = 0; i < 1000; i++) {
        rig_turn(x);
        struct compact_table_status s = rig_status(x, t);
        if (s.first_waiting == 0 && s.fault[0] == '\0')
            break;
        (void)compact_step(x->c, 20000); /* waits for the next try */
    }
    x->c->draining = false;
    cr_assert_eq(rig_status(x, t).first_waiting, 0);
}

static uint64_t number_after(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static void read_add(struct rig_delta *d, const char *line)
{
    bronze_pos first = number_after(line, "\"sluice.firstPosition\":\"");
    bronze_pos last = number_after(line, "\"sluice.lastPosition\":\"");
    cr_assert(first > d->last); /* no position twice, files in order */
    cr_assert(last >= first);
    if (d->files == 0)
        d->first = first;
    d->last = last;
    d->files++;
    d->rows += number_after(line, "\"sluice.rows\":\"");
}

struct rig_delta rig_delta(struct rig *x, const char *location)
{
    struct rig_delta d = {.version = -1};
    for (int64_t v = 0;; v++) {
        struct buf b = BUF_NULL;
        char *name = mem_printf("%s/_delta_log/%020lld.json", location, (long long)v);
        int r = objstore_get(x->lake, name, 1u << 20, &b, NULL);
        mem_free(name);
        const char *text = buf_cstr(&b), *add = strstr(text, "{\"add\":"),
                   *txn = strstr(text, "{\"txn\":");
        if (r == 0)
            d.version = v;
        if (txn) {
            int64_t version = (int64_t)number_after(txn, "\"version\":");
            cr_assert(version > d.txn);
            d.txn = version;
        }
        if (add)
            read_add(&d, add);
        buf_deinit(&b);
        if (r < 0)
            return d;
    }
}

struct story {
    bronze_pos cut, end; /* txn of the newest M, last position of the newest R */
    bool has_note;       /* the table has a column "note" */
};

/* One version's letter. A file's statistics name its columns. */
static char letter_of(const char *text, struct story *s)
{
    const char *add = strstr(text, "{\"add\":"), *txn = strstr(text, "{\"txn\":");
    bool meta = strstr(text, "{\"metaData\":") != NULL;
    cr_assert(!meta || !add);
    if (meta && txn) {
        s->cut = number_after(txn, "\"version\":");
        s->has_note = strstr(text, "note") != NULL;
        cr_assert_gt(s->cut, s->end);
    }
    if (add) {
        cr_assert_gt(number_after(add, "\"sluice.firstPosition\":\""), s->cut);
        cr_assert_eq(strstr(add, "note") != NULL, s->has_note);
        s->end = number_after(add, "\"sluice.lastPosition\":\"");
    }
    return meta && txn ? 'M' : meta ? 'C' : add ? 'R' : '?';
}

void rig_story(struct rig *x, const char *location, char ret[RIG_STORY_MAX])
{
    size_t n = 0;
    struct story s = {0};
    for (; n < RIG_STORY_MAX - 1; n++) {
        _cleanup_(buf_deinit) struct buf b = BUF_NULL;
        _cleanup_(mem_freep) char *name = mem_printf("%s/_delta_log/%020zu.json", location, n);
        if (objstore_get(x->lake, name, 1u << 20, &b, NULL) < 0)
            break;
        ret[n] = letter_of(buf_cstr(&b), &s);
    }
    ret[n] = '\0';
}

bool rig_has_fault(struct rig *x, struct catalog_table *t, const char *part)
{
    return strstr(rig_status(x, t).fault, part) != NULL;
}
