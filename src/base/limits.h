/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Limits on everything that a client or a disk can make grow. Unit in the name, _MAX last, reason
 * beside it. Reaching one is an outcome with a clear status, never the end of the process.
 */

/* One ingest request's record bytes: the protocol's 10 MiB. Above it: INVALID_ARGUMENT. */
#define REQUEST_BYTES_MAX (10u * 1024 * 1024)
/* The transport's own limit stands above it, so that the handler can answer (rule R4). */
#define TRANSPORT_MESSAGE_BYTES_MAX  (16 * 1024 * 1024)
#define TRANSPORT_METADATA_BYTES_MAX (32 * 1024)
/* Client bytes that gRPC may buffer ahead of us per stream (rules R4, R6). */
#define TRANSPORT_LOOKAHEAD_BYTES  (64 * 1024)
#define TRANSPORT_HANDSHAKE_MS_MAX 10000
/* Streams on one connection, and connections' streams over all, that one principal may hold. */
#define STREAMS_PER_CONNECTION_MAX 1024
#define STREAMS_PER_PRINCIPAL_MAX  20000
#define STREAMS_MAX                50000

/* Records in one batch request: far above what 10 MiB of real rows hold. */
#define BATCH_RECORDS_MAX (1u << 20)

/* Bad records of a request that its status names one by one. */
#define BAD_RECORDS_TOLD_MAX 100
/* What a status may take of the client's limit on trailing metadata, which is 8 KiB at least. */
#define STATUS_METADATA_BYTES_MAX 7600
/* Rows in one answer of a quarantine list, and looked at in one call of a replay; bytes of an
 * answer; bad rows that the answer of a replay tells. */
#define QUARANTINE_LIST_MAX       1000
#define QUARANTINE_LIST_BYTES_MAX (8u * 1024 * 1024)
#define QUARANTINE_REPLAY_MAX     2000
#define QUARANTINE_TOLD_MAX       100
/* JSON renderings in a quarantine table: of one row, and of the rows of one request. */
#define QUARANTINE_JSON_BYTES_MAX (64u * 1024)
#define QUARANTINE_JSON_TOTAL_MAX (1024u * 1024)

/* A block of the log is one write; a request fits into one with its frame headers (rule L6). */
#define BLOCK_BYTES_MAX (12u * 1024 * 1024)
/* A block that has grown to this size is closed though the device is busy. */
#define BLOCK_BYTES_TARGET (1u * 1024 * 1024)
/* A second write joins a busy device only with this much waiting (rule L10). */
#define SECOND_WRITE_BYTES_MIN (64u * 1024)
#define WRITES_IN_FLIGHT_MAX   4
/* When the last write carried GATHER_FROM_BYTES, and a quarter of that came meanwhile, the next
 * waits for GATHER_BYTES, until GATHER_US after the last began, and in steps, while in each of them
 * such a quarter comes. */
#define GATHER_FROM_BYTES (32u * 1024)
#define GATHER_BYTES      (512u * 1024)
#define GATHER_US         1500u
#define GATHER_STEP_US    500u
/* A request of this size waits while a quarter of the log's memory is not written yet: it must not
 * add its own time on the device to that of every small request behind it. */
#define LARGE_REQUEST_BYTES       (256u * 1024)
#define UNWRITTEN_SHARE_FOR_LARGE 4

/* A spill file is closed when it has grown to this: it goes when all of its rows are committed. */
#define SPILL_FILE_BYTES (64u * 1024 * 1024)

/* Values of one row in its lists, at any depth: a decoded one takes 32 bytes of memory. */
#define ROW_VALUES_MAX (1u << 20)
/* Messages nested in a descriptor, used or not. */
#define DESCRIPTOR_TYPES_MAX 10000

#define TABLES_MAX               10000
#define COLUMNS_MAX              2000
#define COLUMN_NAME_BYTES_MAX    255
#define ROW_DEPTH_MAX            32   /* types within types; protobuf readers stop at 100 */
#define ROW_LEAVES_MAX           4000 /* flat columns of a table at any depth */
#define TABLE_NAME_BYTES_MAX     255
#define KEY_COLUMNS_MAX          16
#define KEY_BYTES_MAX            4096
#define DDL_BYTES_MAX            (256 * 1024)
#define DECIMAL_DIGITS_MAX       38
#define PROPERTIES_MAX           256
#define PROPERTY_VALUE_BYTES_MAX (8 * 1024)
/* Row rules: one bit each in a 64-bit word; a text has at most one operation per byte or so. */
#define RULES_PER_TABLE_MAX       64
#define RULE_NAME_BYTES_MAX       128
#define RULE_PREDICATE_BYTES_MAX  4096
#define RULE_PATTERN_BYTES_MAX    256 /* LIKE: its time is at most text times pattern */
#define RULE_LIST_MAX             256
#define RULE_DEPTH_MAX            32 /* parentheses and calls within each other */
#define DESCRIPTOR_BYTES_MAX      (512 * 1024)
#define DESCRIPTORS_PER_TABLE_MAX 1000
/* Sets of columns that a table has had: rows refer to them, so all are kept. */
#define SCHEMAS_PER_TABLE_MAX 1000
#define TOKENS_MAX            100000
#define TOKEN_NAME_BYTES_MAX  128
#define GRANTS_PER_TOKEN_MAX  1000
#define MULTI_GET_KEYS_MAX    1000
/* Lookups that wait for their position, over the whole server (rule R9). */
#define LOOKUPS_PARKED_MAX 10000
#define LOOKUP_WAIT_MS_MAX 10000
/* Lookups queued for the worker because their block was not in the cache. */
#define LOOKUPS_COLD_MAX 10000
/* Control operations (tables, tokens) that wait for their turn. */
#define CONTROL_QUEUE_MAX 256
