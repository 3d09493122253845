/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dates and times as text, by RFC 3339: "2026-02-28", "2026-02-28T12:00:00.000001Z",
 * "2026-02-28T12:00:00+01:00". The Gregorian calendar, years 1 to 9999. Thread: any.
 */
#include "codec_priv.h"

#define SECOND_US 1000000LL
#define DAY_US    (86400 * SECOND_US)

/* The number that @count digits make, or -1. */
static int read_digits(const uint8_t *p, size_t count)
{
    int v = 0;
    for (size_t i = 0; i < count; i++) {
        if (p[i] < '0' || p[i] > '9')
            return -1;
        v = v * 10 + (p[i] - '0');
    }
    return v;
}

bool codec__iso_date(struct slice text, int64_t *ret_days)
{
    static const uint8_t days_of[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const uint8_t *p = text.data;
    if (text.len != 10 || p[4] != '-' || p[7] != '-')
        return false;
    int year = read_digits(p, 4), month = read_digits(p + 5, 2), day = read_digits(p + 8, 2);
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (year < 1 || month < 1 || month > 12 || day < 1)
        return false;
    if (day > days_of[month - 1] + (month == 2 && leap))
        return false;
    /* Years that begin in March: the leap day is the last one. From 0000-03-01 to 1970 there are
     * 719468 days. */
    int from_march = (month + 9) % 12, y = year - (month <= 2);
    *ret_days =
        365LL * y + y / 4 - y / 100 + y / 400 + (153 * from_march + 2) / 5 + day - 1 - 719468;
    return true;
}

/* "12:00:00" */
static bool read_time(const uint8_t *p, int64_t *ret_us)
{
    if (p[2] != ':' || p[5] != ':')
        return false;
    int hour = read_digits(p, 2), minute = read_digits(p + 3, 2), second = read_digits(p + 6, 2);
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
        return false;
    *ret_us = (hour * 3600 + minute * 60 + second) * SECOND_US;
    return true;
}

/* ".000001" at *p, which it moves behind; nothing is 0. -1: malformed, or more than six digits. */
static int read_fraction(const uint8_t **p, const uint8_t *end)
{
    if (*p == end || **p != '.')
        return 0;
    const uint8_t *from = ++*p;
    while (*p < end && **p >= '0' && **p <= '9')
        ++*p;
    size_t count = (size_t)(*p - from);
    if (count == 0 || count > 6)
        return -1;
    int us = read_digits(from, count);
    for (; count < 6; count++)
        us *= 10;
    return us;
}

/* "Z" or "+01:00", all of the rest. */
static bool read_zone(const uint8_t *p, const uint8_t *end, int64_t *ret_us)
{
    *ret_us = 0;
    if (end - p == 1)
        return *p == 'Z' || *p == 'z';
    if (end - p != 6 || (*p != '+' && *p != '-') || p[3] != ':')
        return false;
    int hour = read_digits(p + 1, 2), minute = read_digits(p + 4, 2);
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59)
        return false;
    *ret_us = (hour * 60 + minute) * 60 * SECOND_US * (*p == '-' ? -1 : 1);
    return true;
}

const char *codec__iso_timestamp(struct slice text, bool with_zone, int64_t *ret_us)
{
    const char *wrong = with_zone
                            ? "the text is not of the form YYYY-MM-DDThh:mm:ss[.ffffff]Z or …+hh:mm"
                            : "the text is not of the form YYYY-MM-DDThh:mm:ss[.ffffff], no zone";
    const uint8_t *p = text.data, *end = p + text.len;
    int64_t days, time, zone = 0;
    if (text.len < 19 || (p[10] != 'T' && p[10] != 't'))
        return wrong;
    if (!codec__iso_date(slice_of(p, 10), &days))
        return "there is no such day";
    if (!read_time(p + 11, &time))
        return "there is no such time of day";
    p += 19;
    int fraction = read_fraction(&p, end);
    if (fraction < 0)
        return "a second has one to six digits behind its point";
    if (with_zone ? !read_zone(p, end, &zone) : p != end)
        return wrong;
    *ret_us = days * DAY_US + time + fraction - zone;
    return NULL;
}
