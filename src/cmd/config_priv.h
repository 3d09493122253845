/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Settings of sluiced: "key = value" lines. Every key is documented in deploy/sluiced.conf. */

#include "base/attr.h"
#include "base/err.h"

#include <stdint.h>

struct sys;

struct config {
    char *data_dir, *lake_dir;
    char *listen, *tls_cert, *tls_key;
    char *listen_plain;
    uint64_t freshness_ms;
    uint64_t segment_bytes, log_bytes_max, log_keep_bytes, log_memory_bytes;
    uint64_t compact_memory_bytes, commit_bytes;
    uint64_t table_log_bytes, spill_bytes; /* 0 = a quarter of the log; nothing is spilled */
    uint64_t store_cache_bytes, row_cache_bytes;
    uint64_t grace_ms, stop_grace_ms;
    uint64_t orphan_grace_ms;
    uint64_t rpc_threads;      /* 0 = one per two processors, 1 to 8 */
    uint64_t rpc_memory_bytes; /* gRPC's for calls and half messages; 0 = no limit */
};

/* Defaults, then the file. ERR_INVALID with file, line and reason. Takes nothing;
 * config_deinit(). */
must_use int config_read(struct sys *s, const char *path, struct config *c, struct err *e);
void config_deinit(struct config *c);
