/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Literals to values, and values back to what people read. Years 0001 to 9999 of the proleptic
 * Gregorian calendar. Thread: any.
 */
#include "rule_priv.h"

#include "row/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define US_PER_SECOND 1000000LL
#define US_PER_DAY    (86400 * US_PER_SECOND)

int rule__read_number(struct rule__compiler *c, struct rule__value *ret,
                      struct rule__type *ret_type)
{
    struct slice text = c->token.text;
    struct row_column exact = {.type = ROW_DECIMAL, .precision = EXACT_DIGITS_MAX};
    *ret = (struct rule__value){0};
    for (exact.scale = 0; exact.scale <= EXACT_DIGITS_MAX; exact.scale++)
        if (row_decimal_parse(text, &exact, &ret->exact) == 0) {
            *ret_type = (struct rule__type){.kind = KIND_EXACT, .scale = exact.scale};
            return 0;
        }
    char terminated[400];
    bool has_exponent =
        memchr(text.data, 'e', text.len) != NULL || memchr(text.data, 'E', text.len) != NULL;
    if (!has_exponent || text.len >= sizeof(terminated))
        return rule__fail(c, c->token.at, "a number has at most %d digits", EXACT_DIGITS_MAX);
    memcpy(terminated, text.data, text.len);
    terminated[text.len] = '\0';
    ret->f64 = strtod(terminated, NULL);
    if (!isfinite(ret->f64))
        return rule__fail(c, c->token.at, "the number is too large for a DOUBLE");
    *ret_type = (struct rule__type){.kind = KIND_DOUBLE};
    return 0;
}

struct slice rule__read_text(struct rule__compiler *c)
{
    struct slice s = c->token.text;
    uint8_t *out = arena_alloc(c->arena, s.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++) {
        out[len++] = s.data[i];
        i += s.data[i] == '\''; /* the second one of '' */
    }
    return slice_of(out, len);
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int rule__read_hex(struct rule__compiler *c, struct slice *ret)
{
    struct slice s = c->token.text;
    uint8_t *out = arena_alloc(c->arena, s.len / 2 + 1);
    for (size_t i = 0; i < s.len; i += 2) {
        int high = hex_digit(s.data[i]), low = i + 1 < s.len ? hex_digit(s.data[i + 1]) : -1;
        if (high < 0 || low < 0)
            return rule__fail(c, c->token.at, "pairs of hexadecimal digits are expected in X''");
        out[i / 2] = (uint8_t)(high << 4 | low);
    }
    *ret = slice_of(out, s.len / 2);
    return 0;
}

/* ---- time ---- */

/* Days since 1970-01-01. Years are counted from March, so that the leap day is the last one. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year, m = month <= 2 ? month + 9 : month - 3;
    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

/* Exactly @digits digits at *p. */
static bool take_digits(const uint8_t **p, const uint8_t *end, int digits, int64_t *ret)
{
    int64_t v = 0;
    if (end - *p < digits)
        return false;
    for (int i = 0; i < digits; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return false;
        v = v * 10 + (**p - '0');
    }
    *ret = v;
    return true;
}

static bool take_byte(const uint8_t **p, const uint8_t *end, char byte)
{
    if (*p == end || **p != (uint8_t)byte)
        return false;
    (*p)++;
    return true;
}

static bool take_date(const uint8_t **p, const uint8_t *end, int64_t *ret_days)
{
    static const uint8_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year, month, day;
    if (!take_digits(p, end, 4, &year) || !take_byte(p, end, '-') ||
        !take_digits(p, end, 2, &month) || !take_byte(p, end, '-') || !take_digits(p, end, 2, &day))
        return false;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (year < 1 || month < 1 || month > 12 || day < 1 ||
        day > lengths[month - 1] + (month == 2 && leap))
        return false;
    *ret_days = days_of(year, month, day);
    return true;
}

/* HH:MM[:SS[.f…]], up to six digits of a second. */
static bool take_time(const uint8_t **p, const uint8_t *end, int64_t *ret_us)
{
    int64_t hour, minute, second = 0, us = 0;
    if (!take_digits(p, end, 2, &hour) || !take_byte(p, end, ':') ||
        !take_digits(p, end, 2, &minute))
        return false;
    if (take_byte(p, end, ':')) {
        int64_t unit = US_PER_SECOND, digit;
        if (!take_digits(p, end, 2, &second))
            return false;
        bool fraction = take_byte(p, end, '.');
        while (fraction && unit > 1 && take_digits(p, end, 1, &digit))
            us += digit * (unit /= 10);
        if (fraction && unit == US_PER_SECOND)
            return false;
    }
    *ret_us = ((hour * 60 + minute) * 60 + second) * US_PER_SECOND + us;
    return hour < 24 && minute < 60 && second < 60;
}

/* Z or ±HH:MM. */
static bool take_zone(const uint8_t **p, const uint8_t *end, int64_t *ret_us)
{
    int64_t hours, minutes;
    *ret_us = 0;
    if (take_byte(p, end, 'Z'))
        return true;
    bool minus = take_byte(p, end, '-');
    if (!minus && !take_byte(p, end, '+'))
        return false;
    if (!take_digits(p, end, 2, &hours) || !take_byte(p, end, ':') ||
        !take_digits(p, end, 2, &minutes) || hours > 18 || minutes > 59)
        return false;
    *ret_us = (minus ? -1 : 1) * (hours * 60 + minutes) * 60 * US_PER_SECOND;
    return true;
}

static bool read_time(struct slice s, enum rule__kind kind, int64_t *ret)
{
    const uint8_t *p = s.data, *end = p + s.len;
    int64_t days, us, zone = 0;
    if (!take_date(&p, end, &days))
        return false;
    *ret = kind == KIND_DATE ? days : days * US_PER_DAY;
    if (kind == KIND_DATE)
        return p == end;
    if (!take_byte(&p, end, 'T') && !take_byte(&p, end, ' '))
        return false;
    if (!take_time(&p, end, &us) || (kind == KIND_TIMESTAMP && !take_zone(&p, end, &zone)))
        return false;
    *ret += us - zone;
    return p == end;
}

int rule__read_time(struct rule__compiler *c, enum rule__kind kind, int64_t *ret)
{
    if (read_time(c->token.text, kind, ret))
        return 0;
    return rule__fail(c, c->token.at, "%s",
                      kind == KIND_DATE        ? "a date 'YYYY-MM-DD' is expected"
                      : kind == KIND_TIMESTAMP ? "a time 'YYYY-MM-DDTHH:MM[:SS[.ffffff]]' with Z "
                                                 "or +HH:MM at its end is expected"
                                               : "a time 'YYYY-MM-DDTHH:MM[:SS[.ffffff]]' without "
                                                 "a zone is expected");
}

/* ---- values for people ---- */

static void show_date(int64_t days, struct buf *out)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), m = (5 * doy + 2) / 153;
    int64_t day = doy - (153 * m + 2) / 5 + 1, month = m < 10 ? m + 3 : m - 9;
    int64_t year = yoe + era * 400 + (month <= 2);
    buf_printf(out, "%04lld-%02lld-%02lld", (long long)year, (long long)month, (long long)day);
}

static void show_time(int64_t us, bool zoned, struct buf *out)
{
    int64_t days = us / US_PER_DAY - (us % US_PER_DAY < 0), rest = us - days * US_PER_DAY;
    int64_t seconds = rest / US_PER_SECOND;
    show_date(days, out);
    buf_printf(out, "T%02lld:%02lld:%02lld", (long long)(seconds / 3600),
               (long long)(seconds / 60 % 60), (long long)(seconds % 60));
    if (rest % US_PER_SECOND != 0)
        buf_printf(out, ".%06lld", (long long)(rest % US_PER_SECOND));
    buf_add_str(out, zoned ? "Z" : "");
}

void rule__show_text(struct slice text, size_t max, struct buf *out)
{
    size_t len = MIN(text.len, max);
    while (len > 0 && len < text.len && (text.data[len] & 0xc0) == 0x80)
        len--; /* not within a character */
    bool is_text = row_utf8_ok(slice_of(text.data, len));
    for (size_t i = 0; i < len; i++) {
        uint8_t b = text.data[i];
        buf_add_byte(out, b < 0x20 || b == 0x7f || (b >= 0x80 && !is_text) ? '?' : b);
    }
    buf_add_str(out, len < text.len ? "..." : "");
}

#define SHOWN_BYTES_MAX 40

static void show_bytes(struct slice bytes, struct buf *out)
{
    size_t shown = MIN(bytes.len, SHOWN_BYTES_MAX / 2);
    buf_add_str(out, "X'");
    for (size_t i = 0; i < shown; i++)
        buf_printf(out, "%02x", bytes.data[i]);
    buf_add_str(out, shown < bytes.len ? "...'" : "'");
}

void rule__show(struct rule__type type, const struct rule__value *v, struct buf *out)
{
    if (v->null) {
        buf_add_str(out, "NULL");
        return;
    }
    switch (type.kind) {
    case KIND_BOOLEAN: buf_add_str(out, v->boolean ? "TRUE" : "FALSE"); break;
    case KIND_EXACT: row_decimal_format(v->exact, type.scale, out); break;
    case KIND_DOUBLE: buf_printf(out, "%.17g", v->f64); break;
    case KIND_DATE: show_date(v->i64, out); break;
    case KIND_TIMESTAMP: show_time(v->i64, true, out); break;
    case KIND_TIMESTAMP_NTZ: show_time(v->i64, false, out); break;
    case KIND_BINARY: show_bytes(v->bytes, out); break;
    case KIND_TEXT:
        buf_add_byte(out, '\'');
        rule__show_text(v->bytes, SHOWN_BYTES_MAX, out);
        buf_add_byte(out, '\'');
        break;
    case KIND_ARRAY: buf_printf(out, "%s of %u", rule__kind_name(type.kind), v->item_count); break;
    case KIND_MAP:
        buf_printf(out, "%s of %u", rule__kind_name(type.kind), v->item_count / 2);
        break;
    default: buf_printf(out, "a %s", rule__kind_name(type.kind)); break;
    }
}
