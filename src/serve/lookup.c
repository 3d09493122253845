/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lookup without its call: request bytes in, answer bytes out, by hand on both sides because
 * this is a hot path. The newest version of a row is the first key at or after "r · table · key",
 * since what follows the key is the inverted position.
 *
 * MultiGet reads one snapshot, and says which position that snapshot shows (rule R9).
 * Thread: any; blocks on the disk unless cached_only.
 */
#include "serve_priv.h"

#include "base/bits.h"
#include "base/mem.h"
#include "codec/codec.h"
#include "codec/wire.h"
#include "store/keys.h"

void serve__scratch_deinit(struct serve__scratch *x)
{
    buf_deinit(&x->key);
    buf_deinit(&x->found_key);
    buf_deinit(&x->value);
    buf_deinit(&x->row);
    buf_deinit(&x->reply);
    mem_free(x->values);
    arena_deinit(&x->arena);
    x->values = NULL;
    x->value_cap = 0;
}

/* ---- the request: GetRequest and MultiGetRequest share their field numbers ---- */

enum { FIELD_TABLE = 1, FIELD_KEY = 2, FIELD_FORMAT = 3 };

int serve__request_parse(struct slice message, bool multi, struct serve__request *ret_request,
                         struct err *e)
{
    struct serve__request r = {.multi = multi, .message = message};
    const uint8_t *p = message.data, *end = message.data + message.len;
    struct wire_field f;
    int rc;
    while ((rc = wire_next(&p, end, &f)) > 0) {
        if (f.number == FIELD_TABLE && f.type == WIRE_LEN)
            r.table = f.bytes;
        else if (f.number == FIELD_FORMAT && f.type == WIRE_VARINT)
            r.format = f.value;
        else if (f.number == FIELD_KEY && f.type == WIRE_LEN) {
            r.key = f.bytes;
            r.key_count++;
        }
    }
    if (rc < 0)
        return err_set(e, ERR_INVALID, "the request is not a well-formed protobuf message");
    if (r.table.len == 0)
        return err_set(e, ERR_INVALID, "the request names no table");
    if (r.table.len > TABLE_NAME_BYTES_MAX || memchr(r.table.data, 0, r.table.len) != NULL)
        return err_set(e, ERR_INVALID, "the table's name is not a name, or longer than %d bytes",
                       TABLE_NAME_BYTES_MAX);
    if (r.format > SERVE__PROTO)
        return err_set(e, ERR_INVALID, "row format %llu is unknown; use JSON (0) or PROTO (1)",
                       (unsigned long long)r.format);
    if (!multi && r.key_count == 0)
        return err_set(e, ERR_INVALID, "the request has no key_json");
    if (multi && r.key_count > MULTI_GET_KEYS_MAX)
        return err_set(e, ERR_INVALID, "the request has %u keys, at most %d are taken", r.key_count,
                       MULTI_GET_KEYS_MAX);
    *ret_request = r;
    return 0;
}

/* ---- the store ---- */

void serve__row_prefix(struct buf *key, uint32_t table_id)
{
    buf_reset(key);
    buf_add_byte(key, STORE_ROW);
    put_be32(buf_reserve(key, 4), table_id);
    key->len += 4;
}

/* A row as it stands in the store. */
struct stored {
    bronze_pos pos;
    uint32_t descriptor_id;
    struct slice row; /* borrowed from x->value */
};

static void show_stored(const struct serve__scratch *x, bronze_pos pos, struct stored *ret)
{
    ret->pos = pos;
    ret->descriptor_id = get_le32(x->value.data);
    ret->row = slice_of(x->value.data + 4, x->value.len - 4);
}

static int read_row(const struct serve__view *v, const struct store_snapshot *snap,
                    struct serve__scratch *x, struct stored *ret, struct err *e)
{
    struct serve__cache *cache = snap == NULL ? v->cache : NULL;
    struct serve__cache_place place;
    struct slice key = buf_slice(&x->key);
    buf_reset(&x->found_key);
    buf_reset(&x->value);
    if (cache != NULL && serve__cache_get(cache, key, &x->value, &place)) {
        show_stored(x, place.pos, ret);
        return STORE_FOUND;
    }
    int rc = store_seek(v->store, snap, key, key, v->cached_only, &x->found_key, &x->value, e);
    if (rc != STORE_FOUND)
        return rc;
    if (x->found_key.len != key.len + 8 || x->value.len < 4)
        return err_set(e, ERR_DAMAGED, "table %s: a row in the store has a malformed key or value",
                       v->table->name);
    show_stored(x, ~get_be64(x->found_key.data + key.len), ret);
    place.pos = ret->pos;
    if (cache != NULL)
        serve__cache_put(cache, key, buf_slice(&x->value), &place);
    return STORE_FOUND;
}

/* Its values, under the columns @to, which are those that it came under or later ones. */
static int read_values(const struct stored *at, const struct codec_plan *plan,
                       const struct row_schema *to, struct serve__scratch *x)
{
    if (x->value_cap < to->column_count) {
        x->value_cap = to->column_count;
        x->values = mem_realloc(x->values, x->value_cap * sizeof(*x->values));
    }
    arena_reset(&x->arena);
    TRY(codec_decode(plan, at->row, &x->arena, x->values));
    row_values_raise(codec_plan_schema(plan), to, x->values, &x->arena);
    return 0;
}

/* The row in the form that was asked for, into x->row. */
static int form_row(const struct serve__view *v, uint64_t format, const struct stored *at,
                    struct serve__scratch *x, struct err *e)
{
    buf_reset(&x->row);
    if (format == SERVE__PROTO && at->descriptor_id == v->table->own_id) {
        buf_add_slice(&x->row, at->row);
        return 0;
    }
    const struct codec_plan *plan = catalog_plan(v->catalog, v->table->id, at->descriptor_id);
    _cleanup_(catalog_table_unrefp) struct catalog_table *newest = NULL;
    const struct row_schema *schema = v->table->schema;
    if (plan != NULL && codec_plan_schema(plan) != schema) { /* altered before, or just now */
        newest = catalog_table_by_id(v->catalog, v->table->id);
        schema = newest != NULL ? newest->schema : NULL;
    }
    if (plan == NULL || schema == NULL)
        return err_set(e, ERR_NOT_FOUND, "table %s has been dropped", v->table->name);
    if (read_values(at, plan, schema, x) < 0)
        return err_set(e, ERR_DAMAGED, "table %s: the row at position %llu cannot be decoded",
                       v->table->name, (unsigned long long)at->pos);
    if (format == SERVE__JSON)
        codec_values_to_json(schema, x->values, &x->row);
    else
        codec_values_to_row(schema, x->values, &x->row);
    return 0;
}

/* ---- the answer ---- */

/* GetResponse {found = 1, row = 2, position = 3}: its bytes in all. */
static size_t found_bytes(const struct serve__scratch *x, bronze_pos pos)
{
    return 2 + 1 + wire_varint_len(x->row.len) + x->row.len + 1 + wire_varint_len(pos);
}

static void add_found(struct serve__scratch *x, bronze_pos pos)
{
    wire_add_u64(&x->reply, 1, 1);
    wire_add_bytes(&x->reply, 2, buf_slice(&x->row));
    wire_add_u64(&x->reply, 3, pos);
}

/* One key. STORE_FOUND with x->row filled and *ret_pos, STORE_ABSENT, STORE_COLD. */
static int one(const struct serve__view *v, const struct store_snapshot *snap,
               const struct serve__request *r, struct serve__scratch *x, struct stored *ret,
               struct err *e)
{
    serve__row_prefix(&x->key, v->table->id);
    if (codec_json_to_key(v->table->schema, r->key, &x->key, e) < 0)
        return err_wrap(e, "table %s, key_json", v->table->name);
    int rc = read_row(v, snap, x, ret, e);
    if (rc != STORE_FOUND)
        return rc;
    TRY(form_row(v, r->format, ret, x, e));
    return STORE_FOUND;
}

static int get(const struct serve__view *v, const struct serve__request *r,
               struct serve__scratch *x, uint64_t *ret_found, struct err *e)
{
    struct stored at;
    int rc = one(v, NULL, r, x, &at, e);
    *ret_found = rc == STORE_FOUND;
    if (rc == STORE_FOUND)
        add_found(x, at.pos);
    return rc == STORE_ABSENT ? 0 : rc;
}

static int applied_of(const struct serve__view *v, const struct store_snapshot *snap,
                      struct serve__scratch *x, bronze_pos *ret_pos, struct err *e)
{
    buf_reset(&x->value);
    int rc = store_get(v->store, snap, slice_str(SERVE__APPLIED_KEY), v->cached_only, &x->value, e);
    if (rc == STORE_FOUND && x->value.len != 8)
        return err_set(e, ERR_DAMAGED, "the store's applied position is malformed");
    if (rc <= STORE_ABSENT)
        *ret_pos = rc == STORE_FOUND ? get_le64(x->value.data) : 0;
    return rc == STORE_ABSENT ? 0 : rc;
}

/* MultiGetResponse {rows = 1, snapshot_position = 2}, all keys from @snap. */
static int multi_get(const struct serve__view *v, const struct store_snapshot *snap,
                     const struct serve__request *r, struct serve__scratch *x, struct err *e)
{
    const uint8_t *p = r->message.data, *end = p + r->message.len;
    struct serve__request key = *r;
    struct wire_field f;
    uint32_t index = 0;
    while (wire_next(&p, end, &f) > 0) {
        if (f.number != FIELD_KEY || f.type != WIRE_LEN)
            continue;
        key.key = f.bytes;
        struct stored at;
        int rc = one(v, snap, &key, x, &at, e);
        if (rc < 0)
            return err_wrap(e, "key %u", index);
        if (rc == STORE_COLD)
            return rc;
        wire_add_tag(&x->reply, 1, WIRE_LEN);
        wire_add_varint(&x->reply, rc == STORE_FOUND ? found_bytes(x, at.pos) : 0);
        if (rc == STORE_FOUND)
            add_found(x, at.pos);
        if (x->reply.len > SERVE__REPLY_BYTES_MAX)
            return err_set(e, ERR_EXHAUSTED,
                           "the rows of the first %u keys take more than %zu MiB; ask for fewer at "
                           "a time",
                           index + 1, SERVE__REPLY_BYTES_MAX >> 20);
        index++;
    }
    bronze_pos pos = 0;
    int rc = applied_of(v, snap, x, &pos, e);
    if (rc == 0)
        wire_add_u64(&x->reply, 2, pos);
    return rc;
}

int serve__lookup(const struct serve__view *v, const struct serve__request *r,
                  struct serve__scratch *x, uint64_t *ret_found, struct err *e)
{
    buf_reset(&x->reply);
    *ret_found = 0;
    if (!r->multi)
        return get(v, r, x, ret_found, e);
    struct store_snapshot *snap = store_snapshot_new(v->store);
    int rc = multi_get(v, snap, r, x, e);
    store_snapshot_free(v->store, snap);
    return rc;
}
