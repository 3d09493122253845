/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of commit files: one action a line, commitInfo first (in-commit timestamps ask for
 * that). Fields and their meaning: docs/formats/delta.md.
 */
#include "delta/delta.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/must.h"

#include "delta_priv.h"

#include <stdio.h>
#include <string.h>

static void key_str(struct json *j, const char *key, const char *value)
{
    json_key(j, key);
    json_str(j, value);
}

static void key_i64(struct json *j, const char *key, int64_t value)
{
    json_key(j, key);
    json_i64(j, value);
}

static void key_bool(struct json *j, const char *key, bool value)
{
    json_key(j, key);
    json_bool(j, value);
}

/* Numbers in maps of strings are written as strings. */
static void key_number(struct json *j, const char *key, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
    key_str(j, key, text);
}

static void key_open(struct json *j, const char *key)
{
    json_key(j, key);
    json_open(j, '{');
}

/* {"<kind>":{ … and its end. */
static struct json action_open(struct buf *out, const char *kind)
{
    struct json j = json_on(out);
    json_open(&j, '{');
    key_open(&j, kind);
    return j;
}

static void action_close(struct json *j)
{
    json_close(j, '}');
    json_close(j, '}');
    buf_add_byte(j->out, '\n');
}

static void write_info(struct json *j, const char *operation, int64_t ict_ms, const char *txn_id)
{
    key_i64(j, "inCommitTimestamp", ict_ms);
    key_i64(j, "timestamp", ict_ms);
    key_str(j, "operation", operation);
    key_str(j, "engineInfo", DELTA_ENGINE);
    key_str(j, "txnId", txn_id);
}

static void write_commit_info(const struct delta_commit *c, int64_t ict_ms, const char *txn_id,
                              struct buf *out)
{
    uint64_t rows = 0, bytes = 0;
    for (size_t i = 0; i < c->file_count; i++) {
        rows += c->files[i].row_count;
        bytes += c->files[i].size;
    }
    struct json j = action_open(out, "commitInfo");
    write_info(&j, c->schema != NULL ? "UPDATE SCHEMA" : "WRITE", ict_ms, txn_id);
    key_open(&j, "operationParameters");
    key_str(&j, "mode", "Append");
    key_str(&j, "partitionBy", "[]");
    json_close(&j, '}');
    key_str(&j, "isolationLevel", "WriteSerializable");
    key_bool(&j, "isBlindAppend", true);
    key_open(&j, "operationMetrics");
    key_number(&j, "numFiles", c->file_count);
    key_number(&j, "numOutputRows", rows);
    key_number(&j, "numOutputBytes", bytes);
    json_close(&j, '}');
    action_close(&j);
}

static void write_txn(const struct delta_commit *c, int64_t ict_ms, struct buf *out)
{
    struct json j = action_open(out, "txn");
    key_str(&j, "appId", c->app_id);
    key_i64(&j, "version", c->txn_version);
    key_i64(&j, "lastUpdated", ict_ms);
    action_close(&j);
}

/* add.path is a relative URI; ours need no escaping. */
static bool path_is_plain(const char *path)
{
    return path[0] != '\0' && path[0] != '/' &&
           path[strspn(path,
                       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=")] ==
               '\0';
}

static void write_add(const struct delta_file *f, int64_t now_ms, struct buf *out)
{
    must(path_is_plain(f->path));
    char hex[33];
    for (unsigned i = 0; i < 16; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", f->hash[i]);
    struct json j = action_open(out, "add");
    key_str(&j, "path", f->path);
    key_open(&j, "partitionValues");
    json_close(&j, '}');
    key_i64(&j, "size", (int64_t)f->size);
    key_i64(&j, "modificationTime", now_ms);
    key_bool(&j, "dataChange", true);
    json_key(&j, "stats");
    json_slice(&j, f->stats);
    key_open(&j, "tags");
    key_number(&j, "sluice.firstPosition", f->first_pos);
    key_number(&j, "sluice.lastPosition", f->last_pos);
    key_number(&j, "sluice.rows", f->row_count);
    key_str(&j, "sluice.xxh3", hex);
    json_close(&j, '}');
    action_close(&j);
}

void delta__commit_write(const struct delta_commit *c, int64_t ict_ms, const char *txn_id,
                         struct slice evolution, struct buf *out)
{
    write_commit_info(c, ict_ms, txn_id, out);
    buf_add_slice(out, evolution);
    write_txn(c, ict_ms, out);
    for (size_t i = 0; i < c->file_count; i++)
        write_add(&c->files[i], c->now_us / 1000, out);
}

static bool has_type(const struct row_column *columns, uint32_t count, enum row_type type)
{
    for (uint32_t i = 0; i < count; i++)
        if (columns[i].type == type || has_type(columns[i].fields, columns[i].field_count, type))
            return true;
    return false;
}

void delta__schema_features(const struct row_schema *s,
                            const char *ret_names[DELTA_SCHEMA_FEATURES_MAX + 1])
{
    size_t n = 0;
    if (has_type(s->columns, s->column_count, ROW_TIMESTAMP_NTZ))
        ret_names[n++] = "timestampNtz";
    if (has_type(s->columns, s->column_count, ROW_VARIANT))
        ret_names[n++] = "variantType";
    ret_names[n] = NULL;
}

static void write_protocol(const struct row_schema *s, struct buf *out)
{
    const char *features[DELTA_SCHEMA_FEATURES_MAX + 1];
    delta__schema_features(s, features);
    struct json j = action_open(out, "protocol");
    key_i64(&j, "minReaderVersion", features[0] != NULL ? 3 : 1);
    key_i64(&j, "minWriterVersion", 7);
    if (features[0] != NULL) {
        json_key(&j, "readerFeatures");
        json_open(&j, '[');
        for (size_t i = 0; features[i] != NULL; i++)
            json_str(&j, features[i]);
        json_close(&j, ']');
    }
    json_key(&j, "writerFeatures");
    json_open(&j, '[');
    json_str(&j, "appendOnly");
    json_str(&j, "invariants");
    json_str(&j, "inCommitTimestamp");
    for (size_t i = 0; features[i] != NULL; i++)
        json_str(&j, features[i]);
    json_close(&j, ']');
    action_close(&j);
}

static void write_meta(const struct delta_create *r, struct buf *out)
{
    _cleanup_(buf_deinit) struct buf schema = BUF_NULL;
    row_schema_to_delta_json(r->schema, &schema);
    struct json j = action_open(out, "metaData");
    key_str(&j, "id", r->delta_id);
    key_str(&j, "name", r->name);
    key_open(&j, "format");
    key_str(&j, "provider", "parquet");
    key_open(&j, "options");
    json_close(&j, '}');
    json_close(&j, '}');
    json_key(&j, "schemaString");
    json_slice(&j, buf_slice(&schema));
    json_key(&j, "partitionColumns");
    json_open(&j, '[');
    json_close(&j, ']');
    key_open(&j, "configuration");
    key_str(&j, "delta.enableInCommitTimestamps", "true");
    /* We read the log from version 0: nobody may clean it up. */
    key_str(&j, "delta.enableExpiredLogCleanup", "false");
    json_close(&j, '}');
    key_i64(&j, "createdTime", r->now_us / 1000);
    action_close(&j);
}

void delta__create_write(const struct delta_create *r, struct buf *out)
{
    struct json j = action_open(out, "commitInfo");
    write_info(&j, "CREATE TABLE", r->now_us / 1000, r->delta_id);
    key_open(&j, "operationParameters");
    key_str(&j, "partitionBy", "[]");
    key_str(&j, "properties",
            "{\"delta.enableInCommitTimestamps\":\"true\","
            "\"delta.enableExpiredLogCleanup\":\"false\"}");
    json_close(&j, '}');
    key_str(&j, "isolationLevel", "WriteSerializable");
    key_bool(&j, "isBlindAppend", true);
    key_open(&j, "operationMetrics");
    json_close(&j, '}');
    action_close(&j);
    write_protocol(r->schema, out);
    write_meta(r, out);
}
