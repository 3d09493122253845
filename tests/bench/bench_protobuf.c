/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast codec is on protobuf rows, against protobuf-c on the same bytes:
 * bench_protobuf [seconds per measurement [set]]. Three row sets: flat (ten columns, about 130
 * bytes), wide (105 columns), nested. Of each:
 *
 *   check       codec_check()
 *   decode      codec_decode(), values in an arena
 *   columns     codec_decode_into(), a column batch
 *   protobuf_c  protobuf_c_message_unpack() and giving the message back
 *
 * A line is set, way, ns per row, MB per second, bytes per row, parted by tabs; time is the
 * thread's own on a core. The ways take turns, and of each the best turn counts. Not a test.
 */
#include "bench_rows.pb-c.h"

#include "codec/codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROWS   2048
#define VALUES 105
#define TURNS  7

struct set {
    const char *name, *ddl;
    const ProtobufCMessageDescriptor *message;
    struct codec_plan *plan;
    struct row_batch *batch;
    struct arena arena;
    struct buf rows[ROWS];
    size_t bytes;
};

static struct set sets[] = {
    {.name = "flat",
     .ddl = "id bigint not null, seq bigint, ts timestamp not null, x double, y double, "
            "ok boolean, device string not null, state string, url string, token string",
     .message = &bench__flat__descriptor},
    {.name = "wide", .message = &bench__wide__descriptor},
    {.name = "nested",
     .ddl = "id bigint not null, "
            "customer struct<id: bigint not null, name: string, "
            "address: struct<street: string not null, city: string, zip: int>> not null, "
            "lines array<struct<sku: string not null, count: int, price: double>>, "
            "tags map<string, string>, readings array<int>, at timestamp",
     .message = &bench__nested__descriptor},
};

static void must_be(bool ok)
{
    if (!ok)
        abort();
}

/* The CPU time of this thread: others on the machine matter little. */
static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- rows ---- */

static uint32_t next(uint32_t *seed)
{
    return *seed = *seed * 1664525u + 1013904223u;
}

static struct slice text(struct arena *a, uint32_t *seed)
{
    static const char *const forms[] = {"device-%05u", "ok-%u", "https://example.com/item/%08x/02",
                                        "%08x%08x%08x%08x"};
    uint32_t r = next(seed);
    char *to = arena_alloc(a, 48);
    int len = snprintf(to, 48, forms[r >> 30], r % 10000, r * 3, r * 5, r * 7);
    return slice_of(to, (size_t)len);
}

/* Any value of a column: lists of four, numbers of one to five bytes. */
static struct row_value value_of(const struct row_column *c, struct arena *a, uint32_t *seed)
{
    struct row_value v = {.null = false};
    uint32_t r = next(seed), count = c->type == ROW_STRUCT ? c->field_count : 4;
    switch (c->type) {
    case ROW_BOOLEAN: v.boolean = r >> 31; return v;
    case ROW_INT: v.i64 = (int32_t)(r >> (next(seed) >> 27)); return v;
    case ROW_LONG: v.i64 = r; return v;
    case ROW_TIMESTAMP: v.i64 = 1700000000000000 + (int64_t)r; return v;
    case ROW_DOUBLE: v.f64 = (double)r / 7; return v;
    case ROW_STRING: v.bytes = text(a, seed); return v;
    default: break;
    }
    struct row_value *items = arena_alloc(a, count * sizeof(*items));
    for (uint32_t i = 0; i < count; i++) {
        const struct row_column *item = c->type == ROW_STRUCT ? &c->fields[i]
                                        : c->type == ROW_MAP  ? &c->fields[i % 2]
                                                              : &c->fields[ROW_ELEMENT];
        items[i] = value_of(item, a, seed);
    }
    v.item_count = count;
    v.items = items;
    return v;
}

/* The wide table's columns follow the order of types in bench_rows.proto. */
static void wide_ddl(struct buf *out)
{
    static const char *const types[] = {"int", "bigint", "int", "string", "int", "boolean", "int"};
    for (int i = 0; i < 105; i++)
        buf_printf(out, "%sc%d %s", i == 0 ? "" : ", ", i + 1, types[i % 7]);
}

static void set_init(struct set *t)
{
    struct buf ddl = BUF_NULL;
    struct row_schema *s = NULL;
    struct row_value values[VALUES];
    uint32_t seed = 1;
    if (t->ddl == NULL)
        wide_ddl(&ddl);
    else
        buf_add_str(&ddl, t->ddl);
    must_be(row_schema_parse(buf_slice(&ddl), NULL, 0, &s, NULL) == 0);
    must_be(s->column_count <= VALUES);
    t->plan = codec_plan_new_own(s);
    t->batch = row_batch_new(s);
    for (unsigned i = 0; i < ROWS; i++) {
        arena_reset(&t->arena);
        for (uint32_t c = 0; c < s->column_count; c++)
            values[c] = value_of(&s->columns[c], &t->arena, &seed);
        codec_values_to_row(s, values, &t->rows[i]);
        t->bytes += t->rows[i].len;
    }
    row_schema_unref(s);
    buf_deinit(&ddl);
}

static void set_deinit(struct set *t)
{
    for (unsigned i = 0; i < ROWS; i++)
        buf_deinit(&t->rows[i]);
    row_batch_free(t->batch);
    codec_plan_unref(t->plan);
    arena_deinit(&t->arena);
}

/* ---- ways ---- */

static void run_check(struct set *t)
{
    for (unsigned i = 0; i < ROWS; i++)
        must_be(codec_check(t->plan, buf_slice(&t->rows[i]), NULL) == 0);
}

static void run_decode(struct set *t)
{
    struct row_value values[VALUES];
    for (unsigned i = 0; i < ROWS; i++) {
        arena_reset(&t->arena);
        must_be(codec_decode(t->plan, buf_slice(&t->rows[i]), &t->arena, values) == 0);
    }
}

static void run_columns(struct set *t)
{
    row_batch_reset(t->batch);
    for (unsigned i = 0; i < ROWS; i++)
        must_be(codec_decode_into(t->plan, buf_slice(&t->rows[i]), &t->arena, t->batch) == 0);
}

static void run_protobuf_c(struct set *t)
{
    for (unsigned i = 0; i < ROWS; i++) {
        ProtobufCMessage *m =
            protobuf_c_message_unpack(t->message, NULL, t->rows[i].len, t->rows[i].data);
        must_be(m != NULL);
        protobuf_c_message_free_unpacked(m, NULL);
    }
}

static const struct {
    const char *name;
    void (*run)(struct set *);
} ways[] = {{"check", run_check},
            {"decode", run_decode},
            {"columns", run_columns},
            {"protobuf_c", run_protobuf_c}};
#define WAYS (sizeof(ways) / sizeof(*ways))

static double turn(struct set *t, void (*run)(struct set *), double seconds)
{
    uint64_t start = now_ns(), rows = 0, spent;
    do {
        run(t);
        rows += ROWS;
        spent = now_ns() - start;
    } while ((double)spent < seconds * 1e9);
    return (double)spent / (double)rows;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1;
    for (size_t k = 0; k < sizeof(sets) / sizeof(*sets); k++) {
        struct set *t = &sets[k];
        double best[WAYS];
        if (argc > 2 && strcmp(argv[2], t->name) != 0)
            continue;
        set_init(t);
        for (int i = 0; i < TURNS; i++)
            for (size_t w = 0; w < WAYS; w++) {
                double ns = turn(t, ways[w].run, seconds / TURNS);
                best[w] = i == 0 || ns < best[w] ? ns : best[w];
            }
        for (size_t w = 0; w < WAYS; w++)
            printf("%s\t%s\t%.1f\t%.0f\t%.0f\n", t->name, ways[w].name, best[w],
                   (double)t->bytes / ROWS * 1000 / best[w], (double)t->bytes / ROWS);
        set_deinit(t);
    }
    return 0;
}
