/* SPDX-License-Identifier: Apache-2.0 */
/*
 * add.stats: what lets a reader skip a file. A bound that cannot be stated safely is left out: a
 * missing bound costs speed, a wrong one loses rows. Bounds may be wider than the data (cut
 * strings, timestamps to the millisecond), never narrower.
 */
#include "delta/delta.h"

#include "base/json.h"
#include "base/must.h"
#include "parquet/parquet.h"

#include "delta_priv.h"

#include <math.h>
#include <string.h>

/* What ISO 8601 with four digits of year can say. */
#define DAYS_MIN (-719162ll) /* 0001-01-01 */
#define DAYS_MAX 2932896ll   /* 9999-12-31 */
#define DAY_MS   86400000ll

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return a % b < 0 ? q - 1 : q;
}

/* Proleptic Gregorian date of a day count; years are counted from March, in eras of 400. */
static void add_date(int64_t days, struct buf *out)
{
    int64_t z = days + 719468;
    int64_t era = floor_div(z, 146097);
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153; /* 0 = March */
    int64_t day = day_of_year - (153 * month + 2) / 5 + 1;
    int64_t year = year_of_era + era * 400 + (month >= 10);
    buf_printf(out, "%04lld-%02lld-%02lld", (long long)year,
               (long long)(month < 10 ? month + 3 : month - 9), (long long)day);
}

static bool add_day_value(int64_t days, struct buf *out)
{
    if (days < DAYS_MIN || days > DAYS_MAX)
        return false;
    buf_add_byte(out, '"');
    add_date(days, out);
    buf_add_byte(out, '"');
    return true;
}

static bool add_time_value(int64_t us, bool is_max, bool utc, struct buf *out)
{
    int64_t ms = floor_div(us, 1000);
    if (is_max && ms * 1000 < us)
        ms++;
    int64_t days = floor_div(ms, DAY_MS);
    if (days < DAYS_MIN || days > DAYS_MAX)
        return false;
    int64_t in_day = ms - days * DAY_MS;
    buf_add_byte(out, '"');
    add_date(days, out);
    buf_printf(out, "T%02d:%02d:%02d.%03d%s\"", (int)(in_day / 3600000), (int)(in_day / 60000 % 60),
               (int)(in_day / 1000 % 60), (int)(in_day % 1000), utc ? "Z" : "");
    return true;
}

static bool add_float_value(double v, struct buf *out)
{
    if (!isfinite(v))
        return false;
    struct json j = json_on(out);
    json_double(&j, v);
    return true;
}

/* Bytes of the first DELTA_STATS_CHARACTERS characters of valid UTF-8. */
static size_t cut_length(struct slice s)
{
    size_t at = 0;
    for (unsigned n = 0; at < s.len && n < DELTA_STATS_CHARACTERS; n++) {
        at++;
        while (at < s.len && (s.data[at] & 0xc0) == 0x80)
            at++;
    }
    return at;
}

static uint32_t get_code_point(const uint8_t *p, size_t len)
{
    static const uint8_t lead_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = len <= 4 ? p[0] & lead_mask[len] : 0;
    for (size_t i = 1; i < len; i++)
        c = c << 6 | (p[i] & 0x3f);
    return c;
}

static size_t put_code_point(uint8_t *p, uint32_t c)
{
    if (c < 0x80) {
        p[0] = (uint8_t)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = len - 1; i > 0; i--, c >>= 6)
        p[i] = (uint8_t)(0x80 | (c & 0x3f));
    p[0] = (uint8_t)(lead[len] | c);
    return len;
}

/*
 * A string above every string that begins with @s: its last character that can grow is made one
 * larger, what follows is dropped. False when none can.
 */
static bool round_up(struct slice s, uint8_t *out, size_t *ret_len)
{
    size_t end = s.len;
    while (end > 0) {
        size_t start = end - 1;
        while (start > 0 && (s.data[start] & 0xc0) == 0x80)
            start--;
        uint32_t c = get_code_point(s.data + start, end - start);
        if (c < 0x10ffff) {
            memcpy(out, s.data, start);
            c = c == 0xd7ff ? 0xe000 : c + 1; /* surrogates are no characters */
            *ret_len = start + put_code_point(out + start, c);
            return true;
        }
        end = start;
    }
    return false;
}

static bool add_text_value(struct slice s, bool is_max, struct buf *out)
{
    struct json j = json_on(out);
    uint8_t rounded[4 * DELTA_STATS_CHARACTERS + 4];
    struct slice cut = slice_of(s.data, cut_length(s));
    if (is_max && cut.len < s.len) {
        size_t len = 0;
        if (!round_up(cut, rounded, &len))
            return false;
        cut = slice_of(rounded, len);
    }
    json_slice(&j, cut);
    return true;
}

/* Append the bound as JSON; false: this value has none that is safe to state. */
static bool add_bound(const struct row_column *c, const struct row_value *v, bool is_max,
                      struct buf *out)
{
    switch (c->type) {
    case ROW_BYTE:
    case ROW_SHORT:
    case ROW_INT:
    case ROW_LONG: buf_printf(out, "%lld", (long long)v->i64); return true;
    case ROW_FLOAT: return add_float_value((double)v->f32, out);
    case ROW_DOUBLE: return add_float_value(v->f64, out);
    case ROW_DECIMAL: row_decimal_format(v->decimal, c->scale, out); return true;
    case ROW_STRING: return add_text_value(v->bytes, is_max, out);
    case ROW_DATE: return add_day_value(v->i64, out);
    case ROW_TIMESTAMP: return add_time_value(v->i64, is_max, true, out);
    case ROW_TIMESTAMP_NTZ: return add_time_value(v->i64, is_max, false, out);
    case ROW_BOOLEAN:
    case ROW_BINARY:
    case ROW_STRUCT:
    case ROW_ARRAY:
    case ROW_MAP:
    case ROW_VARIANT: return false;
    }
    return false;
}

static void add_bounds(struct json *j, const struct parquet_writer *w, const struct row_schema *s,
                       bool is_max)
{
    _cleanup_(buf_deinit) struct buf value = BUF_NULL;
    json_key(j, is_max ? "maxValues" : "minValues");
    json_open(j, '{');
    for (uint32_t i = 0; i < MIN(s->column_count, DELTA_INDEXED_COLUMNS); i++) {
        struct parquet_stats st;
        parquet_stats(w, i, &st);
        buf_reset(&value);
        if (!st.has_range || st.has_nan)
            continue; /* engines disagree on where NaN stands */
        if (!add_bound(&s->columns[i], is_max ? &st.max : &st.min, is_max, &value))
            continue;
        json_key(j, s->columns[i].name);
        json_raw(j, buf_slice(&value));
    }
    json_close(j, '}');
}

void delta_file_stats(const struct parquet_writer *w, const struct row_schema *s, struct buf *out)
{
    struct json j = json_on(out);
    json_open(&j, '{');
    json_key(&j, "numRecords");
    json_u64(&j, parquet_row_count(w));
    json_key(&j, "tightBounds");
    json_bool(&j, true);
    add_bounds(&j, w, s, false);
    add_bounds(&j, w, s, true);
    json_key(&j, "nullCount");
    json_open(&j, '{');
    for (uint32_t i = 0; i < MIN(s->column_count, DELTA_INDEXED_COLUMNS); i++) {
        struct parquet_stats st;
        parquet_stats(w, i, &st);
        json_key(&j, s->columns[i].name);
        json_u64(&j, st.null_count);
    }
    json_close(&j, '}');
    json_close(&j, '}');
}
