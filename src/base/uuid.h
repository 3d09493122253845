/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* UUIDs (RFC 9562): version 4 from given random bytes, and their text. */

#include <stdbool.h>
#include <stdint.h>

#define UUID_TEXT_LEN 36

struct uuid {
    uint8_t bytes[16];
};

/* @random becomes a version 4 UUID. */
struct uuid uuid_from_random(const uint8_t random[16]);
void uuid_format(const struct uuid *u, char text[UUID_TEXT_LEN + 1]); /* lower case, terminated */
bool uuid_parse(const char *text, struct uuid *ret);
