/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger of a run. Lines gather in their lane and go out 64 KiB at a time, so that a row costs
 * a checksum and some digits; an ack always stands behind the rows it covers, which are in the same
 * lane. A run that is killed leaves a ledger that knows fewer rows and fewer acks than there were.
 */
#include "ledger.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/must.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#define LANE_BYTES (64u * 1024)
#define LINE_BYTES 160u

struct ledger {
    FILE *file;
    pthread_mutex_t lock;
    bool failed;
};

struct ledger_lane {
    struct ledger *ledger;
    char *row_front, *ack_front; /* "R\t<stream>\t", "A\t<stream>\t" */
    uint64_t stream_no;
    bool hashed;
    struct buf lines;
};

struct ledger *ledger_open(const char *path)
{
    FILE *f = fopen(path, "we");
    if (f == NULL) {
        fprintf(stderr, "cannot write %s\n", path);
        return NULL;
    }
    struct ledger *l = mem_zalloc(sizeof(*l));
    l->file = f;
    pthread_mutex_init(&l->lock, NULL);
    return l;
}

int ledger_close(struct ledger *l)
{
    if (l == NULL)
        return EXIT_FINE;
    bool failed = fclose(l->file) != 0 || l->failed;
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
    if (failed)
        fprintf(stderr, "the ledger could not be written\n");
    return failed ? EXIT_SYSTEM : EXIT_FINE;
}

static void lane_write(struct ledger_lane *n)
{
    struct ledger *l = n->ledger;
    pthread_mutex_lock(&l->lock);
    l->failed |= fwrite(n->lines.data, 1, n->lines.len, l->file) != n->lines.len;
    l->failed |= fflush(l->file) != 0;
    pthread_mutex_unlock(&l->lock);
    buf_reset(&n->lines);
}

static const char *column_name(const struct rowset *set, enum column_kind kind)
{
    for (size_t i = 0; i < set->column_count; i++)
        if (set->columns[i].kind == kind)
            return set->columns[i].name;
    must_die("row set %s lacks the columns that number its rows", set->name);
}

struct ledger_lane *ledger_lane_new(struct ledger *l, const char *stream, const char *table,
                                    const struct rows_options *o)
{
    struct ledger_lane *n = mem_zalloc(sizeof(*n));
    n->ledger = l;
    n->row_front = mem_printf("R\t%s\t", stream);
    n->ack_front = mem_printf("A\t%s\t", stream);
    n->stream_no = o->stream_no;
    n->hashed = !o->json;
    buf_printf(&n->lines, "S\t%s\t%s\t%s,%s\t%s\n", stream, table,
               column_name(o->set, COLUMN_STREAM), column_name(o->set, COLUMN_SEQ),
               n->hashed ? "crc32" : "-");
    lane_write(n);
    return n;
}

struct ledger_lane *ledger_lane_free(struct ledger_lane *n)
{
    if (n == NULL)
        return NULL;
    lane_write(n);
    mem_free(n->row_front);
    mem_free(n->ack_front);
    buf_deinit(&n->lines);
    mem_free(n);
    return NULL;
}

static uint8_t *put_number(uint8_t *p, uint64_t v)
{
    uint8_t digits[20];
    unsigned n = 0;
    do {
        digits[n++] = (uint8_t)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    while (n > 0)
        *p++ = digits[--n];
    return p;
}

static uint8_t *line_begin(struct ledger_lane *n, const char *front)
{
    if (n->lines.len >= LANE_BYTES)
        lane_write(n);
    uint8_t *p = buf_reserve(&n->lines, strlen(front) + LINE_BYTES);
    size_t len = strlen(front);
    memcpy(p, front, len);
    return p + len;
}

static void line_end(struct ledger_lane *n, uint8_t *p)
{
    *p++ = '\n';
    n->lines.len = (size_t)(p - n->lines.data);
}

void ledger_row(struct ledger_lane *n, int64_t offset, uint64_t seq, struct slice row)
{
    uint8_t *p = line_begin(n, n->row_front);
    p = put_number(p, (uint64_t)offset);
    *p++ = '\t';
    p = put_number(p, n->stream_no);
    *p++ = ',';
    p = put_number(p, seq);
    *p++ = '\t';
    if (n->hashed) {
        uLong crc = crc32(0, row.data, (uInt)row.len);
        for (int shift = 28; shift >= 0; shift -= 4)
            *p++ = (uint8_t) "0123456789abcdef"[crc >> shift & 15];
    } else {
        *p++ = '-';
    }
    line_end(n, p);
}

void ledger_ack(struct ledger_lane *n, int64_t offset)
{
    uint8_t *p = line_begin(n, n->ack_front);
    line_end(n, put_number(p, (uint64_t)offset));
}
