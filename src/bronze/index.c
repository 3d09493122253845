/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log's index in the store. Sparse: a *mark* is set when 1 MiB of log or one second has passed
 * since the last one; with each mark begins a stretch, and the first block of every stream in a
 * stretch is noted. A search goes to the nearest note before what it wants and reads on from there,
 * at most one stretch.
 *
 *   l p <position be64>                              → place       marks, in order of position and
 *   time
 *   l s <table be32> <stream be64> <offset be64>     → place       first frame of a stream in a
 *   stretch
 *   l q <position be64> <table> <stream> <offset>    → (nothing)   which notes to remove at a trim
 *
 *   place: segment, offset, ticket, first position of the block, time; le64 each
 *
 * The index is derived: what it says is checked against the blocks that it points to (S3).
 * Thread: bronze_index_add() on the apply thread; searches on any.
 */
#include "bronze/index.h"

#include "bronze_priv.h"

#include "base/bits.h"
#include "base/map.h"
#include "base/mem.h"
#include "store/keys.h"
#include "store/store.h"

#define MARK_BYTES       (1024u * 1024)
#define MARK_US          1000000
#define SEARCH_BYTES_MAX (32u * 1024 * 1024)
#define PLACE_BYTES      40
#define NOTE_KEY_BYTES   22
#define MARKS_CHECKED    16 /* at a start */

struct bronze_index {
    uint64_t bytes; /* since the last mark */
    int64_t mark_time_us;
    bool started;
    struct map streams; /* noted in this stretch */
};

struct bronze_index *bronze_index_new(void)
{
    return mem_zalloc(sizeof(struct bronze_index));
}

struct bronze_index *bronze_index_free(struct bronze_index *x)
{
    if (x == NULL)
        return NULL;
    map_deinit(&x->streams);
    mem_free(x);
    return NULL;
}

static void put_place(uint8_t out[PLACE_BYTES], const struct bronze_block *b)
{
    put_le64(out, b->segment);
    put_le64(out + 8, b->offset);
    put_le64(out + 16, b->ticket);
    put_le64(out + 24, b->first_pos);
    put_le64(out + 32, (uint64_t)b->first_time_us);
}

static bool get_place(struct slice v, struct bronze_block *ret)
{
    if (v.len != PLACE_BYTES)
        return false;
    *ret = (struct bronze_block){
        .segment = get_le64(v.data),
        .offset = get_le64(v.data + 8),
        .ticket = get_le64(v.data + 16),
        .first_pos = get_le64(v.data + 24),
        .first_time_us = (int64_t)get_le64(v.data + 32),
    };
    return true;
}

static void put_mark_key(uint8_t out[10], char kind, bronze_pos pos)
{
    out[0] = STORE_LOG;
    out[1] = (uint8_t)kind;
    put_be64(out + 2, pos);
}

/* "l s table stream offset" */
static void put_note_key(uint8_t out[NOTE_KEY_BYTES], uint32_t table, uint64_t stream,
                         uint64_t offset)
{
    out[0] = STORE_LOG;
    out[1] = 's';
    put_be32(out + 2, table);
    put_be64(out + 6, stream);
    put_be64(out + 14, offset);
}

static void note(const struct bronze_block *b, const struct bronze_frame *f,
                 struct store_batch *batch)
{
    uint8_t place[PLACE_BYTES], key[NOTE_KEY_BYTES], back[10 + NOTE_KEY_BYTES];
    put_place(place, b);
    put_note_key(key, f->table_id, f->stream_id, f->first_offset);
    store_batch_put(batch, slice_of(key, sizeof(key)), slice_of(place, sizeof(place)));
    put_mark_key(back, 'q', b->first_pos);
    memcpy(back + 10, key, sizeof(key));
    store_batch_put(batch, slice_of(back, sizeof(back)), SLICE_NULL);
}

void bronze_index_add(struct bronze_index *x, const struct bronze_block *b,
                      struct store_batch *batch)
{
    if (b->frame_count == 0)
        return;
    if (!x->started || x->bytes >= MARK_BYTES || b->first_time_us - x->mark_time_us >= MARK_US) {
        uint8_t place[PLACE_BYTES], key[10];
        put_place(place, b);
        put_mark_key(key, 'p', b->first_pos);
        store_batch_put(batch, slice_of(key, sizeof(key)), slice_of(place, sizeof(place)));
        x->started = true;
        x->bytes = 0;
        x->mark_time_us = b->first_time_us;
        map_deinit(&x->streams);
    }
    x->bytes += b->bytes;
    size_t at = 0;
    struct bronze_frame f;
    while (bronze_block_frame(b, &at, &f)) {
        if (f.kind == BRONZE_CONTROL || map_get(&x->streams, map_key_u64(&f.stream_id)) != NULL)
            continue;
        note(b, &f, batch);
        (void)map_put(&x->streams, map_key_u64(&f.stream_id),
                      x); /* a set: the value says nothing */
    }
}

int bronze_index_trim(struct store *st, bronze_pos bound, struct err *e)
{
    uint8_t from[10], to[10];
    put_mark_key(from, 'q', 0);
    put_mark_key(to, 'q', bound);
    struct store_batch *batch = store_batch_new(st);
    struct store_iter *it = store_iter_new(st, NULL);
    for (store_iter_seek(it, slice_of(from, sizeof(from))); store_iter_valid(it);
         store_iter_next(it)) {
        struct slice key = store_iter_key(it);
        if (slice_cmp(key, slice_of(to, sizeof(to))) >= 0)
            break;
        if (key.len == 10 + NOTE_KEY_BYTES)
            store_batch_delete(batch, slice_of(key.data + 10, NOTE_KEY_BYTES));
    }
    int r = store_iter_status(it, e);
    it = store_iter_free(it);
    store_batch_delete_range(batch, slice_of(from, sizeof(from)), slice_of(to, sizeof(to)));
    from[1] = to[1] = 'p';
    store_batch_delete_range(batch, slice_of(from, sizeof(from)), slice_of(to, sizeof(to)));
    if (r == 0)
        r = store_write(st, batch, e);
    batch = store_batch_free(batch);
    return r;
}

/* ---- search ---- */

static int no_such(struct err *e)
{
    return err_set(e, ERR_NOT_FOUND,
                   "the log holds nothing such (trimmed already, or not there yet)");
}

/* The last key <= @key that shares its first @prefix_len bytes. ERR_NOT_FOUND when there is
 * none. */
static int seek_back(struct store *st, struct slice key, size_t prefix_len,
                     struct bronze_block *ret_block, struct err *e)
{
    struct store_iter *it = store_iter_new(st, NULL);
    store_iter_seek_back(it, key);
    int r = ERR_NOT_FOUND;
    if (!store_iter_valid(it)) {
        int status = store_iter_status(it, e);
        r = status < 0 ? status : no_such(e);
    } else {
        struct slice found = store_iter_key(it);
        bool same = found.len == key.len && memcmp(found.data, key.data, prefix_len) == 0;
        r = same && get_place(store_iter_value(it), ret_block) ? 0 : no_such(e);
    }
    it = store_iter_free(it);
    return r;
}

/* ---- the index against the segments (S3) ---- */

/* Is the block that the mark names at its place? */
static int stands_there(struct bronze *log, const struct bronze_block *mark, bool *ret_stands,
                        struct err *e)
{
    *ret_stands = false;
    sys_mutex_lock(&log->lock);
    uint64_t number = bronze__segment_of_pos(log, mark->first_pos)->number;
    sys_mutex_unlock(&log->lock);
    if (number != mark->segment || mark->offset % BLOCK_ALIGN != 0)
        return 0;
    _cleanup_(mem_freep) char *path = bronze__segment_path(log, number);
    _cleanup_(sys_closep) struct sys_file *file = NULL;
    TRY(sys_open(log->sys, path, SYS_READ | SYS_DIRECT, &file, e));
    uint64_t bytes;
    TRY(sys_size(file, &bytes, e));
    if (mark->offset + BLOCK_ALIGN > bytes)
        return 0;
    uint8_t *head = mem_aligned(BLOCK_ALIGN, BLOCK_ALIGN);
    struct block_header h;
    int r = sys_read(file, head, BLOCK_ALIGN, mark->offset, e);
    *ret_stands = r == 0 && bronze__block_decode(&log->uuid, head, &h) &&
                  h.segment == mark->segment && h.offset == mark->offset &&
                  h.ticket == mark->ticket && h.first_pos == mark->first_pos;
    mem_free(head);
    return r;
}

int bronze_index_check(struct bronze *log, struct store *st, bronze_pos applied, struct err *e)
{
    for (unsigned i = 0; i < MARKS_CHECKED && applied >= bronze_trimmed_pos(log); i++) {
        struct bronze_block mark;
        uint8_t key[10];
        put_mark_key(key, 'p', applied);
        int r = seek_back(st, slice_of(key, sizeof(key)), 2, &mark, e);
        if (r == ERR_NOT_FOUND || (r == 0 && mark.first_pos < bronze_trimmed_pos(log)))
            return 0;
        TRY(r);
        bool stands;
        TRY(stands_there(log, &mark, &stands, e));
        if (!stands)
            return err_set(e, ERR_PRECONDITION,
                           "the store says that position %llu stands in segment %llu at byte %llu, "
                           "and it does not: the store is of another past of this log",
                           (unsigned long long)mark.first_pos, (unsigned long long)mark.segment,
                           (unsigned long long)mark.offset);
        applied = mark.first_pos - 1;
    }
    return 0;
}

/* Says whether @f (or a row of it) is what is searched: 1 found, 0 read on, ERR_NOT_FOUND passed
 * it. */
struct search {
    int (*match)(const struct search *s, const struct bronze_frame *f, uint64_t *ret_row);
    bronze_pos pos;
    int64_t time_us;
    uint32_t table_id;
    uint64_t stream_id, offset;
};

static int look_in(const struct search *s, const struct bronze_block *b,
                   struct bronze_place *ret_place)
{
    size_t at = 0;
    struct bronze_frame f;
    while (bronze_block_frame(b, &at, &f)) {
        uint64_t row = 0;
        int r = s->match(s, &f, &row);
        if (r == 0)
            continue;
        if (r < 0)
            return r;
        f.payload = SLICE_NULL;
        *ret_place = (struct bronze_place){f.first_pos + row, b->segment, b->offset, f};
        return 1;
    }
    return 0;
}

/* With a @from that has been trimmed, or is all zeros, the search begins where the log begins: the
 * marks of a stretch that was trimmed in part are gone. */
static int search_from(struct bronze *log, const struct bronze_block *from, const struct search *s,
                       struct bronze_place *ret_place, struct err *e)
{
    struct bronze_reader *r;
    if (from->first_pos >= bronze_trimmed_pos(log))
        r = bronze__reader_at(log, "find", from);
    else if (bronze_reader_open(log, "find", bronze_trimmed_pos(log), &r, e) < 0)
        return no_such(e); /* trimmed on just now */
    uint64_t bytes = 0;
    int rc = 0;
    while (rc == 0 && bytes < SEARCH_BYTES_MAX) {
        struct bronze_block b;
        rc = bronze_reader_next(r, &b, e);
        if (rc != 0)
            break;
        rc = look_in(s, &b, ret_place);
        bytes += b.bytes;
    }
    r = bronze_reader_close(r);
    if (rc == 1)
        return 0;
    return rc < 0 && rc != ERR_NOT_FOUND ? rc : no_such(e);
}

static int match_pos(const struct search *s, const struct bronze_frame *f, uint64_t *ret_row)
{
    if (f->first_pos > s->pos)
        return ERR_NOT_FOUND;
    *ret_row = s->pos - f->first_pos;
    return *ret_row < f->row_count ? 1 : 0;
}

int bronze_find_pos(struct bronze *log, struct store *st, bronze_pos pos,
                    struct bronze_place *ret_place, struct err *e)
{
    struct search s = {.match = match_pos, .pos = pos};
    struct bronze_block from = {0};
    uint8_t key[10];
    put_mark_key(key, 'p', pos);
    int r = seek_back(st, slice_of(key, sizeof(key)), 2, &from, e);
    return r < 0 && r != ERR_NOT_FOUND ? r : search_from(log, &from, &s, ret_place, e);
}

static int match_time(const struct search *s, const struct bronze_frame *f, uint64_t *ret_row)
{
    *ret_row = 0;
    return f->time_us >= s->time_us ? 1 : 0;
}

/* The last mark whose time is before @time_us, by halving the range of positions. ERR_NOT_FOUND:
 * what is sought stands before the first mark that is left, or nowhere. */
static int seek_time(struct bronze *log, struct store *st, int64_t time_us,
                     struct bronze_block *ret_block, struct err *e)
{
    bronze_pos low = bronze_trimmed_pos(log), high = bronze_durable_pos(log);
    uint8_t key[10];
    while (low < high) {
        bronze_pos middle = low + (high - low + 1) / 2;
        struct bronze_block b;
        put_mark_key(key, 'p', middle);
        int r = seek_back(st, slice_of(key, sizeof(key)), 2, &b, e);
        if (r < 0 && r != ERR_NOT_FOUND)
            return r;
        if (r == ERR_NOT_FOUND || b.first_time_us < time_us)
            low = middle; /* no mark up to here: what is sought lies behind */
        else
            high = middle - 1;
    }
    put_mark_key(key, 'p', low);
    return seek_back(st, slice_of(key, sizeof(key)), 2, ret_block, e);
}

int bronze_find_time(struct bronze *log, struct store *st, int64_t time_us,
                     struct bronze_place *ret_place, struct err *e)
{
    struct search s = {.match = match_time, .time_us = time_us};
    struct bronze_block from = {0};
    int r = seek_time(log, st, time_us, &from, e);
    return r < 0 && r != ERR_NOT_FOUND ? r : search_from(log, &from, &s, ret_place, e);
}

static int match_offset(const struct search *s, const struct bronze_frame *f, uint64_t *ret_row)
{
    if (f->kind == BRONZE_CONTROL || f->stream_id != s->stream_id || f->table_id != s->table_id)
        return 0;
    if (f->first_offset > s->offset)
        return ERR_NOT_FOUND;
    if (s->offset - f->first_offset >= f->offset_count)
        return 0;
    *ret_row = f->kind == BRONZE_SINGLES ? s->offset - f->first_offset : 0;
    return 1;
}

int bronze_find_offset(struct bronze *log, struct store *st, uint32_t table_id, uint64_t stream_id,
                       uint64_t offset, struct bronze_place *ret_place, struct err *e)
{
    struct search s = {
        .match = match_offset, .table_id = table_id, .stream_id = stream_id, .offset = offset};
    struct bronze_block from = {0};
    uint8_t key[NOTE_KEY_BYTES];
    put_note_key(key, table_id, stream_id, offset);
    int r = seek_back(st, slice_of(key, sizeof(key)), 14, &from, e);
    return r < 0 && r != ERR_NOT_FOUND ? r : search_from(log, &from, &s, ret_place, e);
}
