/* SPDX-License-Identifier: Apache-2.0 */
/* UUID text form. */
#include "base/uuid.h"

#include <stdio.h>
#include <string.h>

struct uuid uuid_from_random(const uint8_t random[16])
{
    struct uuid u;
    memcpy(u.bytes, random, sizeof(u.bytes));
    u.bytes[6] = (uint8_t)((u.bytes[6] & 0x0f) | 0x40);
    u.bytes[8] = (uint8_t)((u.bytes[8] & 0x3f) | 0x80);
    return u;
}

void uuid_format(const struct uuid *u, char text[UUID_TEXT_LEN + 1])
{
    static const char hex[] = "0123456789abcdef";
    char *p = text;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = hex[u->bytes[i] >> 4];
        *p++ = hex[u->bytes[i] & 15];
    }
    *p = '\0';
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool uuid_parse(const char *text, struct uuid *ret)
{
    struct uuid u;
    if (strlen(text) != UUID_TEXT_LEN)
        return false;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            if (*text++ != '-')
                return false;
        int high = digit(text[0]), low = digit(text[1]);
        if (high < 0 || low < 0)
            return false;
        u.bytes[i] = (uint8_t)(high << 4 | low);
        text += 2;
    }
    *ret = u;
    return true;
}
