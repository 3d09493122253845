/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Checksums. Start with @seed 0, or chain. */

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli, reflected, as in RFC 3720). */
uint32_t crc32c(uint32_t seed, const void *data, size_t len);

/* CRC-32 as zlib, gzip and PNG have it (IEEE 802.3, reflected): what ledgers of producers carry.
 * Small, not fast. */
uint32_t crc32_ieee(uint32_t seed, const void *data, size_t len);
