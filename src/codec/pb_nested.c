/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk over rows with nested columns. Like the flat one it is written once and compiled twice,
 * for check and decode: where a value should go is NULL in the check.
 *
 *   message   its fields one by one; a single message that comes in pieces merges: each piece fills
 *             the same values and marks the same columns as seen
 *   instance  the record, an element or a map's entry: its marks (and those of the single messages
 *             below it) are cleared when it begins, and asked for NOT NULL columns when it ends
 *   list      a value whose parts lie in the arena, in front of them a head; it doubles when full
 *
 * The tree of messages is the schema's, so recursion ends with it (ROW_DEPTH_MAX types, at most two
 * messages each: less than the 100 levels that protobuf readers go down). What a row's lists may
 * hold is limited too: ROW_VALUES_MAX, counted the same way in both walks. An element or entry
 * takes all values that it could have (codec__message.values) before anything is done for it.
 *
 * The check only says no. Then the row is decoded once more, with memory of its own, to find out
 * where: only the decoder knows how many elements came before.
 *
 * Thread: any. The check allocates nothing, unless the plan has an enormous number of messages.
 */
#include "pb_priv.h"

#include "base/mem.h"
#include "base/must.h"
#include "codec/variant.h"

#include <assert.h>

static_assert(2 * ROW_DEPTH_MAX + 1 <= 100, "every row that fits a schema nests less than that");

struct walk {
    uint64_t *seen;             /* plan->seen_words */
    struct arena *arena;        /* decode only */
    struct codec__fault *fault; /* NULL: nobody asks where */
    uint32_t room;              /* values that the row may still hold */
    const uint8_t *limit;       /* end of the row */
    struct row_value bad;       /* what was read of a value at fault */
};

static int check_message(const struct codec__message *m, struct slice body, struct walk *w);
static int decode_message(const struct codec__message *m, struct slice body, struct walk *w,
                          struct row_value *values);

/* ---- faults ---- */

/* Where a fault is found. */
struct spot {
    const struct codec__message *m;
    const struct codec__field *f; /* NULL: unknown field */
    uint64_t tag;
    const uint8_t *at;
};

static void add_step(struct walk *w, struct codec__step step)
{
    if (w->fault == NULL)
        return;
    must(w->fault->step_count < CODEC__STEPS_MAX);
    w->fault->steps[w->fault->step_count++] = step;
}

/* The way of a fault outwards goes through column @column of @m. Returns -1. */
static int leave(struct walk *w, const struct codec__message *m, uint32_t column)
{
    if (w->fault != NULL)
        w->fault->in_value = m->kind == CODEC__ENTRY && column == ROW_VALUE;
    if (m->kind == CODEC__STRUCT)
        add_step(w, (struct codec__step){.name = m->columns[column].name});
    return -1;
}

/* @why < 0: the fault was told further in. Returns -1. */
static int stop(struct walk *w, int why, struct spot spot)
{
    struct codec__fault *fault = w->fault;
    if (why > 0 && fault != NULL) {
        fault->why = why;
        fault->at = spot.at;
        fault->message = spot.m;
        fault->field = spot.f;
        fault->tag = spot.tag;
        fault->number = w->bad.i64;
        fault->bytes = w->bad.bytes;
        fault->in_value = false;
    }
    return spot.f == NULL ? -1 : leave(w, spot.m, spot.f->column);
}

/* ---- lists ---- */

/* In front of a list's parts, in the room of one. */
struct head {
    uint32_t cap;
};
static_assert(sizeof(struct head) <= sizeof(struct row_value), "it stands in the place of one");

/* Room for @more parts behind those of @list. */
static void list_reserve(struct walk *w, struct row_value *list, uint32_t more)
{
    struct row_value *items = codec__items(list);
    uint32_t need = list->item_count + more, cap = 0;
    if (items != NULL)
        cap = ((struct head *)(void *)(items - 1))->cap;
    if (likely(need <= cap))
        return;
    cap = MAX(MAX(need, 4), cap * 2);
    struct row_value *room = arena_alloc(w->arena, (cap + 1) * sizeof(*room));
    ((struct head *)(void *)room)->cap = cap;
    if (items != NULL)
        memcpy(room + 1, items, list->item_count * sizeof(*room));
    list->items = room + 1;
}

static void list_add(struct walk *w, struct row_value *list, const struct row_value *v)
{
    list_reserve(w, list, 1);
    codec__items(list)[list->item_count++] = *v;
}

/* ---- instances ---- */

static bool take_room(struct walk *w, size_t count)
{
    if (unlikely(count > w->room))
        return false;
    w->room -= (uint32_t)count;
    return true;
}

FORCE_INLINE void begin(struct walk *w, const struct codec__message *m)
{
    if (likely(m->seen_words == 1))
        w->seen[m->seen] = 0;
    else
        memset(w->seen + m->seen, 0, m->seen_words * sizeof(*w->seen));
}

FORCE_INLINE void mark(struct walk *w, const struct codec__message *m, uint32_t column)
{
    w->seen[m->seen + column / 64] |= 1ull << column % 64;
}

static bool is_marked(const struct walk *w, const struct codec__message *m, uint32_t column)
{
    return w->seen[m->seen + column / 64] >> column % 64 & 1;
}

/* Where the columns of @m stand when its value is @v. */
static struct row_value *values_of(const struct codec__message *m, struct row_value *v)
{
    return m->kind == CODEC__WRAPPER ? v : codec__items(v);
}

/* The value of a message of which nothing came yet. */
static void open_value(struct walk *w, const struct codec__message *m, struct row_value *v)
{
    if (m->kind == CODEC__WRAPPER) {
        *v = m->blank[0];
        return;
    }
    struct row_value *items = arena_alloc(w->arena, m->column_count * sizeof(*items));
    memcpy(items, m->blank, m->column_count * sizeof(*items));
    *v = (struct row_value){.item_count = m->column_count, .items = items};
}

/* What can be said of @m only when its instance is complete. */
static int finish(struct walk *w, const struct codec__message *m, struct row_value *values)
{
    int missing = codec__missing(m, w->seen + m->seen);
    if (unlikely(missing >= 0)) {
        if (w->fault != NULL)
            w->fault->why = WHY_MISSING;
        return leave(w, m, (uint32_t)missing);
    }
    for (uint32_t i = 0; i < m->inner_count; i++) {
        const struct codec__field *f = &m->fields[m->inner[i]];
        struct row_value *v = values == NULL ? NULL : &values[f->column];
        if (f->op == CODEC__MAP) {
            if (v != NULL)
                codec__map_unique(&m->columns[f->column], v, w->arena);
        } else if (is_marked(w, m, f->column)) {
            if (finish(w, f->message, v == NULL ? NULL : values_of(f->message, v)) < 0)
                return leave(w, m, f->column);
        }
    }
    return 0;
}

FORCE_INLINE int finish_if_needed(struct walk *w, const struct codec__message *m,
                                  struct row_value *values)
{
    if (!m->asks && (values == NULL || !m->holds_maps))
        return 0;
    if (likely(m->seen_words == 1 && m->inner_count == 0 &&
               (m->required[0] & ~w->seen[m->seen]) == 0))
        return 0;
    return finish(w, m, values);
}

/* ---- nested fields ----
 *
 * They return 0, an enum codec__why, or -1 when the fault is told. @v: where the value goes. */

FORCE_INLINE int get_variant(struct walk *w, struct slice json, struct row_value *v)
{
    if (v == NULL)
        return codec_variant_check(json, NULL) == 0 ? 0 : WHY_JSON;
    struct buf variant = BUF_NULL;
    w->bad.bytes = json; /* should it be refused */
    int r = codec_variant_from_json(json, &variant, NULL);
    if (r == 0) {
        void *bytes = memcpy(arena_alloc(w->arena, variant.len), variant.data, variant.len);
        *v = (struct row_value){.bytes = slice_of(bytes, variant.len)};
    }
    buf_deinit(&variant);
    return r == 0 ? 0 : WHY_JSON;
}

/* A piece of a single message. */
FORCE_INLINE int get_message(struct walk *w, const struct codec__message *m, struct slice body,
                             struct row_value *v)
{
    if (v == NULL)
        return check_message(m, body, w);
    if (v->null)
        open_value(w, m, v);
    return decode_message(m, body, w, values_of(m, v));
}

/* An element that is a message or a VARIANT. */
FORCE_INLINE int get_item(struct walk *w, const struct codec__field *f, struct slice body,
                          struct row_value *list)
{
    struct row_value one = {.null = true}, *v = list == NULL ? NULL : &one;
    const struct codec__message *m = f->message;
    int r;
    if (unlikely(!take_room(w, f->item == CODEC__VARIANT ? 1 : m->values))) {
        r = WHY_TOO_MANY;
    } else if (f->item == CODEC__VARIANT) {
        r = get_variant(w, body, v);
    } else {
        begin(w, m);
        r = get_message(w, m, body, v);
        if (likely(r == 0))
            r = finish_if_needed(w, m, v == NULL ? NULL : values_of(m, v));
    }
    if (unlikely(r != 0))
        add_step(w, (struct codec__step){.index = list == NULL ? 0 : list->item_count});
    else if (list != NULL)
        list_add(w, list, &one);
    return r;
}

/* A flat element at @from. Returns what is behind it, or NULL. */
FORCE_INLINE const uint8_t *get_flat(struct walk *w, const struct row_column *c,
                                     const struct codec__field *f, struct codec__from from,
                                     struct row_value *list, int *ret_why)
{
    struct row_value one;
    const uint8_t *at = NULL;
    if (list != NULL)
        one = (struct row_value){.null = false};
    *ret_why = WHY_TOO_MANY;
    if (likely(take_room(w, 1)))
        at = codec__get_value(c, f, from, list == NULL, &one, ret_why);
    if (list == NULL)
        return at;
    if (likely(at != NULL)) {
        list_add(w, list, &one);
    } else {
        w->bad = one;
        add_step(w, (struct codec__step){.index = list->item_count});
    }
    return at;
}

/* Elements of eight or four bytes each that may be anything: there is nothing to look at. */
static int skip_packed(struct walk *w, struct slice body, size_t size)
{
    if (body.len % size != 0)
        return WHY_MALFORMED;
    return take_room(w, body.len / size) ? 0 : WHY_TOO_MANY;
}

/* Elements side by side in @body. */
FORCE_INLINE int get_packed(struct walk *w, const struct codec__field *f, struct slice body,
                            struct row_value *list)
{
    if (f->item == CODEC__DOUBLE || f->item == CODEC__FLOAT) {
        size_t size = f->item == CODEC__DOUBLE ? 8 : 4;
        if (list == NULL)
            return skip_packed(w, body, size);
        if (body.len / size <= w->room)
            list_reserve(w, list, (uint32_t)(body.len / size));
    }
    const uint8_t *at = body.data, *end = at + body.len;
    while (at < end) {
        int why;
        /* no column: a decimal is never packed */
        at = get_flat(w, NULL, f, (struct codec__from){at, end, w->limit, f->item}, list, &why);
        if (unlikely(at == NULL))
            return why;
    }
    return 0;
}

/* The value of a flat field in an entry that does not have it. */
static struct row_value default_of(const struct codec__field *f)
{
    struct row_value v = {.i64 = 0};
    if (f->op == CODEC__STRING || f->op == CODEC__BYTES)
        v.bytes = slice_of("", 0);
    return v;
}

/* A field of an entry. */
static const struct codec__field *entry_field(const struct codec__message *m, uint32_t column)
{
    return &m->fields[m->fields[0].column == column ? 0 : 1];
}

/* The key of an entry of which something is wrong, as far as it can be read. */
static struct row_value find_key(const struct codec__message *m, struct slice body)
{
    const struct codec__field *key = entry_field(m, ROW_KEY);
    const uint8_t *at = body.data, *end = at + body.len;
    struct row_value found = default_of(key), v;
    int why;
    while (at != NULL && at < end) {
        struct codec__tag tag = codec__read_tag(m, at, end);
        at = tag.behind;
        if (at == NULL || tag.value != key->tag) {
            at = at == NULL ? NULL : codec__skip_unknown(at, end, tag.value, &why);
            continue;
        }
        v = (struct row_value){.null = false};
        at = codec__get_value(NULL, key, (struct codec__from){at, end, end, key->op}, false, &v,
                              &why);
        found = at == NULL ? found : v;
    }
    return found;
}

/* What is absent in an entry has its type's default. */
FORCE_INLINE int complete_entry(struct walk *w, const struct codec__message *m, struct slice body,
                                struct row_value *pair)
{
    if (likely((w->seen[m->seen] & 3) == 3)) /* both */
        return 0;
    const struct codec__field *key = entry_field(m, ROW_KEY), *f = entry_field(m, ROW_VALUE);
    struct row_value *v = pair == NULL ? NULL : &pair[ROW_VALUE];
    if (pair != NULL && !is_marked(w, m, ROW_KEY))
        pair[ROW_KEY] = default_of(key);
    if (is_marked(w, m, ROW_VALUE))
        return 0;
    mark(w, m, ROW_VALUE);
    int why = 0;
    if (f->op == CODEC__MESSAGE)
        why = get_message(w, f->message, slice_of("", 0), v);
    else if (f->op == CODEC__DECIMAL || f->op == CODEC__VARIANT)
        why = f->op == CODEC__DECIMAL ? WHY_DECIMAL : WHY_JSON; /* the empty text is none */
    else if (v != NULL)
        *v = default_of(f);
    if (likely(why == 0))
        return 0;
    w->bad.bytes = slice_of("", 0);
    return stop(w, why, (struct spot){m, f, f->tag, body.data});
}

/* One entry of a MAP. */
FORCE_INLINE int get_entry(struct walk *w, const struct codec__message *m, struct slice body,
                           struct row_value *map)
{
    struct row_value pair[2] = {{.null = true}, {.null = true}};
    struct row_value *values = map == NULL ? NULL : pair;
    if (unlikely(!take_room(w, m->values)))
        return WHY_TOO_MANY;
    begin(w, m);
    int r = map == NULL ? check_message(m, body, w) : decode_message(m, body, w, pair);
    if (likely(r == 0))
        r = complete_entry(w, m, body, values);
    if (likely(r == 0))
        r = finish_if_needed(w, m, values);
    if (unlikely(r != 0)) {
        if (w->fault != NULL && w->fault->in_value)
            add_step(w, (struct codec__step){.key_type = &m->columns[ROW_KEY],
                                             .key = find_key(m, body)});
        return -1;
    }
    if (map != NULL) {
        list_add(w, map, &pair[ROW_KEY]);
        list_add(w, map, &pair[ROW_VALUE]);
    }
    return 0;
}

/* ---- the walk ---- */

/* A repeated flat field: one element, or several packed. */
FORCE_INLINE const uint8_t *get_flats(struct walk *w, const struct spot *s, struct codec__from from,
                                      struct row_value *list, int *ret_why)
{
    const struct codec__field *f = s->f;
    struct slice body;
    from.op = f->item;
    if (s->tag == f->tag)
        return get_flat(w, &s->m->columns[f->column].fields[ROW_ELEMENT], f, from, list, ret_why);
    *ret_why = WHY_WIRE_TYPE;
    if (s->tag != ((f->tag & ~7u) | WIRE_LEN))
        return NULL;
    const uint8_t *behind = codec__get_bytes(from.at, from.end, &body);
    *ret_why = behind == NULL ? WHY_MALFORMED : get_packed(w, f, body, list);
    return likely(*ret_why == 0) ? behind : NULL;
}

/* A field that is not one flat value. Returns what is behind it; NULL with *ret_why, which is -1
 * when the fault is told. */
FORCE_INLINE const uint8_t *get_nested(struct walk *w, const struct spot *s,
                                       struct codec__from from, struct row_value *v, int *ret_why)
{
    const struct codec__field *f = s->f;
    if (f->op == CODEC__REPEATED && f->item < CODEC__VARIANT)
        return get_flats(w, s, from, v, ret_why);
    *ret_why = WHY_WIRE_TYPE;
    if (unlikely(f->tag != s->tag))
        return NULL;
    struct slice body;
    const uint8_t *behind = codec__get_bytes(from.at, from.end, &body);
    *ret_why = WHY_MALFORMED;
    if (unlikely(behind == NULL))
        return NULL;
    switch (f->op) {
    case CODEC__VARIANT: *ret_why = get_variant(w, body, v); break;
    case CODEC__MESSAGE: *ret_why = get_message(w, f->message, body, v); break;
    case CODEC__MAP: *ret_why = get_entry(w, f->message, body, v); break;
    default: *ret_why = get_item(w, f, body, v); break;
    }
    return likely(*ret_why == 0) ? behind : NULL;
}

/* @values NULL: check only. */
FORCE_INLINE int walk_message(const struct codec__message *m, struct slice body, struct walk *w,
                              struct row_value *values)
{
    const uint8_t *at = body.data, *end = at + body.len;
    const struct codec__field *next = m->fields;
    uint64_t seen = 0; /* of the first 64 columns */
    while (at < end) {
        struct spot s = {m, next, next->tag, at};
        int why = WHY_WIRE_TYPE;
        if (unlikely(!codec__guess_tag(next, s.at, end, &at))) {
            struct codec__tag tag = codec__read_tag(m, s.at, end);
            at = tag.behind;
            s.f = tag.field;
            s.tag = tag.value;
        }
        const struct codec__field *f = s.f;
        struct codec__from from = {.at = at, .end = end, .limit = w->limit};
        if (unlikely(at == NULL || f == NULL)) {
            int unknown = WHY_MALFORMED;
            s.f = NULL;
            if (at != NULL)
                at = codec__skip_unknown(at, end, s.tag, &unknown);
            why = unknown;
        } else if (f->op >= CODEC__VARIANT) {
            at = get_nested(w, &s, from, values == NULL ? NULL : &values[f->column], &why);
        } else if (unlikely(f->tag != s.tag)) {
            at = NULL;
        } else {
            struct row_value scratch, *v = values == NULL ? &scratch : &values[f->column];
            if (values != NULL) /* made in place */
                v->null = false;
            from.op = f->op;
            at = codec__get_value(&m->columns[f->column], f, from, values == NULL, v, &why);
            if (unlikely(at == NULL) && values != NULL)
                w->bad = *v;
        }
        if (unlikely(at == NULL))
            return stop(w, why, s);
        if (unlikely(s.f == NULL))
            continue;
        next = f->op == CODEC__REPEATED || f->op == CODEC__MAP ? f : f + 1;
        if (likely(f->column < 64))
            seen |= 1ull << f->column;
        else
            mark(w, m, f->column);
    }
    w->seen[m->seen] |= seen;
    return 0;
}

static int check_message(const struct codec__message *m, struct slice body, struct walk *w)
{
    return walk_message(m, body, w, NULL);
}

static int decode_message(const struct codec__message *m, struct slice body, struct walk *w,
                          struct row_value *values)
{
    return walk_message(m, body, w, values);
}

/* ---- the doors ---- */

/* Words of marks on the stack: enough for nearly every schema. */
#define SEEN_WORDS 512

static int walk_row(const struct codec_plan *p, struct slice row, struct walk *w,
                    struct row_value *values)
{
    const struct codec__message *m = &p->root;
    uint64_t room[SEEN_WORDS], *more = NULL;
    if (unlikely(p->seen_words > SEEN_WORDS))
        more = mem_alloc(p->seen_words * sizeof(*more));
    w->seen = more == NULL ? room : more;
    w->room = ROW_VALUES_MAX;
    if (row.len == 0)
        row = slice_of("", 0);
    w->limit = row.data + row.len;
    begin(w, m);
    int r = values == NULL ? check_message(m, row, w) : decode_message(m, row, w, values);
    if (likely(r == 0))
        r = finish_if_needed(w, m, values);
    mem_free(more);
    return r;
}

static void make_blank(const struct codec_plan *p, struct row_value *values)
{
    memcpy(values, p->root.blank, p->root.column_count * sizeof(*values));
}

/* The row has been refused: why, and where? */
static int explain(const struct codec_plan *p, struct slice row, struct err *e)
{
    struct arena arena = ARENA_NULL;
    struct codec__fault fault = {.why = 0};
    struct walk w = {.arena = &arena, .fault = &fault};
    struct row_value *values = arena_alloc(&arena, p->root.column_count * sizeof(*values));
    make_blank(p, values);
    int r = walk_row(p, row, &w, values);
    must(r < 0);
    r = codec__fault_tell(&fault, row, e);
    arena_deinit(&arena);
    return r;
}

int codec__check_nested(const struct codec_plan *p, struct slice row, struct err *e)
{
    struct walk w = {.arena = NULL};
    return likely(walk_row(p, row, &w, NULL) == 0) ? 0 : explain(p, row, e);
}

int codec__decode_nested(const struct codec_plan *p, struct slice row, struct arena *arena,
                         struct row_value *values)
{
    struct walk w = {.arena = arena};
    must(arena != NULL);
    make_blank(p, values);
    return walk_row(p, row, &w, values) == 0 ? 0 : ERR_DAMAGED;
}
