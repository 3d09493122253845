/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bronze: the durable log, put together. One file per concern:
 *
 *   append.c   many threads → the open block in the ring of memory      (block lock)
 *   write.c    the log thread: group commit, durable end                (L3, L6, L10, I8)
 *   segment.c  files: prepared, used, trimmed, recycled                 (segment thread; L1)
 *   recover.c  start-up scan: torn tail or damage                       (L5)
 *   follow.c   readers: from memory, else from the device               (I5)
 *   record.c   the bytes; scan.c the blocks of one file; index.c the index in the store
 *
 * Life of a log: bronze_init once per folder; then bronze_open (recover, new epoch durable, fresh
 * segment durable) → bronze_start → … → bronze_stop → bronze_close.
 */
#include "bronze_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <inttypes.h>
#include <stdio.h>

#define FORMAT_VERSION       1
#define SMALL_FILE_BYTES_MAX 4096

static char *path_in(const char *folder, const char *name)
{
    return mem_printf("%s/%s", folder, name);
}

int bronze_init(struct sys *s, const char *path, struct err *e)
{
    char *format = mem_printf("%s/FORMAT", path);
    char *log_path = mem_printf("%s/log", path);
    bool exists = false;
    int r = sys_exists(s, format, &exists, e);
    if (r == 0 && exists)
        r = err_set(e, ERR_EXISTS, "%s holds a log already", path);
    if (r == 0)
        r = sys_mkdirs(s, log_path, e);
    if (r == 0)
        r = sys_sync_dir(s, path, e);
    if (r == 0) {
        uint8_t random[16];
        char text[UUID_TEXT_LEN + 1], content[128];
        sys_random(s, random, sizeof(random));
        struct uuid u = uuid_from_random(random);
        uuid_format(&u, text);
        (void)snprintf(content, sizeof(content), "sluice-log %d\nuuid %s\ntimeline 1\n",
                       FORMAT_VERSION, text);
        r = sys_write_file(s, format, slice_str(content), e);
    }
    mem_free(format);
    mem_free(log_path);
    return r;
}

/* A small text file of the data folder, terminated; *ret_text is given. */
static int read_text(struct sys *s, const char *folder, const char *name, char **ret_text,
                     struct err *e)
{
    char *path = path_in(folder, name), *data = NULL;
    size_t len;
    int r = sys_read_file(s, path, SMALL_FILE_BYTES_MAX, &data, &len, e);
    mem_free(path);
    TRY(r);
    *ret_text = mem_strndup(data, len);
    mem_free(data);
    return 0;
}

struct format {
    struct uuid uuid;
    uint64_t timeline;
};

static int read_format(struct sys *s, const char *folder, struct format *ret, struct err *e)
{
    char *text;
    int r = read_text(s, folder, "FORMAT", &text, e);
    if (r == ERR_NOT_FOUND)
        return err_set(e, ERR_NOT_FOUND, "%s is not a data folder: make one with `sluice init`",
                       folder);
    TRY(r);
    unsigned version = 0;
    char uuid[UUID_TEXT_LEN + 1] = "";
    int got =
        sscanf(text, "sluice-log %u\nuuid %36s\ntimeline %" SCNu64, &version, uuid, &ret->timeline);
    mem_free(text);
    if (got >= 1 && version > FORMAT_VERSION)
        return err_set(e, ERR_UNSUPPORTED,
                       "%s/FORMAT is of version %u, this build reads up to %d: use a newer build",
                       folder, version, FORMAT_VERSION);
    if (got != 3 || !uuid_parse(uuid, &ret->uuid))
        return err_set(e, ERR_DAMAGED, "%s/FORMAT cannot be read", folder);
    return 0;
}

/* L2: the new epoch is durable before anything carries it. */
static int take_epoch(struct bronze *log, uint64_t max_epoch, struct err *e)
{
    char *text = NULL;
    uint64_t epoch = 0;
    int r = read_text(log->sys, log->path, "EPOCH", &text, e);
    if (r < 0 && r != ERR_NOT_FOUND)
        return r;
    if (r == 0 && sscanf(text, "epoch %" SCNu64, &epoch) != 1)
        r = err_set(e, ERR_DAMAGED, "%s/EPOCH cannot be read", log->path);
    mem_free(text);
    if (r == ERR_DAMAGED)
        return r;
    log->epoch = MAX(epoch, max_epoch) + 1;
    if (sys_bug(log->sys, SYS_BUG_EPOCH_REUSED) && log->epoch > 1)
        log->epoch--; /* against L2 */
    char content[64];
    (void)snprintf(content, sizeof(content), "epoch %" PRIu64 "\n", log->epoch);
    char *path = path_in(log->path, "EPOCH");
    sys_point(log->sys, SYS_POINT_LOG_EPOCH_BEFORE_WRITE);
    r = sys_write_file(log->sys, path, slice_str(content), e);
    sys_point(log->sys, SYS_POINT_LOG_EPOCH_AFTER_WRITE);
    mem_free(path);
    return r;
}

static int lock_folder(struct sys *s, const char *folder, struct sys_file **ret_lock, struct err *e)
{
    char *path = path_in(folder, "LOCK");
    struct sys_file *lock = NULL;
    int r = sys_open(s, path, SYS_WRITE | SYS_CREATE, &lock, e);
    if (r == 0)
        r = sys_lock(lock, 0, e);
    if (r == ERR_BUSY)
        r = err_set(e, ERR_BUSY, "%s is in use by another process", folder);
    mem_free(path);
    if (r < 0) {
        (void)sys_close(lock);
        return r;
    }
    *ret_lock = lock;
    return 0;
}

int bronze_lock(struct sys *s, const char *path, struct sys_file **ret_lock, struct err *e)
{
    struct format format;
    TRY(read_format(s, path, &format, e));
    return lock_folder(s, path, ret_lock, e);
}

static void init_memory(struct bronze *log, uint64_t bytes)
{
    log->ring_bytes = bytes / BLOCK_ALIGN * BLOCK_ALIGN;
    log->ring = mem_aligned(BLOCK_ALIGN, log->ring_bytes);
    uint64_t slots = 1;
    while (slots < log->ring_bytes / BLOCK_ALIGN)
        slots *= 2;
    log->slots = mem_calloc(slots, sizeof(*log->slots));
    log->slot_mask = slots - 1;
}

static void stand_at_end(struct bronze *log, const struct recovered *rec)
{
    log->life_pos = rec->next_pos;
    log->life_ticket = rec->next_ticket;
    log->last_time_us = rec->last_time_us;
    log->next_number = rec->max_number + 2;
    atomic_store(&log->durable_ticket, rec->next_ticket - 1);
    atomic_store(&log->durable_pos, rec->next_pos - 1);
    atomic_store(&log->appended_pos, rec->next_pos - 1);
}

/* The first segment of this life, prepared and used; the log stands at the recovered end. */
static int begin_life(struct bronze *log, const struct recovered *rec, struct err *e)
{
    log->disk_segments = log->segment_count + 1;
    struct spare first = {.number = rec->max_number + 1};
    TRY(bronze__segment_prepare(log, first.number, &(struct recycled){0}, &first.file, e));
    int r = bronze__segment_use(log, first, rec->next_pos, rec->next_ticket, e);
    if (r < 0) {
        (void)sys_close(first.file);
        return r;
    }
    log->segment_offset = SEGMENT_HEADER_BYTES;
    log->submit_ticket = rec->next_ticket;
    log->sealed = true;
    bronze__open_block(log, rec->next_ticket, rec->next_pos);
    return 0;
}

static int check_options(const struct bronze_options *o, struct err *e)
{
    const uint64_t mib = 1024 * 1024;
    const uint64_t block = o->block_bytes_max;
    if (block != 0) {
        bool fits = block >= 4 * BLOCK_ALIGN && block < BLOCK_BYTES_MAX &&
                    o->segment_bytes % BLOCK_ALIGN == 0 &&
                    o->segment_bytes >= SEGMENT_HEADER_BYTES + block &&
                    o->log_bytes_max >= 4 * o->segment_bytes && o->memory_bytes >= 8 * block;
        return fits ? 0 : err_set(e, ERR_INVALID, "segments or memory do not suit these blocks");
    }
    if (o->segment_bytes < 16 * mib || o->segment_bytes > 4096 * mib || o->segment_bytes % mib != 0)
        return err_set(e, ERR_INVALID, "segment_bytes must be 16 MiB to 4 GiB in whole MiB");
    if (o->log_bytes_max < 4 * o->segment_bytes)
        return err_set(e, ERR_INVALID, "log_bytes_max must be at least 4 segments");
    if (o->memory_bytes < 32 * mib)
        return err_set(e, ERR_INVALID, "memory_bytes must be at least 32 MiB");
    return 0;
}

static struct bronze *log_new(struct sys *s, const struct bronze_options *o)
{
    struct bronze *log = mem_zalloc(sizeof(*log));
    log->sys = s;
    log->path = mem_strdup(o->path);
    log->log_path = path_in(log->path, "log");
    log->is_locked = o->is_locked;
    log->segment_bytes = o->segment_bytes;
    log->log_bytes_max = o->log_bytes_max;
    log->block_bytes_max = o->block_bytes_max != 0 ? o->block_bytes_max : BLOCK_BYTES_MAX;
    log->second_write_bytes_min = MIN(SECOND_WRITE_BYTES_MIN, log->block_bytes_max / 8);
    log->gather_from_bytes = MIN(GATHER_FROM_BYTES, log->block_bytes_max / 8);
    log->gather_bytes = MIN(GATHER_BYTES, log->block_bytes_max / 2);
    log->wake_bytes = UINT64_MAX;
    init_memory(log, o->memory_bytes);
    return log;
}

/* Locked, read, judged; stands at its end. */
static int recover(struct bronze *log, bronze_control_fn *on_control, void *ctx,
                   struct recovered *ret, struct err *e)
{
    struct format format;
    TRY(read_format(log->sys, log->path, &format, e));
    log->uuid = format.uuid;
    log->timeline = format.timeline;
    if (!log->is_locked)
        TRY(lock_folder(log->sys, log->path, &log->lock_file, e));
    TRY(bronze__recover(log, on_control, ctx, ret, e));
    stand_at_end(log, ret);
    return 0;
}

int bronze_open(struct sys *s, const struct bronze_options *o, bronze_control_fn *on_control,
                void *ctx, struct bronze **ret_log, struct err *e)
{
    TRY(check_options(o, e));
    struct bronze *log = log_new(s, o);
    struct recovered rec;
    int r = recover(log, on_control, ctx, &rec, e);
    if (r == 0)
        r = take_epoch(log, rec.max_epoch, e);
    if (r == 0)
        r = begin_life(log, &rec, e);
    if (r == 0)
        r = sys_ring_new(s, WRITES_IN_FLIGHT_MAX, &log->io, e);
    if (r < 0) {
        (void)bronze_close(log);
        return r;
    }
    *ret_log = log;
    return 0;
}

int bronze_open_offline(struct sys *s, const char *path, bronze_control_fn *on_control, void *ctx,
                        struct bronze **ret_log, struct err *e)
{
    struct bronze_options o = {.path = path, .memory_bytes = BLOCK_ALIGN};
    struct bronze *log = log_new(s, &o);
    struct recovered rec;
    int r = recover(log, on_control, ctx, &rec, e);
    if (r == 0 && log->segment_count == 0)
        r = err_set(e, ERR_NOT_FOUND, "%s holds no segment", log->log_path);
    if (r < 0) {
        (void)bronze_close(log);
        return r;
    }
    *ret_log = log;
    return 0;
}

struct bronze *bronze_close(struct bronze *log)
{
    if (log == NULL)
        return NULL;
    must(log->log_thread == NULL && log->readers == NULL);
    log->io = sys_ring_free(log->io);
    for (size_t i = 0; i < log->segment_count; i++)
        (void)sys_close(log->segments[i].file);
    for (size_t i = 0; i < log->spare_count; i++)
        (void)sys_close(log->spares[i].file);
    for (size_t i = 0; i < log->recycle_count; i++)
        (void)sys_close(log->recycle[i].file);
    (void)sys_close(log->lock_file);
    mem_free(log->segments);
    mem_free(log->recycle);
    mem_free(log->slots);
    mem_free(log->ring);
    mem_free(log->path);
    mem_free(log->log_path);
    mem_free(log);
    return NULL;
}

/* ---- threads ---- */

static void log_main(void *arg)
{
    struct bronze *log = arg;
    sys_thread_wake_gently(); /* thousands of completions a second must not interrupt the senders */
    for (;;) {
        sys_mutex_lock(&log->lock);
        bool stop = log->stopping;
        sys_mutex_unlock(&log->lock);
        if (stop)
            break;
        bronze_step(log, UINT64_MAX);
    }
    bronze__write_tail(log);
}

static void segment_main(void *arg)
{
    struct bronze *log = arg;
    while (!atomic_load(&log->stop_segment_thread)) {
        uint32_t seen = sys_event_read(&log->segment_event);
        bronze_segment_step(log);
        if (!atomic_load(&log->stop_segment_thread))
            sys_event_wait(&log->segment_event, seen, 200000);
    }
}

int bronze_start(struct bronze *log, struct err *e)
{
    int r = sys_thread_start(log->sys, "log", log_main, log, &log->log_thread);
    if (r == 0)
        r = sys_thread_start(log->sys, "segment", segment_main, log, &log->segment_thread);
    if (r < 0)
        return err_set(e, r, "a thread of the log could not be started");
    return 0;
}

void bronze_stop(struct bronze *log)
{
    if (log->log_thread == NULL) {
        bronze__write_tail(log);
        return;
    }
    sys_mutex_lock(&log->lock);
    log->stopping = true;
    sys_mutex_unlock(&log->lock);
    sys_ring_wake(log->io);
    sys_thread_join(log->log_thread);
    log->log_thread = NULL;
    atomic_store(&log->stop_segment_thread, true);
    sys_event_signal(&log->segment_event);
    sys_thread_join(log->segment_thread);
    log->segment_thread = NULL;
}

void bronze_listen(struct bronze *log, struct bronze_listener *l)
{
    must(log->log_thread == NULL);
    l->next = log->listeners;
    log->listeners = l;
}

struct uuid bronze_uuid(const struct bronze *log)
{
    return log->uuid;
}

uint64_t bronze_timeline(const struct bronze *log)
{
    return log->timeline;
}

uint64_t bronze_epoch(const struct bronze *log)
{
    return log->epoch;
}

const char *bronze_folder(const struct bronze *log)
{
    return log->path;
}

const struct trace_hist *bronze_write_hist(const struct bronze *log)
{
    return &log->write_hist;
}
