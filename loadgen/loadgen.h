/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sluice-loadgen: what its files share. One file per subcommand, and the bare ends on the C core
 * that the server is measured against.
 */

#include "base/attr.h"
#include "base/buf.h"
#include "trace/trace.h"

#include "sluice/client.h"

#include <stdbool.h>
#include <stdint.h>

/* How the program ends. Documented in --help. */
enum exit_code {
    EXIT_FINE = 0,
    EXIT_WRONG = 1,  /* rows not acknowledged, a false ack, failed lookups */
    EXIT_USAGE = 2,  /* the command line cannot be right */
    EXIT_SYSTEM = 3, /* file, port, certificate or server not to be had */
};

/* ---- the command line ---- */

enum record_kind { RECORD_PROTO, RECORD_JSON };

/* Every option of every subcommand; each says which it takes. */
struct options {
    const char *command;
    const char *endpoint, *ca, *server_name, *token, *token_file;
    const char *listen, *cert, *key, *port_file;
    const char *rows, *table, *keys, *record;
    const char *json, *ledger, *path;
    uint64_t streams, connections, batch, in_flight, rate, count, seconds, queues;
    uint64_t first_stream, key_count, bad_share;
    bool plain, echo, quiet;
};
/* EXIT_FINE, or EXIT_USAGE with a sentence on stderr. */
must_use int options_parse(int argc, char **argv, struct options *o);
void options_help(void);

/* ---- the subcommands: each returns an exit code ---- */
int cmd_sink(const struct options *o); /* and echo: one server speaks both */
int cmd_run(const struct options *o);
int cmd_latency(const struct options *o);
int cmd_lookup(const struct options *o);
int cmd_ddl(const struct options *o);
int cmd_devwrite(const struct options *o);
int cmd_idle(const struct options *o);
int cmd_first_ack(const struct options *o);

/* ---- small help ---- */

uint64_t now_ns(void); /* never goes back */
int64_t wall_us(void); /* since 1970 */
void pause_ms(uint32_t ms);
void pause_until_ns(uint64_t at_ns);
/* A connected client by --endpoint, --ca, --token …; NULL with a sentence on stderr. */
struct sluice_client *client_of(const struct options *o);
/* Write the report to --json, if asked for. EXIT_FINE or EXIT_SYSTEM. */
must_use int report_write(const struct options *o, struct buf *report);
/* True from the first SIGINT or SIGTERM on. */
bool is_interrupted(void);
void catch_interrupt(void);
void lock_checks_off(void); /* of gRPC's locks, in this process */
/* Contents of a file as terminated text; NULL with a sentence on stderr. mem_free(). */
char *file_text(const char *path);

/* ---- the bare server ---- */

struct bare;
struct bare_options {
    const char *listen;
    const char *cert, *key; /* PEM files; both NULL = plain text */
    unsigned queue_count;
    /* For tests of clients. */
    bool mute;          /* never acknowledge */
    uint64_t ack_ahead; /* acknowledge so many offsets too far */
};
/* A running server and its port; NULL with a sentence on stderr. */
struct bare *bare_open(const struct bare_options *o, int *ret_port);
struct bare *bare_close(struct bare *b); /* cancels its calls; takes NULL; returns NULL */

/* The echo's methods. */
#define ECHO_STREAM "/sluice.load.Echo/Stream"
#define ECHO_UNARY  "/sluice.load.Echo/Unary"

/* One message in flight on a bare bidirectional stream: round trips into @h (ns). An exit code. */
must_use int echo_latency(const struct options *o, struct trace_hist *h);
