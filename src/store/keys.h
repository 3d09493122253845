/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Who owns which keys of the one column family: the first byte. docs/formats/store.md lists the
 * rest.
 */
#define STORE_META      'm' /* m/applied: the applied position, written in every apply batch */
#define STORE_LOG       'l' /* the log's index: segments, time → position, streams' offsets */
#define STORE_CATALOG   'c' /* control records in force */
#define STORE_WATERMARK 'w' /* committed position per table */
#define STORE_SPILL     's' /* last position spilled per table */
#define STORE_LAKE      'k' /* lake commits: name, size, hash */
/* r · table id (be32) · memcomparable key · ~position (be64) → descriptor id (le32) · row */
#define STORE_ROW 'r'
