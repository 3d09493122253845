/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All rows of a table, for who may wait: position first, then key by key. The keys of a row's
 * versions stand together, the newest first; a step goes behind the oldest that there can be.
 *
 * Each step enters the store's door anew, so a reopening in the middle ends the scan and no more.
 */
#include "serve_priv.h"

#include "base/bits.h"

#define WAIT_STEP_MS 5

static int wait_applied(struct serve *s, bronze_pos pos, struct err *e)
{
    for (uint32_t ms = 0; serve_applied_pos(s) < pos && ms < LOOKUP_WAIT_MS_MAX;
         ms += WAIT_STEP_MS) {
        sys_event_signal(&s->apply.hurry);
        sys_sleep_ms(s->o.sys, WAIT_STEP_MS);
    }
    if (serve_applied_pos(s) < pos)
        return err_set(
            e, ERR_UNAVAILABLE,
            "the scan needs position %llu, and the store has reached %llu only; try again",
            (unsigned long long)pos, (unsigned long long)serve_applied_pos(s));
    return 0;
}

/* The first row at or behind @from. STORE_FOUND or STORE_ABSENT. */
static int next_row(struct serve *s, struct slice from, struct slice prefix,
                    struct serve__scratch *x, struct err *e)
{
    buf_reset(&x->found_key);
    buf_reset(&x->value);
    if (!serve__enter(s))
        return err_set(e, ERR_UNAVAILABLE, "the store is being opened again; try again");
    int r = store_seek(s->o.store, NULL, from, prefix, false, &x->found_key, &x->value, e);
    serve__leave(s);
    return r;
}

/* Behind all versions of the key that stands in @key: eight bytes of ff and one more. */
static void pass_versions(struct buf *key)
{
    memset(buf_reserve(key, 9), 0xff, 8);
    key->data[key->len + 8] = 0;
    key->len += 9;
}

static int scan(struct serve *s, const struct catalog_table *t, struct serve__scratch *x,
                serve_scan_fn *fn, void *ctx, struct err *e)
{
    struct buf prefix = BUF_NULL;
    serve__row_prefix(&prefix, t->id);
    int r;
    while ((r = next_row(s, buf_slice(&x->key), buf_slice(&prefix), x, e)) == STORE_FOUND) {
        size_t len = x->found_key.len;
        if (len < prefix.len + 8 || x->value.len < 4) {
            r = err_set(e, ERR_DAMAGED, "table %s: a row in the store has a malformed key or value",
                        t->name);
            break;
        }
        struct serve_scanned row = {
            .key = slice_of(x->found_key.data + prefix.len, len - 8 - prefix.len),
            .row = slice_of(x->value.data + 4, x->value.len - 4),
            .pos = ~get_be64(x->found_key.data + len - 8),
            .descriptor_id = get_le32(x->value.data),
        };
        buf_reset(&x->key);
        buf_add(&x->key, x->found_key.data, len - 8);
        pass_versions(&x->key);
        r = fn(ctx, &row);
        if (r != 0)
            break;
    }
    buf_deinit(&prefix);
    return r == STORE_ABSENT ? 0 : r;
}

int serve_scan(struct serve *s, const struct catalog_table *t, struct slice after,
               serve_scan_fn *fn, void *ctx, struct err *e)
{
    /* Also for rows that are not durable yet: who marks rows must see the marks already made. */
    TRY(wait_applied(s, atomic_load(&t->live->last_pos), e));
    struct serve__scratch x = {0};
    serve__row_prefix(&x.key, t->id);
    if (after.len > 0) {
        buf_add_slice(&x.key, after);
        pass_versions(&x.key);
    }
    int r = scan(s, t, &x, fn, ctx, e);
    serve__scratch_deinit(&x);
    return r;
}
