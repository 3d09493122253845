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

/* ---- the columns ---- */

enum part { PART_MIN, PART_MAX, PART_NULLS };

/* A walk over the columns, fields of STRUCTs included. */
struct walk {
    const struct parquet_writer *writer;
    enum part part;
    uint32_t leaf;  /* the next one in the file */
    unsigned count; /* columns and fields seen; what an ARRAY, MAP or VARIANT holds has none */
};

/* What there is to say about one that is no STRUCT; false: nothing. */
static bool add_fact(const struct walk *w, const struct row_column *c, struct buf *out)
{
    struct parquet_stats st;
    parquet_stats(w->writer, w->leaf, &st);
    if (w->part == PART_NULLS) {
        buf_printf(out, "%llu", (unsigned long long)st.null_count);
        return true;
    }
    if (!row_type_is_flat(c->type) || !st.has_range || st.has_nan)
        return false; /* engines disagree on where NaN stands */
    return add_bound(c, w->part == PART_MAX ? &st.max : &st.min, w->part == PART_MAX, out);
}

/* {"<name>":<fact>, …}; returns whether it holds any. */
static bool add_columns(struct walk *w, const struct row_column *columns, uint32_t count,
                        struct buf *out)
{
    _cleanup_(buf_deinit) struct buf value = BUF_NULL;
    struct json j = json_on(out);
    bool any = false;
    json_open(&j, '{');
    for (uint32_t i = 0; i < count && w->count < DELTA_INDEXED_COLUMNS; i++) {
        const struct row_column *c = &columns[i];
        uint32_t next = w->leaf + row_leaf_count(c);
        buf_reset(&value);
        bool has = c->type == ROW_STRUCT ? add_columns(w, c->fields, c->field_count, &value)
                                         : add_fact(w, c, &value);
        w->count += c->type != ROW_STRUCT;
        w->leaf = next;
        if (!has)
            continue;
        json_key(&j, c->name);
        json_raw(&j, buf_slice(&value));
        any = true;
    }
    json_close(&j, '}');
    return any;
}

static void add_part(struct json *j, const struct parquet_writer *w, const struct row_schema *s,
                     enum part part)
{
    static const char *const names[] = {"minValues", "maxValues", "nullCount"};
    _cleanup_(buf_deinit) struct buf value = BUF_NULL;
    struct walk walk = {.writer = w, .part = part};
    (void)add_columns(&walk, s->columns, s->column_count, &value);
    json_key(j, names[part]);
    json_raw(j, buf_slice(&value));
}

void delta_file_stats(const struct parquet_writer *w, const struct row_schema *s, struct buf *out)
{
    struct json j = json_on(out);
    json_open(&j, '{');
    json_key(&j, "numRecords");
    json_u64(&j, parquet_row_count(w));
    json_key(&j, "tightBounds");
    json_bool(&j, true);
    add_part(&j, w, s, PART_MIN);
    add_part(&j, w, s, PART_MAX);
    add_part(&j, w, s, PART_NULLS);
    json_close(&j, '}');
}
