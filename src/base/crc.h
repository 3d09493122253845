/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* CRC-32C (Castagnoli, reflected, as in RFC 3720). Start with @seed 0, or chain. */

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t seed, const void *data, size_t len);
