/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recovery scan over a log of small segments in the simulated kernel: up to three lives, whose
 * blocks hold control records that the model knows, then damage: bytes changed, pages zeroed or
 * copied from elsewhere, files cut.
 *
 *   - never a crash; a refusal is ERR_DAMAGED and says where
 *   - what is shown is a prefix of what was written, byte for byte, whatever was damaged (but for a
 *     first segment of which nothing is left: it could have been trimmed; followers notice)
 *   - an undamaged log is accepted to its end
 *   - when it is accepted, no block is missing of which an undamaged block of the last life says
 *     that it was durable (L5)
 *
 * Input: shape u8 ×4, a byte per block (how far durable), then damages: kind u8, segment u8,
 * place u16, value u16.
 */
#include "fuzz.h"

#include "bronze_priv.h"

#include "base/mem.h"

#include <string.h>

#define SEGMENT_BYTES (16 * BLOCK_ALIGN)
#define SEGMENTS_MAX  6
#define BLOCKS_MAX    64
#define DAMAGES_MAX   8

struct built {
    unsigned segment;
    uint64_t epoch, ticket, durable;
    size_t offset, bytes;
};

struct image {
    uint8_t bytes[SEGMENTS_MAX][SEGMENT_BYTES];
    uint8_t clean[SEGMENTS_MAX][SEGMENT_BYTES];
    size_t size[SEGMENTS_MAX];
    unsigned segments, block_count;
    struct built blocks[BLOCKS_MAX];
    uint64_t end_ticket;
    bronze_pos end_pos;
    /* while it is checked */
    bronze_pos shown;
    bool wrong;
};

static const struct uuid uuid = {{9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 1, 2, 3, 4, 5, 6}};

/* One control record per block; position = ticket. */
static void add_block(struct image *g, unsigned seg, size_t *at, uint64_t epoch, uint8_t what)
{
    bool large = what & 0x80;
    uint64_t ticket = g->end_ticket++;
    struct block_header h = {.epoch = epoch,
                             .ticket = ticket,
                             .segment = seg + 1,
                             .offset = *at,
                             .first_pos = g->end_pos++,
                             .row_count = 1,
                             .frame_count = 1,
                             .frame_bytes = FRAME_HEADER_BYTES + 12,
                             .bytes = large ? 2 * BLOCK_ALIGN : BLOCK_ALIGN,
                             .durable_ticket = ticket - 1 - MIN(what % 4, ticket - 1)};
    uint8_t *block = g->bytes[seg] + *at, *frame = block + BLOCK_HEADER_BYTES;
    struct bronze_frame f = {
        .first_pos = h.first_pos, .row_count = 1, .kind = BRONZE_CONTROL, .offset_count = 1};
    bronze__frame_encode(&f, 12, frame);
    put_le32(frame + FRAME_HEADER_BYTES, 8);
    put_le64(frame + FRAME_HEADER_BYTES + 4, h.first_pos * 0x9e3779b97f4a7c15u);
    bronze__block_seal(&uuid, &h, block);
    if (g->block_count < BLOCKS_MAX)
        g->blocks[g->block_count++] =
            (struct built){seg, epoch, ticket, h.durable_ticket, *at, h.bytes};
    *at += h.bytes;
}

/* A life: one or two segments with some blocks each. */
static void add_life(struct image *g, uint64_t epoch, uint8_t shape, struct fuzz_in *in)
{
    uint64_t life_ticket = g->end_ticket;
    bronze_pos life_pos = g->end_pos;
    for (unsigned n = 0; n < 1u + shape % 2 && g->segments < SEGMENTS_MAX; n++) {
        unsigned seg = g->segments++;
        struct segment_header h = {.uuid = uuid,
                                   .timeline = 1,
                                   .epoch = epoch,
                                   .number = seg + 1,
                                   .bytes = SEGMENT_BYTES,
                                   .first_pos = g->end_pos,
                                   .first_ticket = g->end_ticket,
                                   .life_pos = life_pos,
                                   .life_ticket = life_ticket};
        bronze__segment_encode(&h, g->bytes[seg]);
        g->size[seg] = SEGMENT_BYTES;
        size_t at = SEGMENT_HEADER_BYTES;
        for (unsigned b = 0; b < (shape >> 1) % 8u; b++) {
            uint8_t what = fuzz_u8(in);
            if (at + 2 * BLOCK_ALIGN <= SEGMENT_BYTES)
                add_block(g, seg, &at, epoch, what);
        }
    }
}

static void damage(struct image *g, struct fuzz_in *in)
{
    unsigned kind = fuzz_u8(in), seg = fuzz_u8(in) % g->segments;
    size_t place = fuzz_u16(in);
    uint16_t value = fuzz_u16(in);
    size_t page = place / BLOCK_ALIGN % (SEGMENT_BYTES / BLOCK_ALIGN) * BLOCK_ALIGN;
    switch (kind % 4) {
    case 0: g->bytes[seg][place % SEGMENT_BYTES] ^= (uint8_t)value; break;
    case 1: memset(g->bytes[seg] + page, 0, BLOCK_ALIGN); break;
    case 2:
        memmove(g->bytes[seg] + page,
                g->bytes[value / 16 % g->segments] + value % 16 * (size_t)BLOCK_ALIGN, BLOCK_ALIGN);
        break;
    default: g->size[seg] = MIN(g->size[seg], place % SEGMENT_BYTES + 1); break;
    }
}

static int on_control(void *ctx, const struct bronze_frame *f)
{
    struct image *g = ctx;
    size_t at = 0;
    struct slice row;
    if (g->shown == 0 && memcmp(g->bytes[0], g->clean[0], SEGMENT_HEADER_BYTES) != 0)
        g->shown = f->first_pos - 1;
    if (g->shown == 0 && g->size[0] < SEGMENT_HEADER_BYTES)
        g->shown = f->first_pos - 1;
    bronze_pos expected = g->shown + 1;
    g->shown = expected;
    if (f->first_pos != expected || !bronze_frame_row(f, &at, &row) || row.len != 8 ||
        get_le64(row.data) != expected * 0x9e3779b97f4a7c15u)
        g->wrong = true;
    return 0;
}

static bool is_clean(const struct image *g, const struct built *b)
{
    return b->offset + b->bytes <= g->size[b->segment] &&
           memcmp(g->bytes[b->segment] + b->offset, g->clean[b->segment] + b->offset, b->bytes) ==
               0 &&
           memcmp(g->bytes[b->segment], g->clean[b->segment], SEGMENT_HEADER_BYTES) == 0;
}

static bool is_all_clean(const struct image *g)
{
    for (unsigned i = 0; i < g->segments; i++)
        if (g->size[i] != SEGMENT_BYTES || memcmp(g->bytes[i], g->clean[i], SEGMENT_BYTES) != 0)
            return false;
    return true;
}

/* The newest ticket that an undamaged block of the last life says was durable. */
static uint64_t proved_durable(const struct image *g)
{
    uint64_t ticket = 0;
    for (unsigned i = 0; i < g->block_count; i++)
        if (g->blocks[i].epoch == g->blocks[g->block_count - 1].epoch && is_clean(g, &g->blocks[i]))
            ticket = MAX(ticket, g->blocks[i].durable);
    return ticket;
}

static void check(struct image *g)
{
    struct sys *s = sys_new_sim(1);
    struct bronze log = {
        .sys = s, .path = (char *)"/d", .log_path = (char *)"/d/log", .uuid = uuid};
    struct recovered rec;
    struct err e = {0};
    FUZZ_CHECK(sys_mkdirs(s, "/d/log", NULL) == 0);
    for (unsigned i = 0; i < g->segments; i++) {
        char *path = bronze__segment_path(&log, i + 1);
        FUZZ_CHECK(sys_write_file(s, path, slice_of(g->bytes[i], g->size[i]), NULL) == 0);
        mem_free(path);
    }
    int r = bronze__recover(&log, on_control, g, &rec, &e);
    FUZZ_CHECK(!g->wrong && g->shown < g->end_pos);
    FUZZ_CHECK(r == 0 || (r == ERR_DAMAGED && strstr(e.text, ".log") != NULL));
    if (is_all_clean(g))
        FUZZ_CHECK(r == 0 && rec.next_pos == g->end_pos && rec.next_ticket == g->end_ticket);
    if (r == 0) {
        FUZZ_CHECK(g->shown == 0 || rec.next_pos == g->shown + 1);
        FUZZ_CHECK(rec.next_pos <= g->end_pos && rec.next_ticket <= g->end_ticket);
        FUZZ_CHECK(proved_durable(g) < rec.next_ticket);
    }
    mem_free(log.segments);
    sys_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct image g; /* large; cleared each time */
    struct fuzz_in in = fuzz_in(data, size);
    uint8_t lives = fuzz_u8(&in), shapes[3];
    for (unsigned i = 0; i < 3; i++)
        shapes[i] = fuzz_u8(&in);
    memset(&g, 0, sizeof(g));
    g.end_ticket = g.end_pos = 1;
    for (unsigned i = 0; i < 1u + lives % 3; i++)
        add_life(&g, i + 1, shapes[i], &in);
    memcpy(g.clean, g.bytes, sizeof(g.clean));
    for (unsigned i = 0; i < DAMAGES_MAX && fuzz_left(&in) > 0; i++)
        damage(&g, &in);
    check(&g);
    return 0;
}
