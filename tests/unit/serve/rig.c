/* SPDX-License-Identifier: Apache-2.0 */
/* See rig.h. */
#include "rig.h"

#include "auth/auth.h"
#include "codec/codec.h"
#include "codec/wire.h"

#define MIB      (1024u * 1024)
#define READER   "reader-token"
#define STRANGER "stranger-token"

/* ---- the made-up rpc ---- */

struct rpc_queue {
    unsigned index;
    struct sys_mutex lock;
    struct rpc_post *posts; /* newest first */
};
struct rpc_server {
    struct rpc_queue queue;
    const struct rpc_method *methods[4];
    void *contexts[4];
    size_t method_count;
    int64_t deadline_us;
};
struct rpc_message {
    struct slice bytes;
    struct rpc_call *call;
};
struct rpc_call {
    struct rpc_server *server;
    const struct rpc_method *method;
    void *context;
    void *state;
    char header[128];
    struct buf request, reply;
    struct rpc_message message;
    bool message_given, answered, closed;
    int code, refs;
    char *text;
};

void rpc_server_add(struct rpc_server *r, const struct rpc_method *m, void *ctx)
{
    r->methods[r->method_count] = m;
    r->contexts[r->method_count++] = ctx;
}

unsigned rpc_queue_count(const struct rpc_server *r)
{
    (void)r;
    return 1;
}

struct rpc_queue *rpc_queue_at(const struct rpc_server *r, unsigned index)
{
    (void)index;
    return &((struct rpc_server *)(uintptr_t)r)->queue;
}

unsigned rpc_queue_index(const struct rpc_queue *q)
{
    return q->index;
}

void *rpc_call_state(struct rpc_call *c)
{
    return c->state;
}

struct rpc_queue *rpc_call_queue(struct rpc_call *c)
{
    return &c->server->queue;
}

struct slice rpc_call_header(struct rpc_call *c, const char *name)
{
    bool asked = strcmp(name, "authorization") == 0 && c->header[0] != '\0';
    return asked ? slice_str(c->header) : SLICE_NULL;
}

int64_t rpc_call_deadline_us(struct rpc_call *c)
{
    return c->server->deadline_us;
}

void rpc_finish(struct rpc_call *c, int code, const char *text)
{
    if (c->answered || c->closed)
        return;
    c->answered = true;
    c->code = code;
    c->text = mem_strdup(text);
}

void rpc_reply(struct rpc_call *c, struct slice message)
{
    if (c->answered || c->closed)
        return;
    c->answered = true;
    buf_add_slice(&c->reply, message);
}

void rpc_call_ref(struct rpc_call *c)
{
    c->refs++;
}

void rpc_call_unref(struct rpc_call *c)
{
    c->refs--;
}

struct slice rpc_message_bytes(struct rpc_message *m)
{
    return m->bytes;
}

void rpc_message_free(struct rpc_message *m)
{
    if (m == NULL)
        return;
    cr_assert(m->call->message_given);
    m->call->message_given = false;
}

void rpc_post(struct rpc_queue *q, struct rpc_post *p)
{
    sys_mutex_lock(&q->lock);
    p->next = q->posts;
    q->posts = p;
    sys_mutex_unlock(&q->lock);
}

/* ---- the rig ---- */

static void token(struct rig *x, const char *text, const char *grant)
{
    struct catalog_grant g = {(char *)(uintptr_t)grant, true, false};
    struct catalog_token t = {.name = (char *)(uintptr_t)text, .grants = &g, .grant_count = 1};
    auth_token_hash(slice_str(text), t.hash);
    cr_assert_eq(catalog_create_token(x->catalog, &t, &x->e), 0);
}

static void open_store(struct rig *x, enum rig_store kind)
{
    if (kind == RIG_MODEL) {
        x->store = store_open_model();
        return;
    }
    char path[96];
    snprintf(path, sizeof(path), "%s/store", x->path);
    struct store_options o = {path, 8 * MIB, 8 * MIB, NULL};
    int rc = store_open_rocksdb(&o, &x->store, &x->e);
    cr_assert_eq(rc, 0, "%s", x->e.text);
}

int rig_renew(struct rig *x)
{
    x->serve = serve_free(x->serve);
    x->server->method_count = 0;
    struct serve_options o = {x->sys, x->log, x->catalog, x->store, x->server, MIB};
    return serve_new(&o, &x->serve, &x->e);
}

void rig_up(struct rig *x, enum rig_store kind)
{
    *x = (struct rig){.path = "/tmp/serve-test-XXXXXX"};
    cr_assert_not_null(mkdtemp(x->path));
    cr_assert_eq(sys_new_uring(&x->sys, &x->e), 0);
    cr_assert_eq(bronze_init(x->sys, x->path, &x->e), 0);
    struct bronze_options o = {x->path, 16 * MIB, 128 * MIB, 32 * MIB, 0, false};
    x->catalog = catalog_new(x->sys);
    cr_assert_eq(bronze_open(x->sys, &o, catalog_on_control, x->catalog, &x->log, &x->e), 0);
    catalog_attach(x->catalog, x->log);
    cr_assert_eq(bronze_start(x->log, &x->e), 0);
    open_store(x, kind);
    x->server = mem_zalloc(sizeof(*x->server));
    x->server->deadline_us = INT64_MAX;
    cr_assert_eq(rig_renew(x), 0, "%s", x->e.text);
    x->table = rig_table(x, "a.b.keyed", "k");
    token(x, READER, "a.b.*");
    token(x, STRANGER, "x.y.*");
}

void rig_down(struct rig *x)
{
    catalog_table_unref(x->table);
    x->serve = serve_free(x->serve);
    bronze_stop(x->log);
    x->catalog = catalog_free(x->catalog);
    x->log = bronze_close(x->log);
    x->store = store_close(x->store);
    mem_free(x->server);
    x->sys = sys_free(x->sys);
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", x->path);
    cr_assert_eq(system(command), 0);
}

struct catalog_table *rig_table(struct rig *x, const char *name, const char *key)
{
    struct catalog_create r = {
        .name = name, .ddl = "k STRING NOT NULL, n BIGINT", .keys = &key, .key_count = key != NULL};
    struct catalog_table *t = NULL;
    int rc = catalog_create_table(x->catalog, &r, &t, &x->e);
    cr_assert_eq(rc, 0, "%s", x->e.text);
    return t;
}

bronze_pos rig_put(struct rig *x, struct catalog_table *t, const char *json)
{
    struct buf row = BUF_NULL;
    int rc = codec_json_to_row(t->own, slice_str(json), &row, &x->e);
    cr_assert_eq(rc, 0, "%s", x->e.text);
    struct slice rows = buf_slice(&row);
    struct bronze_append a = {.kind = BRONZE_SINGLES,
                              .table_id = t->id,
                              .descriptor_id = t->own_id,
                              .stream_id = 1,
                              .rows = &rows,
                              .row_count = 1};
    cr_assert_eq(bronze_append(x->log, &a), 0);
    atomic_store(&t->live->last_pos, a.last_pos);
    cr_assert_eq(bronze_wait(x->log, a.ticket, 5000), 0);
    buf_deinit(&row);
    return a.last_pos;
}

void rig_apply(struct rig *x)
{
    bronze_pos end = bronze_durable_pos(x->log);
    for (int i = 0; i < 10000 && serve_applied_pos(x->serve) < end; i++)
        (void)serve_step(x->serve, 1000);
    cr_assert_geq(serve_applied_pos(x->serve), end);
}

/* ---- calls ---- */

void rig_request(struct buf *out, const char *table, const char *const *keys, size_t count)
{
    wire_add_bytes(out, 1, slice_str(table));
    for (size_t i = 0; i < count; i++)
        wire_add_bytes(out, 2, slice_str(keys[i]));
}

struct rpc_call *rig_call(struct rig *x, const char *token_text, struct slice request, bool multi)
{
    struct rpc_call *c = mem_zalloc(sizeof(*c));
    c->server = x->server;
    c->method = x->server->methods[multi];
    c->context = x->server->contexts[multi];
    c->state = mem_zalloc(c->method->state_bytes);
    if (token_text != NULL)
        snprintf(c->header, sizeof(c->header), "Bearer %s", token_text);
    buf_add_slice(&c->request, request);
    c->message = (struct rpc_message){buf_slice(&c->request), c};
    c->message_given = true;
    c->method->on_message(c, c->context, &c->message);
    return c;
}

struct rpc_call *rig_get(struct rig *x, const char *key_json)
{
    struct buf request = BUF_NULL;
    rig_request(&request, "a.b.keyed", &key_json, 1);
    struct rpc_call *c = rig_call(x, READER, buf_slice(&request), false);
    buf_deinit(&request);
    return c;
}

bool rig_is_answered(const struct rpc_call *c)
{
    return c->answered;
}

int rig_code(const struct rpc_call *c)
{
    cr_assert(c->answered);
    return c->code;
}

const char *rig_text(const struct rpc_call *c)
{
    return c->text == NULL ? "" : c->text;
}

struct slice rig_reply(const struct rpc_call *c)
{
    cr_assert(c->answered);
    cr_assert_eq(c->code, 0, "%s", c->text);
    return buf_slice(&c->reply);
}

static size_t run_posts(struct rpc_queue *q)
{
    size_t count = 0;
    for (;;) {
        sys_mutex_lock(&q->lock);
        struct rpc_post *p = q->posts;
        if (p != NULL)
            q->posts = p->next;
        sys_mutex_unlock(&q->lock);
        if (p == NULL)
            return count;
        p->run(p, q);
        count++;
    }
}

void rig_run_posts(struct rig *x)
{
    (void)run_posts(&x->server->queue);
}

size_t rig_wait_post(struct rig *x)
{
    size_t count = 0;
    for (int i = 0; i < 5000 && count == 0; i++) {
        count = run_posts(&x->server->queue);
        if (count == 0)
            sys_sleep_ms(x->sys, 1);
    }
    return count;
}

void rig_set_deadline(struct rig *x, int64_t left_us)
{
    x->server->deadline_us = left_us;
}

void rig_cancel(struct rpc_call *c)
{
    c->closed = true;
    c->method->on_close(c, c->context, true);
}

void rig_end(struct rpc_call *c)
{
    if (!c->closed)
        c->method->on_close(c, c->context, false);
    cr_assert_not(c->message_given, "every message is given back");
    cr_assert_eq(c->refs, 0, "every reference is given back");
    mem_free(c->state);
    mem_free(c->text);
    buf_deinit(&c->request);
    buf_deinit(&c->reply);
    mem_free(c);
}

/* ---- answers ---- */

struct rig_row rig_row_of(struct slice message)
{
    struct rig_row r = {0};
    const uint8_t *p = message.data, *end = p + message.len;
    struct wire_field f;
    int rc;
    while ((rc = wire_next(&p, end, &f)) > 0) {
        if (f.number == 1)
            r.found = f.value != 0;
        else if (f.number == 2)
            r.row = f.bytes;
        else if (f.number == 3)
            r.position = f.value;
    }
    cr_assert_eq(rc, 0);
    return r;
}

size_t rig_rows_of(struct slice message, struct rig_row *rows, uint64_t *ret_position)
{
    size_t count = 0;
    const uint8_t *p = message.data, *end = p + message.len;
    struct wire_field f;
    int rc;
    *ret_position = 0;
    while ((rc = wire_next(&p, end, &f)) > 0) {
        if (f.number == 1)
            rows[count++] = rig_row_of(f.bytes);
        else if (f.number == 2)
            *ret_position = f.value;
    }
    cr_assert_eq(rc, 0);
    return count;
}
