/* SPDX-License-Identifier: Apache-2.0 */
/* See rig.h. */
#include "rig.h"

#include "base/bits.h"
#include "codec/codec.h"
#include "codec/wire.h"
#include "store/keys.h"

#define KIB 1024u
#define MIB (1024u * 1024)

void rig_open(struct rig *x)
{
    struct bronze_options o = {.path = x->data,
                               .segment_bytes = 256 * KIB,
                               .log_bytes_max = 64 * MIB,
                               .memory_bytes = MIB,
                               .block_bytes_max = 32 * KIB};
    x->catalog = catalog_new(x->sys);
    int r = bronze_open(x->sys, &o, catalog_on_control, x->catalog, &x->log, &x->e);
    cr_assert_eq(r, 0, "%s", x->e.text);
    catalog_attach(x->catalog, x->log);
    cr_assert_eq(bronze_start(x->log, &x->e), 0);
}

void rig_close(struct rig *x)
{
    for (int i = 0; i < RIG_TABLES; i++)
        x->tables[i] = catalog_table_unref(x->tables[i]);
    bronze_stop(x->log);
    x->catalog = catalog_free(x->catalog);
    x->log = bronze_close(x->log);
}

void rig_up(struct rig *x)
{
    static const char *const names[RIG_TABLES] = {"a.b.one", "a.b.two"};
    static const char *const keys[] = {"k"};
    *x = (struct rig){.path = "/tmp/rescue-test-XXXXXX"};
    cr_assert_not_null(mkdtemp(x->path));
    (void)snprintf(x->data, sizeof(x->data), "%s/data", x->path);
    (void)snprintf(x->lake_path, sizeof(x->lake_path), "%s/lake", x->path);
    cr_assert_eq(sys_new_uring(&x->sys, &x->e), 0);
    cr_assert_eq(bronze_init(x->sys, x->data, &x->e), 0);
    cr_assert_eq(sys_mkdirs(x->sys, x->lake_path, &x->e), 0);
    rig_open(x);
    for (int i = 0; i < RIG_TABLES; i++) {
        struct catalog_create r = {.name = names[i],
                                   .ddl = "k STRING NOT NULL, n BIGINT, text STRING",
                                   .keys = keys,
                                   .key_count = 1};
        cr_assert_eq(catalog_create_table(x->catalog, &r, &x->tables[i], &x->e), 0);
        x->table_ids[i] = x->tables[i]->id;
    }
    memset(x->newest, 0xff, sizeof(x->newest));
}

void rig_down(struct rig *x)
{
    char command[128];
    if (x->log != NULL)
        rig_close(x);
    x->sys = sys_free(x->sys);
    (void)snprintf(command, sizeof(command), "rm -rf %s", x->path);
    cr_assert_eq(system(command), 0);
}

/* ---- filling it ---- */

static void put_row(struct rig *x, const struct row_value v[RIG_COLUMNS_MAX], int table)
{
    struct buf bytes = BUF_NULL;
    codec_values_to_row(x->tables[table]->schema, v, &bytes);
    struct slice row = buf_slice(&bytes);
    struct bronze_append a = {.kind = BRONZE_SINGLES,
                              .table_id = x->tables[table]->id,
                              .descriptor_id = x->tables[table]->own_id,
                              .stream_id = 1,
                              .offset = (uint64_t)x->rows,
                              .rows = &row,
                              .row_count = 1};
    int r;
    while ((r = bronze_append(x->log, &a)) == BRONZE_FULL)
        (void)bronze_wait(x->log, bronze_durable_ticket(x->log) + 1, 50);
    cr_assert_eq(r, 0);
    cr_assert_eq(bronze_wait(x->log, a.ticket, 10000), 0);
    x->last = a.last_pos;
    buf_deinit(&bytes);
}

void rig_load(struct rig *x, unsigned count, size_t filler)
{
    char *text = mem_alloc(filler + 1);
    memset(text, 'x', filler);
    for (unsigned i = 0; i < count; i++, x->rows++) {
        int table = x->rows % 3 == 0, key = (int)(x->rows * 7 % RIG_KEYS);
        char name[16];
        int len = snprintf(name, sizeof(name), "key %d", key);
        struct row_value v[RIG_COLUMNS_MAX] = {{.bytes = slice_of(name, (size_t)len)},
                                               {.i64 = x->rows},
                                               {.bytes = slice_of(text, filler)},
                                               {.null = true}};
        put_row(x, v, table);
        x->newest[table][key] = x->rows;
    }
    mem_free(text);
}

void rig_alter(struct rig *x)
{
    static const char *const add = "note STRING";
    for (int i = 0; i < RIG_TABLES; i++) {
        struct catalog_alter r = {.name = x->tables[i]->name,
                                  .change = {.adds = &add, .add_count = 1}};
        struct catalog_table *next = NULL;
        cr_assert_eq(catalog_alter_table(x->catalog, &r, &next, &x->e), 0, "%s", x->e.text);
        catalog_table_unref(x->tables[i]);
        x->tables[i] = next;
    }
}

void rig_commit(struct rig *x)
{
    struct objstore *lake;
    struct store *store = store_open_model();
    struct compact *c;
    cr_assert_eq(objstore_open_folder(x->sys, x->lake_path, &lake, &x->e), 0);
    struct compact_deps d = {x->sys, x->log, x->catalog, store, lake};
    cr_assert_eq(compact_new(&d, NULL, &c, &x->e), 0);
    compact_drain(c);
    cr_assert_gt(compact_floor(c), x->last);
    compact_free(c);
    store_close(store);
    objstore_close(lake);
}

/* Number of the oldest segment file. */
static uint64_t oldest_segment(struct rig *x)
{
    char *path = mem_printf("%s/log", x->data);
    struct sys_names names;
    uint64_t oldest = UINT64_MAX;
    cr_assert_eq(sys_list(x->sys, path, &names, &x->e), 0);
    for (size_t i = 0; i < names.count; i++)
        if (strstr(names.names[i], ".log") != NULL)
            oldest = MIN(oldest, strtoull(names.names[i], NULL, 10));
    sys_names_deinit(&names);
    mem_free(path);
    return oldest;
}

void rig_trim(struct rig *x)
{
    bronze_pos pos;
    struct bronze_usage before, after;
    uint64_t oldest = oldest_segment(x);
    cr_assert_eq(catalog_snapshot(x->catalog, &pos, &x->e), 0);
    bronze_usage(x->log, &before);
    bronze_trim(x->log, MIN(pos, x->last + 1));
    bronze_usage(x->log, &after);
    cr_assert_gt(before.segments, after.segments);
    /* by the segment thread; a log that is closed before shows them again */
    uint64_t kept = oldest + before.segments - after.segments;
    for (unsigned i = 0; i < 10000 && oldest_segment(x) < kept; i++)
        sys_sleep_ms(x->sys, 1);
    cr_assert_geq(oldest_segment(x), kept);
    cr_assert_gt(bronze_trimmed_pos(x->log), 1);
}

/* ---- files ---- */

char *rig_file(struct rig *x, const char *folder, const char *ending, size_t n)
{
    char *path = mem_printf("%s/%s", x->path, folder), *found = NULL;
    struct sys_names names;
    cr_assert_eq(sys_list(x->sys, path, &names, &x->e), 0);
    for (size_t i = 0; i < names.count && found == NULL; i++) {
        size_t len = strlen(names.names[i]);
        bool fits =
            len >= strlen(ending) && strcmp(names.names[i] + len - strlen(ending), ending) == 0;
        if (fits && n-- == 0)
            found = mem_printf("%s/%s", path, names.names[i]);
    }
    sys_names_deinit(&names);
    mem_free(path);
    cr_assert_not_null(found);
    return found;
}

void rig_flip(const char *path, long offset)
{
    FILE *f = fopen(path, "r+b");
    cr_assert_not_null(f);
    cr_assert_eq(fseek(f, offset, offset < 0 ? SEEK_END : SEEK_SET), 0);
    int byte = fgetc(f);
    cr_assert_neq(byte, EOF);
    cr_assert_eq(fseek(f, -1, SEEK_CUR), 0);
    cr_assert_neq(fputc(byte ^ 4, f), EOF);
    cr_assert_eq(fclose(f), 0);
}

/* ---- the store ---- */

/* n of the newest row of a key; -1 = none. */
static int64_t newest_of(struct rig *x, struct store *st, uint32_t table_id, int key)
{
    struct buf from = BUF_NULL, found = BUF_NULL, value = BUF_NULL;
    int64_t n = -1;
    buf_add_byte(&from, STORE_ROW);
    put_be32(buf_reserve(&from, 4), table_id);
    from.len += 4;
    buf_add(&from, "key ", 4);
    buf_printf(&from, "%d", key);
    buf_add(&from, "\0\0", 2);
    int r = store_seek(st, NULL, buf_slice(&from), buf_slice(&from), false, &found, &value, &x->e);
    cr_assert_geq(r, 0);
    if (r == STORE_FOUND) {
        const uint8_t *p = value.data + 4;
        struct wire_field f;
        while (wire_next(&p, value.data + value.len, &f) > 0)
            if (f.number == 2)
                n = (int64_t)f.value;
    }
    buf_deinit(&from);
    buf_deinit(&found);
    buf_deinit(&value);
    return n;
}

void rig_check_store(struct rig *x)
{
    char path[128];
    struct store *st;
    (void)snprintf(path, sizeof(path), "%s/store", x->data);
    struct store_options o = {.path = path};
    cr_assert_eq(store_open_rocksdb(&o, &st, &x->e), 0, "%s", x->e.text);
    for (int t = 0; t < RIG_TABLES; t++)
        for (int k = 0; k < RIG_KEYS; k++)
            cr_assert_eq(newest_of(x, st, x->table_ids[t], k), x->newest[t][k]);
    struct buf value = BUF_NULL;
    cr_assert_eq(store_get(st, NULL, slice_str("m/applied"), false, &value, &x->e), STORE_FOUND);
    cr_assert_geq(get_le64(value.data), x->last);
    buf_deinit(&value);
    store_close(st);
}
