/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at the log's files (check.h). The same judgement as recovery's, without its repairs:
 *
 *   segment ─► header proves itself, and continues the segment before it
 *           ─► block, block, block …                    each is shown
 *           ─► a block that does not count, at X:
 *                a later block of the segment counts    fault at X; go on behind it
 *                the next segment asks for more         fault at X
 *                last life, and nobody was told of X    a torn tail: no fault
 *
 * C1  A block of the last life is missed only when a later block says that it was durable (L5).
 * C2  While a server writes, a block that does not count is read again before it is judged, and a
 *     segment that is gone by then was trimmed.
 */
#include "bronze/check.h"
#include "bronze_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FORMAT_BYTES_MAX 4096
#define AGAIN_MAX        50
#define AGAIN_MS         20
#define WHAT_MAX         256

struct seen {
    uint64_t number, bytes;
    bool used;
    struct segment_header header;
    uint64_t first_offset; /* of the first block, when the header is gone; 0 = behind the header */
};

struct check {
    struct sys *sys;
    struct bronze_check *k;
    struct seen *segs;
    size_t count;
    uint64_t ticket; /* the next block's */
    bronze_pos pos;
    bool lost; /* the end of the segment read last is damaged: told already */
};

static void fault(struct check *c, const char *file, uint64_t offset, const char *what)
{
    c->k->faults++;
    if (c->k->on_fault != NULL)
        c->k->on_fault(c->k->ctx, file, offset, what);
}

static void segment_fault(struct check *c, const struct seen *s, uint64_t offset, const char *what)
{
    char file[SEGMENT_NAME_LEN + 8] = "log/";
    bronze__segment_name(s->number, file + 4);
    fault(c, file, offset, what);
}

/* ---- the small files ---- */

static int read_format(struct check *c, struct err *e)
{
    struct bronze_check *k = c->k;
    char *path = mem_printf("%s/FORMAT", k->path), *data = NULL, uuid[UUID_TEXT_LEN + 1] = "";
    size_t len = 0;
    unsigned version = 0;
    int r = sys_read_file(c->sys, path, FORMAT_BYTES_MAX, &data, &len, e);
    mem_free(path);
    if (r == ERR_NOT_FOUND)
        return err_set(e, r, "%s is not a data folder: it has no file FORMAT", k->path);
    TRY(r);
    char *text = mem_strndup(data, len);
    int got =
        sscanf(text, "sluice-log %u\nuuid %36s\ntimeline %" SCNu64, &version, uuid, &k->timeline);
    mem_free(text);
    mem_free(data);
    if (got != 3 || !uuid_parse(uuid, &k->uuid))
        return err_set(e, ERR_DAMAGED, "%s/FORMAT cannot be read", k->path);
    return version == 1
               ? 0
               : err_set(e, ERR_UNSUPPORTED, "%s/FORMAT is of version %u", k->path, version);
}

/* The epoch that was promised must not be below one that was used (L2). */
static int check_epoch(struct check *c, struct err *e)
{
    char *path = mem_printf("%s/EPOCH", c->k->path), *data = NULL;
    size_t len = 0;
    uint64_t epoch = 0;
    int r = sys_read_file(c->sys, path, FORMAT_BYTES_MAX, &data, &len, e);
    mem_free(path);
    if (r < 0 && r != ERR_NOT_FOUND)
        return r;
    char *text = mem_strndup(data != NULL ? data : "", len);
    int got = sscanf(text, "epoch %" SCNu64, &epoch);
    mem_free(text);
    mem_free(data);
    if (c->count > 0 && (got != 1 || epoch < c->k->epoch))
        fault(c, "EPOCH", 0,
              got != 1 ? "it cannot be read" : "it is below the epoch of the newest segment");
    return 0;
}

/* ---- segments ---- */

static int open_segment(struct check *c, uint64_t number, struct sys_file **ret, struct err *e)
{
    char name[SEGMENT_NAME_LEN + 1];
    bronze__segment_name(number, name);
    char *path = mem_printf("%s/log/%s", c->k->path, name);
    int r = sys_open(c->sys, path, SYS_READ | SYS_DIRECT, ret, e);
    mem_free(path);
    return r;
}

static int read_header(struct check *c, struct seen *s, struct err *e)
{
    _cleanup_(sys_closep) struct sys_file *f = NULL;
    TRY(open_segment(c, s->number, &f, e));
    TRY(sys_size(f, &s->bytes, e));
    s->used = false;
    if (s->bytes < SEGMENT_HEADER_BYTES)
        return 0;
    uint8_t *head = mem_aligned(BLOCK_ALIGN, SEGMENT_HEADER_BYTES);
    int r = sys_read(f, head, SEGMENT_HEADER_BYTES, 0, e);
    s->used = r == 0 && bronze__segment_decode(head, &s->header);
    mem_free(head);
    return r;
}

struct next_block {
    bool found;
    struct block_header h;
};

/* The first header of a block of this segment from @offset on that @epoch wrote (0 = anybody). */
static int find_block(struct scan *sc, uint64_t offset, uint64_t epoch, struct next_block *ret,
                      struct err *e)
{
    ret->found = false;
    for (; !ret->found; offset += BLOCK_ALIGN) {
        const uint8_t *p;
        TRY(bronze__scan_bytes(sc, offset, BLOCK_ALIGN, &p, e));
        if (p == NULL)
            return 0;
        struct block_header *h = &ret->h;
        ret->found = bronze__block_decode(&sc->uuid, p, h) && h->segment == sc->number &&
                     h->offset == offset && (epoch == 0 || h->epoch == epoch);
    }
    return 0;
}

/*
 * Prepared and not used, or a used one whose header is gone? Then its blocks are read all the same:
 * the first one says what the header would have.
 */
static int judge_headless(struct check *c, struct seen *s, struct err *e)
{
    _cleanup_(sys_closep) struct sys_file *f = NULL;
    TRY(open_segment(c, s->number, &f, e));
    struct segment_header h = {.uuid = c->k->uuid, .number = s->number};
    struct scan sc;
    struct next_block n;
    bronze__scan_init(&sc, f, &h, s->bytes / BLOCK_ALIGN * BLOCK_ALIGN);
    int r = find_block(&sc, SEGMENT_HEADER_BYTES, 0, &n, e);
    bronze__scan_deinit(&sc);
    if (r < 0 || !n.found || c->k->live)
        return r;
    segment_fault(c, s, 0, "its header is not valid, but it holds blocks");
    h.timeline = c->k->timeline;
    h.epoch = n.h.epoch;
    h.bytes = s->bytes;
    h.first_pos = h.life_pos = n.h.first_pos;
    h.first_ticket = h.life_ticket = n.h.ticket;
    s->header = h;
    s->first_offset = n.h.offset;
    s->used = true;
    return 0;
}

static bool parse_name(const char *name, uint64_t *ret_number)
{
    char *end;
    if (strlen(name) != SEGMENT_NAME_LEN || strcmp(name + 20, ".log") != 0)
        return false;
    *ret_number = strtoull(name, &end, 10);
    return end == name + 20;
}

static int judge_header(struct check *c, struct seen *s, struct err *e)
{
    int r = read_header(c, s, e);
    if (r == ERR_NOT_FOUND && c->k->live)
        return 0; /* trimmed a moment ago */
    TRY(r);
    c->k->bytes_total += s->bytes;
    if (!s->used)
        return judge_headless(c, s, e);
    if (s->header.number < s->number) {
        s->used = false; /* renamed for reuse, not used yet */
        return 0;
    }
    bool ours = memcmp(s->header.uuid.bytes, c->k->uuid.bytes, 16) == 0;
    bool right = ours && s->header.number == s->number && s->header.timeline == c->k->timeline;
    if (!right)
        segment_fault(c, s, 0,
                      !ours ? "it belongs to another log"
                            : "its header carries another segment's number or another timeline");
    s->used = right;
    return 0;
}

static int find_segments(struct check *c, struct err *e)
{
    struct sys_names names;
    char *folder = mem_printf("%s/log", c->k->path);
    int r = sys_list(c->sys, folder, &names, e);
    mem_free(folder);
    TRY(r);
    c->segs = mem_calloc(names.count + 1, sizeof(*c->segs));
    size_t kept = 0;
    for (size_t i = 0; r == 0 && i < names.count; i++) {
        struct seen *s = &c->segs[kept];
        if (!parse_name(names.names[i], &s->number))
            continue;
        r = judge_header(c, s, e);
        kept += r == 0 && s->used;
    }
    sys_names_deinit(&names);
    c->count = kept;
    return r;
}

/* ---- one segment ---- */

static int show_blocks(struct check *c, struct scan *sc, const struct seen *s, struct err *e)
{
    char name[SEGMENT_NAME_LEN + 1];
    bronze__segment_name(s->number, name);
    struct bronze_block b;
    int r;
    while ((r = bronze__scan_next(sc, &b, e)) == 0) {
        c->k->blocks++;
        c->k->bytes += b.bytes;
        c->k->end_pos = b.end_pos;
        c->k->sealed = b.frame_count == 0;
        r = c->k->on_block(c->k->ctx, name, &b);
        if (r != 0)
            return r;
    }
    return r < 0 ? r : 0;
}

/* The highest durable ticket that blocks of @epoch state, from @offset of segment @i on. */
static int claimed(struct check *c, size_t i, uint64_t offset, uint64_t *ret_ticket, struct err *e)
{
    uint64_t epoch = c->segs[i].header.epoch;
    *ret_ticket = 0;
    for (size_t k = i; k < c->count; k++, offset = SEGMENT_HEADER_BYTES) {
        _cleanup_(sys_closep) struct sys_file *f = NULL;
        TRY(open_segment(c, c->segs[k].number, &f, e));
        struct scan sc;
        bronze__scan_init(&sc, f, &c->segs[k].header, c->segs[k].bytes / BLOCK_ALIGN * BLOCK_ALIGN);
        struct next_block n = {.found = true};
        int r = 0;
        while (r == 0 && n.found) {
            r = find_block(&sc, offset, epoch, &n, e);
            if (r == 0 && n.found) {
                *ret_ticket = MAX(*ret_ticket, n.h.durable_ticket);
                offset = n.h.offset + BLOCK_ALIGN;
            }
        }
        bronze__scan_deinit(&sc);
        TRY(r);
    }
    return 0;
}

/* What must be there of segment @i: blocks up to this ticket. 0 = only what is proved. */
static uint64_t recorded_end(const struct check *c, size_t i)
{
    if (i + 1 == c->count)
        return 0;
    const struct segment_header *h = &c->segs[i].header, *next = &c->segs[i + 1].header;
    if (next->epoch != h->epoch)
        return next->life_ticket;
    return c->segs[c->count - 1].header.epoch == h->epoch ? 0 : next->first_ticket;
}

static bool is_gone(struct check *c, const struct seen *s)
{
    struct seen now = {.number = s->number};
    return read_header(c, &now, NULL) < 0 || !now.used || now.header.number != s->header.number ||
           now.header.epoch != s->header.epoch;
}

enum verdict { STOP_END = 0, STOP_AGAIN, STOP_DAMAGED, STOP_TORN };

/* Reading stands at a block that does not count: why? *ret_next is where to go on, if anywhere. */
static int judge_stop(struct check *c, size_t i, struct scan *sc, struct next_block *ret_next,
                      struct err *e)
{
    const struct seen *s = &c->segs[i];
    uint64_t must_have = recorded_end(c, i);
    TRY(find_block(sc, sc->offset + BLOCK_ALIGN, s->header.epoch, ret_next, e));
    if (ret_next->found && ret_next->h.ticket <= sc->ticket)
        ret_next->found = false;
    if (must_have != 0)
        return sc->ticket < must_have ? STOP_DAMAGED : STOP_END;
    bool more = i + 1 < c->count;
    if (more && !ret_next->found && c->segs[i + 1].header.first_ticket == sc->ticket)
        return STOP_END;
    uint64_t durable;
    TRY(claimed(c, i, sc->offset, &durable, e));
    if (durable >= sc->ticket)
        return STOP_DAMAGED;
    return more || ret_next->found ? STOP_TORN : STOP_END;
}

static void tell_damage(struct check *c, size_t i, const struct scan *sc,
                        const struct next_block *n)
{
    char what[WHAT_MAX];
    bronze_pos end = n->found            ? n->h.first_pos
                     : i + 1 == c->count ? 0
                     : c->segs[i + 1].header.epoch == c->segs[i].header.epoch
                         ? c->segs[i + 1].header.first_pos
                         : c->segs[i + 1].header.life_pos;
    if (end > sc->pos)
        (void)snprintf(what, sizeof(what),
                       "%s: positions %" PRIu64 " to %" PRIu64 " cannot be read",
                       n->found ? "the block here is damaged"
                                : "blocks from here on, or whole segments, are damaged or missing",
                       sc->pos, end - 1);
    else
        (void)snprintf(what, sizeof(what),
                       "the block here is damaged; a later one proves that it was durable");
    segment_fault(c, &c->segs[i], sc->offset, what);
}

static void go_on(struct scan *sc, const struct next_block *n)
{
    sc->offset = n->h.offset;
    sc->ticket = n->h.ticket;
    sc->pos = n->h.first_pos;
}

/* *ret_torn: the last life ends here, before its last segment or its last block. */
static int read_on(struct check *c, size_t i, struct scan *sc, bool *ret_torn, struct err *e)
{
    for (unsigned again = 0;;) {
        struct next_block n;
        uint64_t before = sc->ticket;
        TRY(show_blocks(c, sc, &c->segs[i], e));
        if (sc->ticket > before)
            again = 0;
        int v = judge_stop(c, i, sc, &n, e);
        TRY(v);
        if (v == STOP_DAMAGED && c->k->live && again++ < AGAIN_MAX && !is_gone(c, &c->segs[i])) {
            sys_sleep_ms(c->sys, AGAIN_MS);
            bronze__scan_forget(sc); /* its write may have landed meanwhile (C2) */
            continue;
        }
        *ret_torn = v == STOP_TORN;
        if (v != STOP_DAMAGED || (c->k->live && is_gone(c, &c->segs[i])))
            return 0;
        tell_damage(c, i, sc, &n);
        c->lost = !n.found;
        if (c->lost)
            return 0;
        go_on(sc, &n);
        again = 0;
    }
}

static int read_segment(struct check *c, size_t i, bool *ret_torn, struct err *e)
{
    const struct seen *s = &c->segs[i];
    _cleanup_(sys_closep) struct sys_file *f = NULL;
    int r = open_segment(c, s->number, &f, e);
    if (r == ERR_NOT_FOUND && c->k->live)
        return 0;
    TRY(r);
    struct scan sc;
    bronze__scan_init(&sc, f, &s->header, s->bytes / BLOCK_ALIGN * BLOCK_ALIGN);
    sc.offset = MAX(sc.offset, s->first_offset);
    r = read_on(c, i, &sc, ret_torn, e);
    c->ticket = sc.ticket;
    c->pos = sc.pos;
    c->k->segments++;
    if (i + 1 == c->count || *ret_torn)
        c->k->torn_bytes = *ret_torn ? sc.file_bytes - sc.offset : 0;
    bronze__scan_deinit(&sc);
    return r;
}

/* Does segment @i continue the one before it? */
static void check_chain(struct check *c, size_t i)
{
    const struct segment_header *h = &c->segs[i].header, *before = &c->segs[i - 1].header;
    char what[WHAT_MAX] = "";
    if (h->epoch < before->epoch)
        (void)snprintf(what, sizeof(what),
                       "its epoch %" PRIu64 " is below the one before it, %" PRIu64, h->epoch,
                       before->epoch);
    else if (h->epoch > before->epoch &&
             (h->first_ticket != h->life_ticket || h->first_pos != h->life_pos))
        (void)snprintf(what, sizeof(what), "it does not begin where the life before it ended");
    else if (!c->lost && (h->first_pos != c->pos || h->first_ticket != c->ticket))
        (void)snprintf(what, sizeof(what),
                       "it begins with position %" PRIu64 ", but the segment before it, %020" PRIu64
                       ".log, ends before position %" PRIu64 ": blocks or a segment are missing",
                       h->first_pos, before->number, c->pos);
    if (what[0] != '\0' && !(c->k->live && is_gone(c, &c->segs[i - 1])))
        segment_fault(c, &c->segs[i], 0, what);
}

static int read_all(struct check *c, struct err *e)
{
    uint64_t last = c->segs[c->count - 1].header.epoch;
    bool torn = false;
    c->k->first_pos = c->k->end_pos = c->segs[0].header.first_pos;
    for (size_t i = 0; i < c->count && !(torn && c->segs[i].header.epoch == last); i++) {
        if (i > 0)
            check_chain(c, i);
        c->lost = false;
        c->k->end_pos = MAX(c->k->end_pos, c->segs[i].header.first_pos);
        TRY(read_segment(c, i, &torn, e));
    }
    return 0;
}

int bronze_check(struct sys *s, struct bronze_check *k, struct err *e)
{
    struct check c = {.sys = s, .k = k};
    k->segments = k->blocks = k->bytes = k->bytes_total = k->faults = k->torn_bytes = 0;
    k->first_pos = k->end_pos = 1;
    k->sealed = false;
    TRY(read_format(&c, e));
    int r = find_segments(&c, e);
    k->epoch = c.count > 0 ? c.segs[c.count - 1].header.epoch : 0;
    if (r == 0)
        r = check_epoch(&c, e);
    if (r == 0 && c.count > 0)
        r = read_all(&c, e);
    mem_free(c.segs);
    return r;
}
