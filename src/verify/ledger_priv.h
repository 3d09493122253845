/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Ledgers, read: docs/formats/ledger.md. Shared by ledger_read.c and ledger.c. */

#include "rows_priv.h"

#define LEDGER_KEY_COLUMNS_MAX 16
#define LEDGER_LINE_BYTES_MAX  (64u * 1024)

/* How the rows of a table are told apart. */
struct ledger_table {
    struct verify_table *table;
    uint32_t columns[LEDGER_KEY_COLUMNS_MAX];
    uint32_t column_count;
    bool hashed;
    bool compared; /* false: its rows cannot all be read; told already */
};

struct ledger_stream {
    char *name;
    struct ledger_table *table; /* NULL: of a table that is not there */
    int64_t acked;              /* -1 = nothing */
    /* While rows are shown: which record of its request the row is. */
    int64_t request;
    uint32_t record;
};

struct ledger_file {
    const char *path;
    struct map streams; /* name → struct ledger_stream */
    struct sys_file *file;
    uint64_t size; /* when it was opened */
};

struct ledger {
    struct verify *v;
    struct ledger_file *files;
    uint32_t file_count;
    struct map tables; /* table id (u32) → struct ledger_table */
    uint64_t row_count;
    struct buf scratch;
};

/* One R line. Text is borrowed for the call. */
struct ledger_row {
    uint32_t file;
    uint64_t offset; /* of the line */
    struct ledger_stream *stream;
    int64_t request;
    uint32_t record; /* its place in the request */
    struct slice key;
    uint32_t crc;
};
typedef int ledger_row_fn(void *ctx, const struct ledger_row *r);

/* Streams, acks and the number of rows of all ledgers. ERR_NOT_FOUND, ERR_INVALID: with file and
 * byte. */
must_use int ledger__open(struct ledger *l, struct verify *v, struct err *e);
void ledger__close(struct ledger *l);
/* Show every row of a table that is compared. */
must_use int ledger__rows(struct ledger *l, ledger_row_fn *fn, void *ctx, struct err *e);
/* The one row whose line stands there; it must be a place that ledger__rows() has shown. */
must_use int ledger__row_at(struct ledger *l, uint32_t file, uint64_t offset, struct buf *line,
                            struct ledger_row *ret, struct err *e);
/* Identity of a row: table, key and content; and of its key alone. */
uint64_t ledger__id(struct ledger *l, const struct ledger_table *t, struct slice key, uint32_t crc);
uint64_t ledger__key_id(struct ledger *l, const struct ledger_table *t, struct slice key);
/* The key of a stored row, as a ledger spells it. */
void ledger__key_text(const struct ledger_table *t, const struct row_value *values,
                      struct buf *out);
/* Identity of a record by its place: the server's id of the stream, request, record. */
uint64_t ledger__place_id(struct ledger *l, struct slice stream, int64_t request, int64_t record);
struct ledger_table *ledger__table(const struct ledger *l, uint32_t id);
