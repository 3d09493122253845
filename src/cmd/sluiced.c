/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sluiced: the server. Reads its configuration, builds the objects, joins them, runs until a
 * signal.
 *
 *   start   lock → store → catalog ◄─replay─ bronze → rpc → ingest, serve, compact, admin →
 *           threads → listeners
 *   end     drain streams → rpc stops → admin → compact (commits what is durable) → serve (flushes)
 *           → bronze (an empty block seals the tail) → store closes → lock
 *
 * Everything hangs from struct server; there are no globals. Signals are taken by the main thread
 * only.
 * Exit status: 0 stopped, and all that was acknowledged is safe; 1 could not start; 2 bad usage; an
 * abort is a broken promise. The last line of the log tells whether all is in the lake.
 */
#include "config_priv.h"

#include "admin/admin.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/must.h"
#include "bronze/bronze.h"
#include "catalog/catalog.h"
#include "compact/compact.h"
#include "ingest/ingest.h"
#include "objstore/objstore.h"
#include "rescue/rescue.h"
#include "rpc/rpc.h"
#include "serve/serve.h"
#include "store/store.h"
#include "sys/point.h"
#include "sys/sys.h"
#include "trace/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define VERSION       "0.1.0"
#define PEM_BYTES_MAX (1024 * 1024)
#define TICK_MS       20
/* The last line of a stop that was cut short. docs/OPERATING.md says what to do with it. */
#define WORK_LEFT                                                                                  \
    " with work left: all that was acknowledged is in the log, and the next start goes on with it"

struct server {
    struct config config;
    struct sys *sys;
    struct sys_file *lock; /* of the data folder: held longer than log and store are open */
    struct store *store;
    struct catalog *catalog;
    struct bronze *log;
    struct objstore *lake;
    struct rpc_server *rpc;
    struct ingest *ingest;
    struct serve *serve;
    struct compact *compact;
    struct admin *admin;
    bool is_drained; /* the stop has brought everything into the lake and the store */
    _Atomic bool draining, stopped;
    struct sys_event stop_event;
    struct sys_thread *stop_watch;
};

/* ---- hooks: what admin asks the others ---- */

static int hook_check_location(void *ctx, const char *location, struct err *e)
{
    struct server *s = ctx;
    return compact_check_location(s->lake, location, e);
}

static void hook_table(void *ctx, uint32_t table_id, struct admin_table *ret)
{
    struct server *s = ctx;
    struct compact_table_status st;
    if (!compact_table(s->compact, table_id, &st))
        return;
    ret->committed_pos = st.committed_pos;
    ret->rows_committed = st.rows_committed;
    ret->lag_rows = st.rows_waiting;
    ret->spilled_rows = st.rows_spilled;
    ret->spilled_bytes = st.spill_bytes;
    ret->spilled_files = st.spill_files;
    ret->delta_version = st.delta_version;
    (void)snprintf(ret->fault, sizeof(ret->fault), "%s", st.fault);
}

static uint64_t hook_applied_pos(void *ctx)
{
    return serve_applied_pos(((struct server *)ctx)->serve);
}

static uint64_t hook_scanned_pos(void *ctx)
{
    struct compact_totals t;
    compact_totals(((struct server *)ctx)->compact, &t);
    return t.scanned_pos;
}

static const char *hook_state(void *ctx)
{
    return atomic_load(&((struct server *)ctx)->draining) ? "draining" : "serving";
}

static void hook_store_fault(void *ctx, char *ret_text, size_t cap)
{
    (void)serve_fault(((struct server *)ctx)->serve, ret_text, cap);
}

struct scan {
    admin_scan_fn *fn;
    void *ctx;
};

static int show_scanned(void *ctx, const struct serve_scanned *row)
{
    const struct scan *x = ctx;
    return x->fn(x->ctx, row->key, row->row, row->descriptor_id);
}

static int hook_scan(void *ctx, const struct catalog_table *t, struct slice after,
                     admin_scan_fn *fn, void *fn_ctx, struct err *e)
{
    struct scan x = {fn, fn_ctx};
    return serve_scan(((struct server *)ctx)->serve, t, after, show_scanned, &x, e);
}

static void *hook_replay_new(void *ctx, struct catalog_table *t, struct catalog_table *quarantine,
                             const char *principal)
{
    return ingest_replay_new(((struct server *)ctx)->ingest, t, quarantine, principal);
}

static int hook_replay_row(void *replay, const struct row_value *bad, struct err *e)
{
    return ingest_replay_row(replay, bad, e);
}

static int hook_replay_end(void *replay, struct err *e)
{
    return ingest_replay_end(replay, e);
}

static void hook_report(void *ctx, struct admin_report *r)
{
    struct server *s = ctx;
    struct ingest_counters in;
    struct compact_totals co;
    struct rpc_counters rpc;
    ingest_read_counters(s->ingest, &in);
    compact_totals(s->compact, &co);
    rpc_server_counters(s->rpc, &rpc);
    admin_report_latency(r, "ack", ingest_ack_hist(s->ingest));
    admin_report_latency(r, "commit_freshness", compact_freshness_hist(s->compact));
    serve_report(s->serve, r, admin_report_latency, admin_report_counter);
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"streams_open", in.streams_open},
        {"streams_opened", in.streams_opened},
        {"rows_acked_or_waiting", in.rows},
        {"requests", in.requests},
        {"row_bytes", in.bytes},
        {"streams_refused", in.refused},
        {"acks_sent", in.acks},
        {"requests_parked", in.parked},
        {"rows_rejected", in.rejected},
        {"rows_quarantined", in.quarantined},
        {"rows_dropped", in.dropped},
        {"rows_warned", in.warned},
        {"delta_rows", co.rows},
        {"delta_files", co.files},
        {"delta_file_bytes", co.file_bytes},
        {"delta_commits", co.commits},
        {"delta_checkpoints", co.checkpoints},
        {"delta_failures", co.failures},
        {"lake_orphans_removed", co.orphans_removed},
        {"lake_orphan_bytes_removed", co.orphan_bytes_removed},
        {"lake_orphans_young", co.orphans_young},
        {"lake_leftovers_removed", co.leftovers_removed},
        {"compact_memory_bytes", co.memory_bytes},
        {"compact_rows_unknown", co.rows_unknown},
        {"spill_rows_written", co.rows_spilled},
        {"spill_files", co.spill_files},
        {"spill_bytes", co.spill_bytes},
        {"log_trims", co.trims},
        {"catalog_snapshots", co.snapshots},
        {"rpc_calls_open", rpc.calls_open},
        {"rpc_calls_opened", rpc.calls_opened},
        {"rpc_messages_received", rpc.messages_received},
        {"rpc_doorbells", rpc.rings},
        {"rpc_queues", rpc.queues},
        {"resident_bytes", sys_resident_bytes()},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        admin_report_counter(r, rows[i].name, rows[i].value);
}

/* ---- queue hooks ---- */

static void on_idle(struct rpc_queue *q, void *ctx)
{
    struct server *s = ctx;
    ingest_on_idle(s->ingest, q);
}

static void on_tick(struct rpc_queue *q, void *ctx)
{
    struct server *s = ctx;
    ingest_on_tick(s->ingest, q);
    serve_on_tick(s->serve, q);
}

/* ---- building ---- */

static int open_log(struct server *s, struct err *e)
{
    struct bronze_options o = {
        .path = s->config.data_dir,
        .segment_bytes = s->config.segment_bytes,
        .log_bytes_max = s->config.log_bytes_max,
        .memory_bytes = s->config.log_memory_bytes,
        .is_locked = true,
    };
    s->catalog = catalog_new(s->sys);
    uint64_t began = sys_mono_ns(s->sys);
    TRY(bronze_open(s->sys, &o, catalog_on_control, s->catalog, &s->log, e));
    catalog_attach(s->catalog, s->log);
    LOG_INFO("bronze",
             "log recovered in %llu ms: positions %llu to %llu, epoch %llu, writes through %s",
             (unsigned long long)(sys_mono_ns(s->sys) - began) / 1000000,
             (unsigned long long)bronze_trimmed_pos(s->log),
             (unsigned long long)bronze_durable_pos(s->log),
             (unsigned long long)bronze_epoch(s->log), sys_write_method(s->sys));
    if (sys_write_fallback(s->sys) != NULL)
        LOG_WARN("sys", "the log writes through %s, which is slower than io_uring: %s",
                 sys_write_method(s->sys), sys_write_fallback(s->sys));
    return 0;
}

/* What is to be done about it, behind what is wrong. */
static int store_lost(struct err *e)
{
    char what[ERR_TEXT_MAX];
    (void)snprintf(what, sizeof(what), "%s", e->text);
    return err_set(
        e, e->code,
        "%.700s. Nothing of it is lost: `sluice store rebuild --data DIR` makes it again "
        "from the log and the lake",
        what);
}

static int open_store(struct server *s, struct err *e)
{
    char *path = mem_printf("%s/store", s->config.data_dir);
    struct store_options o = {
        .path = path,
        .cache_bytes = s->config.store_cache_bytes,
        .write_buffer_bytes = 32ull * 1024 * 1024,
        .sys = s->sys,
    };
    int r = store_open_rocksdb(&o, &s->store, e);
    mem_free(path);
    bool is_lost = r == ERR_DAMAGED || r == ERR_IO || r == ERR_INVALID || r == ERR_NOT_FOUND;
    return is_lost ? store_lost(e) : r;
}

/* A store that is not there is made anew when the log still holds everything. */
static int make_store(struct server *s, struct err *e)
{
    bronze_pos first = bronze_trimmed_pos(s->log);
    if (first > 1) {
        (void)err_set(e, ERR_PRECONDITION,
                      "the store %s/store is missing, and the log begins at position %llu only",
                      s->config.data_dir, (unsigned long long)first);
        return store_lost(e);
    }
    return open_store(s, e);
}

/* For offline commands, which do not read the configuration. */
static int note_lake(struct server *s, struct err *e)
{
    char *path = realpath(s->config.lake_dir, NULL);
    if (path == NULL)
        return err_set(e, err_from_errno(errno), "lake_dir %s cannot be found", s->config.lake_dir);
    int r = rescue_note_lake(s->sys, s->config.data_dir, path, e);
    free(path);
    return r;
}

static int read_pem(struct server *s, const char *path, char **ret, struct err *e)
{
    char *data = NULL;
    size_t len;
    if (sys_read_file(s->sys, path, PEM_BYTES_MAX, &data, &len, e) < 0)
        return err_wrap(e, "TLS");
    *ret = mem_strndup(data, len);
    mem_free(data);
    return 0;
}

static int build_rpc(struct server *s, struct err *e)
{
    const struct config *c = &s->config;
    _cleanup_(mem_freep) char *cert = NULL;
    _cleanup_(mem_freep) char *key = NULL;
    if (c->listen != NULL) {
        TRY(read_pem(s, c->tls_cert, &cert, e));
        TRY(read_pem(s, c->tls_key, &key, e));
    }
    unsigned cpus = sys_cpu_count();
    struct rpc_options o = {
        .listen_tls = c->listen,
        .tls_cert_pem = cert,
        .tls_key_pem = key,
        .listen_plain = c->listen_plain,
        .queue_count = c->rpc_threads != 0 ? (unsigned)c->rpc_threads : MAX(1u, MIN(8u, cpus / 2)),
        .tick_ms = TICK_MS,
        .memory_bytes = c->rpc_memory_bytes,
    };
    return rpc_server_new(s->sys, &o, &s->rpc, e);
}

static int build_services(struct server *s, struct err *e)
{
    TRY(objstore_open_folder(s->sys, s->config.lake_dir, &s->lake, e));
    TRY(note_lake(s, e));
    TRY(build_rpc(s, e));
    struct ingest_options in = {s->sys, s->log, s->catalog, s->rpc};
    s->ingest = ingest_new(&in);
    struct serve_options sv = {
        .sys = s->sys,
        .log = s->log,
        .catalog = s->catalog,
        .store = s->store,
        .server = s->rpc,
        .row_cache_bytes = s->config.row_cache_bytes,
    };
    TRY(serve_new(&sv, &s->serve, e));
    struct compact_deps cd = {s->sys, s->log, s->catalog, s->store, s->lake};
    struct compact_options co = {
        .file_bytes = s->config.commit_bytes,
        .memory_bytes = s->config.compact_memory_bytes,
        .freshness_ms = (uint32_t)s->config.freshness_ms,
        .trim_interval_ms = 200,
        .orphan_grace_ms = (uint32_t)s->config.orphan_grace_ms,
        .log_keep_bytes = s->config.log_keep_bytes,
        .table_log_bytes = s->config.table_log_bytes,
        .spill_bytes = s->config.spill_bytes,
    };
    TRY(compact_new(&cd, &co, &s->compact, e));
    struct admin_options ao = {
        .sys = s->sys,
        .log = s->log,
        .store = s->store,
        .catalog = s->catalog,
        .server = s->rpc,
        .hooks = {s, hook_check_location, hook_table, hook_applied_pos, hook_scanned_pos,
                  hook_state, hook_report, hook_store_fault, hook_scan, hook_replay_new,
                  hook_replay_row, hook_replay_end},
        .lake_root = objstore_root(s->lake),
        .version = VERSION,
    };
    s->admin = admin_new(&ao);
    rpc_server_hooks(s->rpc, on_idle, on_tick, s);
    return 0;
}

static int start(struct server *s, struct err *e)
{
    TRY(bronze_start(s->log, e));
    TRY(serve_start(s->serve, e));
    TRY(compact_start(s->compact, e));
    TRY(admin_start(s->admin, e));
    TRY(rpc_server_start(s->rpc, e));
    if (s->config.listen != NULL)
        LOG_INFO("rpc", "serving TLS gRPC at %s (port %d)", s->config.listen,
                 rpc_server_port_tls(s->rpc));
    if (s->config.listen_plain != NULL)
        LOG_WARN("rpc", "serving plain text at %s (port %d)", s->config.listen_plain,
                 rpc_server_port_plain(s->rpc));
    return 0;
}

static int build(struct server *s, struct err *e)
{
    bool has_store;
    TRY(bronze_lock(s->sys, s->config.data_dir, &s->lock, e));
    if (rescue_store_is_there(s->sys, s->config.data_dir, &has_store, e) < 0)
        return e->code == ERR_DAMAGED ? store_lost(e) : e->code;
    if (has_store) /* before the log: a refused start then leaves no new segment behind */
        TRY(open_store(s, e));
    TRY(open_log(s, e));
    if (!has_store)
        TRY(make_store(s, e));
    TRY(build_services(s, e));
    return start(s, e);
}

/* ---- the end ---- */

/*
 * A stop ends in time even when a call into the lake or the store does not come back: what is
 * acknowledged is in the log, and the next start goes on from there, as after a crash.
 */
static void watch_stop(void *arg)
{
    struct server *s = arg;
    uint64_t end_ns = sys_mono_ns(s->sys) + s->config.stop_grace_ms * 1000000, now_ns;
    while (!atomic_load(&s->stopped) && (now_ns = sys_mono_ns(s->sys)) < end_ns) {
        uint32_t seen = sys_event_read(&s->stop_event);
        if (!atomic_load(&s->stopped))
            sys_event_wait(&s->stop_event, seen, (end_ns - now_ns) / 1000 + 1);
    }
    if (atomic_load(&s->stopped))
        return;
    LOG_WARN("sluiced", "stopped after %llu ms" WORK_LEFT,
             (unsigned long long)s->config.stop_grace_ms);
    _exit(0);
}

static void end_watch(struct server *s)
{
    atomic_store(&s->stopped, true);
    sys_event_signal(&s->stop_event);
    sys_thread_join(s->stop_watch);
    s->stop_watch = NULL;
}

/* Streams may finish by themselves until the grace time is over. */
static void wait_for_streams(struct server *s, uint64_t grace_ms)
{
    uint64_t end_ns = sys_mono_ns(s->sys) + grace_ms * 1000000;
    struct ingest_counters c;
    do {
        sys_sleep_ms(s->sys, 20);
        ingest_read_counters(s->ingest, &c);
    } while (c.streams_open > 0 && sys_mono_ns(s->sys) < end_ns);
}

/* Half of the time at most is the streams', and a sixth is kept for the store and the log. */
static void stop(struct server *s)
{
    uint64_t stop_ms = s->config.stop_grace_ms, began_ns = sys_mono_ns(s->sys);
    uint64_t grace_ms = MIN(s->config.grace_ms, stop_ms / 2);
    if (s->rpc != NULL && s->ingest != NULL) {
        atomic_store(&s->draining, true);
        ingest_drain(s->ingest, (uint32_t)grace_ms);
        wait_for_streams(s, grace_ms);
        rpc_server_stop(s->rpc, 500);
    }
    if (s->admin != NULL)
        admin_stop(s->admin);
    uint64_t used_ms = (sys_mono_ns(s->sys) - began_ns) / 1000000 + stop_ms / 6;
    if (s->compact != NULL)
        s->is_drained =
            compact_stop(s->compact, (uint32_t)(used_ms < stop_ms ? stop_ms - used_ms : 0));
    if (s->serve != NULL)
        serve_stop(s->serve);
    if (s->log != NULL)
        bronze_stop(s->log);
    char fault[ERR_TEXT_MAX];
    s->is_drained = s->is_drained && !serve_fault(s->serve, fault, sizeof(fault)) &&
                    serve_applied_pos(s->serve) == bronze_durable_pos(s->log);
}

static void tear_down(struct server *s)
{
    s->rpc = rpc_server_free(s->rpc);
    s->admin = admin_free(s->admin);
    s->compact = compact_free(s->compact);
    s->serve = serve_free(s->serve);
    s->ingest = ingest_free(s->ingest);
    s->lake = objstore_close(s->lake);
    s->catalog = catalog_free(s->catalog);
    s->log = bronze_close(s->log);
    s->store = store_close(s->store);
    (void)sys_close(s->lock);
    end_watch(s);
    s->sys = sys_free(s->sys);
    config_deinit(&s->config);
}

/* ---- main ---- */

static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    must(sigprocmask(SIG_BLOCK, set, NULL) == 0);
    signal(SIGPIPE, SIG_IGN); /* NOLINT(cert-err33-c): cannot fail for this signal */
}

/* Each connection and each segment of the log is an open file: take what the system grants. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* at worst the limit stays where it was */
}

/* For tests only (docs/TESTING.md): kill -9 at a named point. Before any thread. */
static int arm_crash(struct server *s, struct err *e)
{
    const char *order = getenv("SLUICE_CRASH_AT"); /* NOLINT(concurrency-mt-unsafe) */
    if (order == NULL)
        return 0;
    if (sys_crash_at(s->sys, order, e) < 0)
        return err_wrap(e, "SLUICE_CRASH_AT");
    LOG_WARN("sluiced", "SLUICE_CRASH_AT is set: this process kills itself at %s", order);
    return 0;
}

static int run(struct server *s, const char *config_path, const sigset_t *signals)
{
    struct err e = {0};
    int r = sys_new_uring(&s->sys, &e);
    if (r == 0)
        r = arm_crash(s, &e);
    if (r == 0)
        r = config_read(s->sys, config_path, &s->config, &e);
    if (r == 0)
        r = build(s, &e);
    if (r < 0) {
        LOG_ERROR("sluiced", "not started: %s", e.text);
    } else {
        LOG_INFO("sluiced", "ready");
        int signal_number;
        must(sigwait(signals, &signal_number) == 0);
        LOG_INFO("sluiced", "signal %d: finishing within %llu ms", signal_number,
                 (unsigned long long)s->config.stop_grace_ms);
        if (sys_thread_start(s->sys, "stop-watch", watch_stop, s, &s->stop_watch) < 0)
            LOG_WARN("sluiced", "nothing watches how long this stop takes");
    }
    stop(s);
    tear_down(s);
    if (r == 0 && s->is_drained)
        LOG_INFO("sluiced", "stopped in good order: all is in the lake");
    else if (r == 0)
        LOG_WARN("sluiced", "stopped" WORK_LEFT);
    return r == 0 ? 0 : 1;
}

static const char help_text[] = "sluiced: the Sluice server\n\n"
                                "  sluiced --config FILE     serve until SIGTERM or SIGINT\n"
                                "  sluiced --version\n\n"
                                "The configuration is documented in the sample, "
                                "deploy/sluiced.conf. Make the data folder with\n"
                                "`sluice init --data DIR` first.\n\n"
                                "Exit status: 0 stopped, and all that was acknowledged is safe; "
                                "1 could not start; 2 bad usage.\n"
                                "The last line of the log tells whether all is in the lake "
                                "(\"stopped in good order\")\n"
                                "or stop_grace_ms was too short (\"with work left\"): then the "
                                "next start goes on with it.\n";

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("sluiced " VERSION);
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(help_text, stdout);
        return 0;
    }
    if (argc != 3 || strcmp(argv[1], "--config") != 0) {
        fputs(help_text, stderr);
        return 2;
    }
    sigset_t signals;
    block_signals(&signals);
    raise_file_limit();
    struct server s = {0};
    return run(&s, argv[2], &signals);
}
