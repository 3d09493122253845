/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The simulation: the whole server below the RPC layer in one thread, on virtual time, over a
 * simulated disk and object store, with scripted clients; everything is drawn from one seed. What
 * each file is for: README.md.
 */

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "bronze/bronze.h"
#include "catalog/catalog.h"
#include "row/row.h"
#include "sys/bug.h"
#include "sys/point.h"
#include "sys/sim.h"
#include "sys/sys.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#define SIM_PATH       "data"
#define SIM_LAKE       "lake"
#define SIM_LANES      2
#define SIM_TABLES_MAX 24
#define SIM_KEYS       40
#define SIM_CLIENTS    10
#define SIM_TOKEN      "slcproducer-of-the-simulation-0000000000000000"
#define SIM_STRANGER   "slcstranger-of-the-simulation-0000000000000000"

struct world;
struct rpc_call;
struct rpc_server;
struct store;
struct objstore;
struct ingest;
struct serve;
struct compact;

/* ---- chance (chance.c): the world's own, apart from what the simulated kernel draws ---- */

uint64_t sim_random(struct world *w);
uint64_t sim_below(struct world *w, uint64_t n); /* 0 .. n - 1 */
bool sim_one_in(struct world *w, uint64_t n);
uint64_t sim_between(struct world *w, uint64_t from, uint64_t to); /* both included */

/* ---- the trace (trace.c) ---- */

#define SIM_TRACE_LINES 400
#define SIM_TRACE_CHARS 200
struct sim_trace {
    uint64_t hash, lines;
    bool live; /* print each line at once */
    char (*ring)[SIM_TRACE_CHARS];
};
void sim_trace(struct world *w, const char *fmt, ...) printf_like(2, 3);
void sim_trace_mix(struct world *w, uint64_t number); /* into the hash only */
void sim_trace_tail(struct world *w, unsigned lines);

/* ---- the model: what clients sent, and what they were promised (model.c) ---- */

/* A row as it was sent once: its number is its index in the world's list; a resend is another. */
struct sim_row {
    uint32_t request;
    uint32_t key, pad_len;
    uint64_t logical;  /* which row of the client's it is; the same in a resend */
    bronze_pos pos;    /* where the log has it; 0 = not seen */
    uint32_t file;     /* the lake's file that has it, from 1; 0 = none */
    bool trimmed_seen; /* told already that it is neither in the log nor in the lake */
};

struct sim_request {
    uint32_t stream;
    int64_t offset;
    uint32_t first_row, row_count;
    bool batch, logged, acked;
    uint64_t sent_ns;
};

/* One opened stream of a client; a client has one after the other. */
struct sim_stream {
    uint32_t client, table;
    bool json, created, ended, half_closed, spoiled;
    char uuid[UUID_TEXT_LEN + 1];
    uint64_t id; /* the log's; 0 = not known yet */
    unsigned life;
    int64_t acked;       /* told to the client's transport */
    int64_t seen_acked;  /* what the client has seen of it */
    int64_t next_logged; /* the offset that its next frame in the log must have */
    uint32_t *requests;  /* by offset */
    uint32_t request_count, request_cap;
    uint64_t progress_ns; /* the last ack, or when something was sent with nothing waiting */
};

enum sim_fate { FATE_NO, FATE_YES, FATE_UNKNOWN };

struct sim_place {
    bronze_pos pos;
    uint32_t row;
};

struct sim_version {
    uint64_t hash;
};

/* Four that hold rows, and those that alterations add: always null. */
#define SIM_COLUMNS_MAX 8
struct sim_table {
    char name[64], delta_id[UUID_TEXT_LEN + 1];
    uint32_t id; /* 0 = not known */
    bool keyed;
    enum sim_fate created, dropped;
    bronze_pos drop_pos;    /* of its record in the log; 0 = not seen */
    struct sim_place *rows; /* in the log, in order */
    uint32_t row_count, row_cap;
    /* the lake, as it was checked last */
    struct sim_version *versions;
    uint32_t version_count;
    bronze_pos txn;
    uint32_t lake_rows;
    bool lake_bad; /* a violation was told: look no further */
    bool outgrown; /* a restored log has rows of it at positions that the lake has */
};

struct sim_at {
    uint32_t row; /* + 1; 0 = none */
    uint8_t what; /* 0 = not seen, 1 = row, 2 = control */
};

/* A durable block, where it stands. */
struct sim_block {
    uint64_t ticket, segment, offset;
    uint32_t content; /* bytes, without the padding */
    bronze_pos end_pos;
};

struct sim_model {
    struct sim_row *rows;
    uint32_t row_count, row_cap;
    struct sim_request *requests;
    uint32_t request_count, request_cap;
    struct sim_stream *streams;
    uint32_t stream_count, stream_cap;
    struct sim_table tables[SIM_TABLES_MAX];
    uint32_t table_count;
    struct sim_at *at; /* by position */
    uint64_t at_cap;
    bronze_pos seen_end;  /* every durable position below it has been seen */
    bronze_pos seen_ever; /* the highest end that any life has shown */
    bronze_pos trimmed;
    int64_t time_us; /* of the newest frame */
    uint32_t file_count;
    uint64_t logical;
    bool revoked, revoke_unknown; /* the stranger's token */
};

uint32_t sim_row_add(struct world *w, uint32_t request, uint32_t key, uint64_t logical);
uint32_t sim_request_add(struct world *w, uint32_t stream, bool batch);
uint32_t sim_stream_add(struct world *w, uint32_t client, uint32_t table);
void sim_row_pad(uint32_t row, uint32_t len, char *out);
/* The row's bytes in the table's own message, or as JSON. */
void sim_row_encode(struct world *w, uint32_t row, bool json, struct buf *out);
/* Are these values just what row number u (which they state) was sent with? */
bool sim_row_matches(struct world *w, const struct row_value *values, uint32_t *ret_row);

/* ---- wire (wire.c): a transport between scripted clients and the services ---- */

enum wire_event { WIRE_NOTHING, WIRE_DONE };

struct sim_client;
struct sim_lookup;

struct rpc_server *sim_wire_new(struct world *w);
/* Let the queue @lane handle one thing; false: it has nothing to do. */
bool sim_wire_turn(struct world *w, unsigned lane);
void sim_wire_tick(struct world *w, unsigned lane);
struct rpc_call *sim_wire_open(struct world *w, const char *method, void *owner);
void sim_wire_send(struct rpc_call *c, struct slice message); /* the client's message */
void sim_wire_half_close(struct rpc_call *c);
void sim_wire_disconnect(struct rpc_call *c);
bool sim_wire_is_busy(const struct world *w); /* calls are not over yet */
void sim_wire_header(struct rpc_call *c, const char *name, const char *value);

/* ---- clients (clients.c) ---- */

enum client_state { CLIENT_IDLE, CLIENT_OPENING, CLIENT_STREAMING, CLIENT_CLOSING };

struct sim_client {
    uint32_t index;
    enum client_state state;
    struct rpc_call *call;
    uint32_t stream; /* model index */
    uint32_t table;
    bool json;
    uint32_t window, batch_max, size_max; /* how it behaves */
    /* requests of earlier streams that were not acknowledged: to be sent again */
    uint32_t *again;
    uint32_t again_count, again_cap;
};

struct sim_lookup {
    struct rpc_call *call;
    uint32_t table;
    uint32_t keys[6], key_count;
    bool multi, json, arrived;
    bool known; /* which table it asks is certain */
    bronze_pos fence;
};

void sim_clients_init(struct world *w);
void sim_client_turn(struct world *w, struct sim_client *c);
void sim_lookup_turn(struct world *w);
void sim_clients_die(struct world *w); /* the server is gone: connections break */
/* From the wire: what the server did. The promise is made when it hands the message over. */
void sim_on_promise(struct world *w, struct rpc_call *c, void *owner, struct slice message);
void sim_on_message(struct world *w, void *owner, struct slice message);
void sim_on_status(struct world *w, void *owner, int code, const char *text);
void sim_on_gone(struct world *w, void *owner);    /* the call is over */
void sim_on_arrival(struct world *w, void *owner); /* the service is about to see a lookup */
void sim_on_reply(struct world *w, void *owner, struct slice message);

/* ---- admin (admin.c) ---- */

bool sim_admin_start(struct world *w); /* first tables and tokens; false: too few yet */
void sim_admin_turn(struct world *w);

/* ---- checks: one function per promise; each tells what it saw ---- */

/* Tells it, and ends the run. */
_Noreturn void sim_violation(struct world *w, const char *promise, const char *fmt, ...)
    printf_like(3, 4);
void sim_tap_open(struct world *w);
void sim_tap_follow(struct world *w);
void sim_check_acked(struct world *w, bronze_pos end);                                 /* I1 */
void sim_check_reply(struct world *w, const struct sim_lookup *l, struct slice reply); /* I2 */
void sim_check_lake(struct world *w);                                                  /* I3 */
void sim_check_trim(struct world *w);                                                  /* I4 */
void sim_check_trimmed(struct world *w); /* I4, as it stands */
/* I4: its rows above @txn that the log has no more stand in spill files (check_spill.c). */
void sim_check_spilled(struct world *w, const struct sim_table *t, uint64_t txn);
struct compact_totals;
void sim_check_spill_bounds(struct world *w, const struct compact_totals *t); /* I6 */
void sim_spill_plan(struct world *w);
void sim_check_durable(struct world *w, bronze_pos end); /* I5 */
void sim_check_bounds(struct world *w);                  /* I6 */
void sim_check_silence(struct world *w);                 /* I8 */
void sim_check_watermarks(struct world *w, bool equal);
void sim_check_store(struct world *w);
void sim_check_catalog(struct world *w);
void sim_check_complete(struct world *w); /* at the end: everything is in the lake */

/* Who makes turns. */
enum actor {
    ACTOR_CLIENT,
    ACTOR_QUEUE,
    ACTOR_LOG,
    ACTOR_SEGMENT,
    ACTOR_APPLY,
    ACTOR_FLUSH,
    ACTOR_COMPACT,
    ACTOR_LOOKUP,
    ACTOR_ADMIN,
    ACTOR_COUNT
};
#define SIM_BIT(a) (1u << (a))

/* ---- faults (faults.c) ---- */

enum sim_death { DEATH_NONE, DEATH_POWER, DEATH_KILL, DEATH_FAILSTOP };

/* What can happen to a run, beside what the disk and the lake do: counted for the report. */
#define SIM_FAULTS(X)                                                                              \
    X(POWER_LOSS, "power loss")                                                                    \
    X(KILL, "kill -9")                                                                             \
    X(AT_POINT, "crash at a named point")                                                          \
    X(BETWEEN, "crash between two I/O completions")                                                \
    X(IN_RECOVERY, "crash in recovery")                                                            \
    X(CLEAN_STOP, "clean stop and start")                                                          \
    X(DISCONNECT, "client disconnects")                                                            \
    X(RESEND, "client resends")                                                                    \
    X(GARBAGE, "client sends garbage")                                                             \
    X(HALF_CLOSE, "client half-closes")                                                            \
    X(TIME_JUMP, "time jumps")                                                                     \
    X(FAIL_STOP, "fail-stop after a failed write")                                                 \
    X(NO_START, "start fails on a failing disk")                                                   \
    X(FLIP_FOUND, "flipped bit found at the start")                                                \
    X(ROLLED_BACK, "start on a restored folder")                                                   \
    X(STORE, "store fails, and is opened again")                                                   \
    X(LAKE_AWAY, "one table's lake goes away")                                                     \
    X(SPILL, "rows are spilled to a file")                                                         \
    X(LAKE_FAIL, "lake answers 503")                                                               \
    X(LAKE_LOST_ANSWER, "lake did it, and timed out")                                              \
    X(LAKE_NO_SPACE, "lake is full")                                                               \
    X(LAKE_TIMEOUT, "lake timed out, not done")                                                    \
    X(LAKE_RACE, "lake: another writer was first")                                                 \
    X(LAKE_SLOW, "lake is slow")

enum sim_fault {
#define SIM_FAULT_ENUM(id, name) FAULT_##id,
    SIM_FAULTS(SIM_FAULT_ENUM)
#undef SIM_FAULT_ENUM
        FAULT_COUNT,
    FAULT_LAKE = FAULT_LAKE_FAIL, /* in the order of enum objstore_fault */
};
const char *sim_fault_name(unsigned f);

/* How a life is to end. */
struct sim_arm {
    bool set, at_point;
    enum sys_point point;
    unsigned passes; /* of the point, left until it happens */
    enum sim_death how;
    uint64_t events; /* not before the clients have done so much */
    uint64_t late;   /* it happens anyway when they have done so much */
};

void sim_faults_boot(struct world *w); /* before a life: what will happen in it */
void sim_faults_live(struct world *w); /* it runs: disk, store and lake of this life */
void sim_faults_end(struct world *w);  /* none any more */
void sim_faults_turn(struct world *w, enum actor a); /* after a turn of @a */
void sim_flip(struct world *w);   /* between lives: a bit flips, is found, and flips back */
void sim_backup(struct world *w); /* after a clean stop */
void sim_count_lake(struct world *w);
bool sim_restore(struct world *w); /* when all is over */
/* D2. @end: of the restored log; @on: it has gone on, beyond what the lake knows. */
void sim_check_rollback(struct world *w, bronze_pos end, bool on);
void sim_outgrow_lake(struct world *w, bronze_pos end);
void sim_faults_pause(struct world *w, bool pause);
void sim_on_point(void *ctx, enum sys_point p);
void sim_on_must(void *ctx, const char *sentence);
_Noreturn void sim_die(struct world *w, enum sim_death how);

/* ---- the world (world.c) ---- */

struct sim_result {
    uint64_t seed, events, turns, acked_rows, logged_rows, lake_rows, trims, rolls, lookups;
    uint64_t streams, tables, commits, checkpoints;
    unsigned crashes, violations;
    uint64_t virtual_ns, trace_hash, trace_lines;
    uint64_t faults[FAULT_COUNT];
    uint64_t disk_faults[SYS_SIM_FAULT_COUNT];
    uint64_t points[SYS_POINT_COUNT];  /* passed */
    uint64_t crashed[SYS_POINT_COUNT]; /* died there */
    char violation[600];
};

struct sim_options {
    uint64_t seed;
    bool trace;
    bool quiet;
    int bug;   /* -1 = none */
    bool calm; /* no faults */
};

struct world {
    struct sim_options o;
    struct sim_result r;
    struct sim_trace trace;
    uint64_t chance;

    struct sys *sys;
    struct store *store; /* outlives lives: what is flushed */
    /* a life's own */
    struct bronze *log;
    struct catalog *catalog;
    struct objstore *lake;
    struct rpc_server *wire;
    struct ingest *ingest;
    struct serve *serve;
    struct compact *compact;
    struct bronze_reader *tap;

    struct bronze_options log_options;
    uint32_t freshness_ms, trim_ms;
    uint64_t file_bytes, compact_bytes, table_log_bytes, spill_bytes;
    uint64_t spill_files; /* seen last */
    uint32_t weights[ACTOR_COUNT], step_ns;

    unsigned life;
    bool running;  /* the life is up, and turns are made */
    bool draining; /* … for the last time: a clean stop */
    bool over, admin_done, tokens_done;
    uint32_t first_tables;
    int paused;
    unsigned crashes_wanted;
    uint64_t stop_events; /* when a clean stop comes; 0 = none */
    bool ending;          /* the last life: no more faults, no more clients */
    uint32_t active;      /* actors that stand on the stack, a bit each */
    uint64_t tick_ns[SIM_LANES];
    uint64_t events_wanted;
    struct sim_arm arm;
    jmp_buf death;
    enum sim_death how;
    struct sys_sim_faults disk; /* its chances in this life */
    bool disk_on;
    uint64_t failures_before; /* of the disk, when this life began */
    uint64_t fail_log_at;     /* events; 0 = never */
    uint64_t ordered_at;      /* so many failures, and the ordered one has come; 0 = none is */
    bool full;                /* the disk has little room just now */
    bool marks_exact;         /* the last stop was clean, and the store had not failed before */
    bool store_failed;        /* in this life */
    bool busy_log;            /* much waits for it, several writes are in flight */
    bool many_commits;        /* a seed that comes by checkpoints */
    uint64_t segment, epoch;  /* the newest seen */
    struct sim_block *blocks;
    size_t block_count, block_cap;
    struct sys_sim_image *backup;
    struct store *backup_store;
    bronze_pos failed_pos; /* a write of the log has failed at or before it; 0 = none */

    struct row_schema *schema; /* of every table, as the clients know it */
    struct sim_model m;
    struct sim_client clients[SIM_CLIENTS];
    uint32_t client_count;
    struct sim_lookup lookups[4];
};

uint64_t sim_now(struct world *w);
/* One seed, from nothing to the last check. */
void sim_run(const struct sim_options *o, struct sim_result *ret_result);
