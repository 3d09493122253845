/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of `sluice` (the command line) share. One process, one command, one thread. */

#include "base/attr.h"
#include "base/buf.h"
#include "base/json.h"
#include "row/row.h"
#include "sluice/client.h"
#include "sluice/v1/sluice.pb-c.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

/* Exit statuses: documented in `sluice --help`. */
enum cli_exit {
    EXIT_OK = 0,
    EXIT_FAILED = 1, /* the server refused, or something went wrong */
    EXIT_USAGE = 2,
    EXIT_NOT_FOUND = 3,   /* no such table, key, token or place in the log */
    EXIT_DENIED = 4,      /* token missing, wrong or not allowed to */
    EXIT_UNREACHABLE = 5, /* no connection to the server, or it says UNAVAILABLE */
    EXIT_UNVERIFIED = 6,  /* verify could not look at everything */
};

#define CLI_WORDS_MAX      64
#define CLI_GRANTS_MAX     64
#define CLI_LEDGERS_MAX    1024
#define CLI_PROPERTIES_MAX 256
#define CLI_CHANGES_MAX    256

/* The command line, taken apart. */
struct cli {
    const char *words[CLI_WORDS_MAX]; /* command, subcommand, operands */
    int word_count;
    bool json, plain, help, admin, quiet, all;
    const char *endpoint, *ca, *token_file, *server_name;
    const char *data, *lake, *out, *admin_token_file, *primary_key;
    const char *grants[CLI_GRANTS_MAX];
    int grant_count;
    const char *ledgers[CLI_LEDGERS_MAX];
    int ledger_count;
    const char *properties[CLI_PROPERTIES_MAX]; /* KEY=VALUE */
    int property_count;
    const char *adds[CLI_CHANGES_MAX], *widens[CLI_CHANGES_MAX]; /* COLUMN TYPE */
    const char *unsets[CLI_PROPERTIES_MAX];                      /* KEY */
    int add_count, widen_count, unset_count;
    bool log_only, no_rows, stopped_well;
    int64_t lifetime_s;
    const char *as; /* table show */
    bool csv;       /* ingest */
    const char *delimiter;
    const char *table, *stream, *offset, *time, *position;
    uint32_t timeout_ms;
    struct sluice_client *client; /* made on first use */
};

/* ---- cli_call.c: the server ---- */

/* One unary call: packs @request, unpacks the answer (free with protobuf_c_message_free_unpacked).
 * On failure prints the sentence and returns NULL with *ret_exit set. */
void *cli_call(struct cli *c, const char *method, const ProtobufCMessage *request,
               const ProtobufCMessageDescriptor *answer, int *ret_exit);
/* The connection; exits with a sentence when settings are missing. */
int cli_connect(struct cli *c);
/* Print a failure of the client library; returns the exit status for it. */
int cli_failed(const struct cli *c, const struct sluice_error *e);
int cli_usage(const char *sentence);
/* Unix time in µs ("2026-01-31T12:00:00Z") as text for people. */
void cli_time(int64_t us, char out[32]);

/* ---- cli_out.c: answers ---- */

/* Rows of cells: aligned on a terminal, tab-separated elsewhere. */
struct cli_grid {
    struct buf cells;   /* terminated texts, back to back */
    int columns, count; /* count of cells */
};
void cli_grid_cell(struct cli_grid *g, const char *fmt, ...) printf_like(2, 3);
void cli_grid_print(struct cli_grid *g); /* the first row is the heading; frees */
void cli_json_print(struct buf *out);    /* one line; frees */

/* ---- cli_table.c: what a table is ---- */

/* Freed by the caller; NULL with *ret_exit set when it failed, which was said. */
Sluice__V1__DescribeTableResponse *cli_table_describe(struct cli *c, const char *name,
                                                      int *ret_exit);
/* Its columns; NULL when they cannot be read, which was said. */
struct row_schema *cli_table_schema(const Sluice__V1__Table *t);

/* ---- commands: each returns an exit status ---- */

int cli_init(struct cli *c);
int cli_table(struct cli *c);
int cli_token(struct cli *c);
int cli_ingest(struct cli *c);
int cli_get(struct cli *c);
int cli_status(struct cli *c);
int cli_bronze(struct cli *c);
int cli_quarantine(struct cli *c);
int cli_verify(struct cli *c);
int cli_store(struct cli *c);
int cli_salvage(struct cli *c); /* bronze salvage */
