/* SPDX-License-Identifier: Apache-2.0 */
/* sluice bronze dump DIR (reads the files), sluice bronze find (asks the server, through the
 * index) */
#include "cli_priv.h"

#include "bronze/bronze.h"
#include "sys/sys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- dump ---- */

static const char *kind_name(enum bronze_kind k)
{
    switch (k) {
    case BRONZE_ROWS: return "batch";
    case BRONZE_SINGLES: return "rows";
    case BRONZE_CONTROL: return "control";
    }
    return "unknown";
}

static void frame_json(const char *segment, const struct bronze_block *b,
                       const struct bronze_frame *f)
{
    printf("{\"segment\":\"%s\",\"offset\":%llu,\"ticket\":%llu,\"kind\":\"%s\",\"first_position\":"
           "%llu,\"rows\":%u,"
           "\"table_id\":%u,\"descriptor_id\":%u,\"stream_id\":%llu,\"first_offset\":%llu,"
           "\"offsets\":%u,\"time_us\":%lld,"
           "\"bytes\":%zu}\n",
           segment, (unsigned long long)b->offset, (unsigned long long)b->ticket,
           kind_name(f->kind), (unsigned long long)f->first_pos, f->row_count, f->table_id,
           f->descriptor_id, (unsigned long long)f->stream_id, (unsigned long long)f->first_offset,
           f->offset_count, (long long)f->time_us, f->payload.len);
}

static void frame_text(const char *segment, const struct bronze_block *b,
                       const struct bronze_frame *f)
{
    printf("%s\t%llu\t%llu\t%s\t%llu\t%u\t%u\t%llu\t%llu\t%u\t%zu\n", segment,
           (unsigned long long)b->offset, (unsigned long long)b->ticket, kind_name(f->kind),
           (unsigned long long)f->first_pos, f->row_count, f->table_id,
           (unsigned long long)f->stream_id, (unsigned long long)f->first_offset, f->offset_count,
           f->payload.len);
}

static int dump_block(void *ctx, const char *segment, const struct bronze_block *b)
{
    const struct cli *c = ctx;
    size_t at = 0;
    struct bronze_frame f;
    while (bronze_block_frame(b, &at, &f)) {
        if (c->json)
            frame_json(segment, b, &f);
        else
            frame_text(segment, b, &f);
    }
    return 0;
}

static int dump(struct cli *c)
{
    if (c->word_count != 3)
        return cli_usage("bronze dump takes the data folder");
    struct err e = {0};
    struct sys *s;
    int r = sys_new_uring(&s, &e);
    if (r == 0) {
        if (!c->json)
            printf("segment\tblock\tticket\tkind\tfirst position\trows\ttable\tstream\tfirst "
                   "offset\toffsets\tbytes\n");
        r = bronze_dump(s, c->words[2], dump_block, c, &e);
        s = sys_free(s);
    }
    if (r == 0)
        return EXIT_OK;
    fprintf(stderr, "sluice: %s\n", e.text);
    return r == ERR_NOT_FOUND ? EXIT_NOT_FOUND : EXIT_FAILED;
}

/* ---- find ---- */

static bool parse_i64(const char *text, int64_t *ret)
{
    char *end;
    errno = 0;
    *ret = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0';
}

static void print_place(const struct cli *c, const Sluice__V1__FindResponse *a)
{
    if (c->json) {
        printf("{\"position\":%llu,\"segment\":\"%s\",\"segment_offset\":%llu,\"table\":\"%s\","
               "\"stream_id\":\"%s\","
               "\"stream_offset\":%lld,\"time_us\":%lld}\n",
               (unsigned long long)a->position, a->segment, (unsigned long long)a->segment_offset,
               a->table, a->stream_id, (long long)a->stream_offset, (long long)a->time_us);
        return;
    }
    char when[32];
    cli_time(a->time_us, when);
    printf("position  %llu\nsegment   %s at %llu\ntable     %s\nstream    %s, offset %lld\narrived "
           "  %s\n",
           (unsigned long long)a->position, a->segment, (unsigned long long)a->segment_offset,
           a->table, a->stream_id, (long long)a->stream_offset, when);
}

static int find(struct cli *c)
{
    Sluice__V1__FindRequest q = SLUICE__V1__FIND_REQUEST__INIT;
    Sluice__V1__StreamOffset so = SLUICE__V1__STREAM_OFFSET__INIT;
    int64_t n = 0;
    if (c->position != NULL && parse_i64(c->position, &n)) {
        q.what_case = SLUICE__V1__FIND_REQUEST__WHAT_POSITION;
        q.position = (uint64_t)n;
    } else if (c->time != NULL && parse_i64(c->time, &n)) {
        q.what_case = SLUICE__V1__FIND_REQUEST__WHAT_TIME_US;
        q.time_us = n;
    } else if (c->table != NULL && c->stream != NULL && c->offset != NULL &&
               parse_i64(c->offset, &n)) {
        q.what_case = SLUICE__V1__FIND_REQUEST__WHAT_STREAM_OFFSET;
        so.table = (char *)(uintptr_t)c->table;
        so.stream_id = (char *)(uintptr_t)c->stream;
        so.offset = n;
        q.stream_offset = &so;
    } else {
        return cli_usage("bronze find takes --position N, --time MICROSECONDS, or --table T "
                         "--stream UUID --offset N");
    }
    int status;
    Sluice__V1__FindResponse *a = cli_call(c, "/sluice.v1.Server/Find", &q.base,
                                           &sluice__v1__find_response__descriptor, &status);
    if (a == NULL)
        return status;
    if (a->found) {
        print_place(c, a);
    } else {
        fprintf(stderr, "sluice: the log holds nothing such (trimmed already, or not there yet)\n");
        status = EXIT_NOT_FOUND;
    }
    sluice__v1__find_response__free_unpacked(a, NULL);
    return status;
}

int cli_bronze(struct cli *c)
{
    const char *verb = c->word_count > 1 ? c->words[1] : "";
    if (strcmp(verb, "dump") == 0)
        return dump(c);
    if (strcmp(verb, "find") == 0)
        return find(c);
    if (strcmp(verb, "salvage") == 0)
        return cli_salvage(c);
    return cli_usage("bronze takes dump, find or salvage");
}
