/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a call: queue thread (authenticate, unpack) → worker (run) → queue thread (answer).
 *
 * Invariants
 *   M1  control operations run one at a time, in the order they came: the worker is their one owner
 *   (L7)
 *   M2  at most CONTROL_QUEUE_MAX jobs wait; one more is refused with RESOURCE_EXHAUSTED
 *   M3  a job's call is touched only on its queue's thread, or when those have ended
 *   M4  a job of the worker is in one of two lists until its answer is on its queue's thread: one
 *   that outlives the server's threads is dropped at the stop
 *
 * A call that has gone away meanwhile still runs (its effect may be in the log already); its answer
 * is dropped.
 */
#include "admin_priv.h"

#include "auth/auth.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/must.h"
#include "codec/wire.h"
#include "grpc/health.pb-c.h"
#include "row/utf8.h"
#include "sluice/v1/sluice.pb-c.h"
#include "sys/sys.h"

#include <stdatomic.h>

struct entry {
    struct admin *admin;
    const struct admin_method *method;
};

struct admin {
    struct admin_options o;
    int64_t started_us;
    struct entry *entries;
    struct sys_thread *worker;
    struct sys_mutex lock;
    struct sys_event event;
    struct jobs queue, answered; /* waiting; taken, or on their way back. Under the lock */
    size_t queued;
    bool stopping;
};

struct admin_options const *admin__options(const struct admin *a)
{
    return &a->o;
}

int64_t admin__started_us(const struct admin *a)
{
    return a->started_us;
}

/* ---- jobs ---- */

void *job_alloc(struct job *j, size_t size)
{
    j->owned = mem_realloc(j->owned, (j->owned_count + 1) * sizeof(*j->owned));
    return j->owned[j->owned_count++] = mem_zalloc(size);
}

char *job_str(struct job *j, const char *s)
{
    size_t len = strlen(s);
    char *copy = job_alloc(j, len + 1);
    memcpy(copy, s, len);
    return copy;
}

char *job_str_of(struct job *j, struct buf *text)
{
    char *copy = job_str(j, buf_cstr(text));
    buf_deinit(text);
    return copy;
}

static void job_free(struct job *j)
{
    for (size_t i = 0; i < j->owned_count; i++)
        mem_free(j->owned[i]);
    mem_free(j->owned);
    if (j->request != NULL)
        protobuf_c_message_free_unpacked(j->request, NULL);
    buf_deinit(&j->packed);
    (void)catalog_token_unref(j->token); /* returns NULL */
    rpc_message_free(j->message);
    rpc_call_unref(j->call);
    mem_free(j);
}

static void answer(struct job *j)
{
    if (j->code == 0)
        rpc_reply(j->call, buf_slice(&j->packed));
    else
        rpc_finish(j->call, j->code, j->err.text);
    job_free(j);
}

static void on_done(struct rpc_post *p, struct rpc_queue *q)
{
    (void)q;
    struct job *j = CONTAINER_OF(p, struct job, post);
    struct admin *a = j->admin;
    sys_mutex_lock(&a->lock);
    TAILQ_REMOVE(&a->answered, j, link);
    sys_mutex_unlock(&a->lock);
    answer(j);
}

static void run_job(struct job *j)
{
    j->code = j->method->run(j);
    if (j->code != 0)
        return;
    must(j->answer != NULL);
    size_t len = protobuf_c_message_get_packed_size(j->answer);
    j->packed.len = protobuf_c_message_pack(j->answer, buf_reserve(&j->packed, len + 1));
}

/* ---- the worker ---- */

static struct job *take_job(struct admin *a)
{
    sys_mutex_lock(&a->lock);
    struct job *j = TAILQ_FIRST(&a->queue);
    if (j != NULL) {
        TAILQ_REMOVE(&a->queue, j, link);
        TAILQ_INSERT_TAIL(&a->answered, j, link);
        a->queued--;
    }
    sys_mutex_unlock(&a->lock);
    return j;
}

static bool is_stopping(struct admin *a)
{
    sys_mutex_lock(&a->lock);
    bool stopping = a->stopping;
    sys_mutex_unlock(&a->lock);
    return stopping;
}

/* What a job has logged and nobody could await any more takes effect soon after it is durable. */
#define SETTLE_US 1000000

static void worker_main(void *arg)
{
    struct admin *a = arg;
    while (!is_stopping(a)) {
        uint32_t seen = sys_event_read(&a->event);
        struct job *j = take_job(a);
        if (j == NULL) {
            bool waits = catalog_settle(a->o.catalog);
            if (!is_stopping(a))
                sys_event_wait(&a->event, seen, waits ? SETTLE_US : UINT64_MAX);
            continue;
        }
        run_job(j);
        rpc_post(j->queue, &j->post);
    }
}

static bool put_job(struct admin *a, struct job *j)
{
    sys_mutex_lock(&a->lock);
    bool room = a->queued < CONTROL_QUEUE_MAX && !a->stopping;
    if (room) {
        TAILQ_INSERT_TAIL(&a->queue, j, link);
        a->queued++;
    }
    sys_mutex_unlock(&a->lock);
    if (room)
        sys_event_signal(&a->event);
    return room;
}

/* ---- calls ---- */

static int authenticate(struct job *j)
{
    if (j->method->access == JOB_PUBLIC)
        return 0;
    const struct admin_options *o = &j->admin->o;
    uint8_t hash[AUTH_HASH_BYTES];
    TRY(auth_header_hash(rpc_call_header(j->call, "authorization"), hash, &j->err));
    TRY(catalog_token_by_hash(o->catalog, hash, sys_now_us(o->sys), &j->token, &j->err));
    return j->method->access == JOB_ADMIN ? catalog_may(j->token, CATALOG_ADMIN, NULL, &j->err) : 0;
}

/* Before the message is received (R5). */
static void on_open(struct rpc_call *c, void *ctx)
{
    const struct entry *en = ctx;
    struct job j = {.admin = en->admin, .method = en->method, .call = c};
    if (authenticate(&j) < 0)
        rpc_finish(c, j.err.code, j.err.text);
    catalog_token_unref(j.token);
}

/* A C string ends at its first zero byte: what a client writes behind one would be lost unseen. */
static int check_texts(struct slice message, const ProtobufCMessageDescriptor *d, struct err *e)
{
    const uint8_t *p = message.data, *end = p + message.len;
    struct wire_field f;
    int rc;
    while ((rc = wire_next(&p, end, &f)) > 0) {
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(d, f.number);
        if (field == NULL || f.type != WIRE_LEN)
            continue;
        if (field->type == PROTOBUF_C_TYPE_MESSAGE)
            TRY(check_texts(f.bytes, field->descriptor, e));
        else if (field->type == PROTOBUF_C_TYPE_STRING && !row_utf8_ok(f.bytes))
            return err_set(e, ERR_INVALID, "%s in the request is not UTF-8 text", field->name);
        else if (field->type == PROTOBUF_C_TYPE_STRING && f.bytes.len > 0 &&
                 memchr(f.bytes.data, 0, f.bytes.len) != NULL)
            return err_set(e, ERR_INVALID, "%s in the request holds a zero byte", field->name);
    }
    return rc < 0 ? err_set(e, ERR_INVALID, "the request is not a valid %s", d->name) : 0;
}

static int unpack(struct job *j)
{
    struct slice bytes = rpc_message_bytes(j->message);
    TRY(check_texts(bytes, j->method->request, &j->err));
    j->request = protobuf_c_message_unpack(j->method->request, NULL, bytes.len, bytes.data);
    if (j->request == NULL)
        return err_set(&j->err, ERR_INVALID, "the request is not a valid %s",
                       j->method->request->name);
    return 0;
}

static void on_message(struct rpc_call *c, void *ctx, struct rpc_message *m)
{
    const struct entry *en = ctx;
    struct job *j = mem_zalloc(sizeof(*j));
    j->admin = en->admin;
    j->method = en->method;
    j->call = c;
    j->queue = rpc_call_queue(c);
    j->message = m;
    j->post.run = on_done;
    rpc_call_ref(c);
    j->code = authenticate(j);
    if (j->code == 0)
        j->code = unpack(j);
    if (j->code == 0 && j->method->access == JOB_PUBLIC) {
        run_job(j);
        answer(j);
        return;
    }
    if (j->code == 0 && put_job(j->admin, j))
        return;
    if (j->code == 0)
        j->code = err_set(&j->err, ERR_EXHAUSTED,
                          "%d control operations wait already: try again later", CONTROL_QUEUE_MAX);
    answer(j);
}

#define METHOD(path_, access_, request_, run_)                                                     \
    {                                                                                              \
        .rpc = {.path = (path_), .kind = RPC_UNARY, .on_open = on_open, .on_message = on_message}, \
        .access = (access_), .request = &(request_##__descriptor), .run = (run_)                   \
    }

static const struct admin_method methods[] = {
    METHOD("/sluice.v1.Tables/CreateTable", JOB_ADMIN, sluice__v1__create_table_request,
           admin__table_create),
    METHOD("/sluice.v1.Tables/DescribeTable", JOB_TOKEN, sluice__v1__describe_table_request,
           admin__table_describe),
    METHOD("/sluice.v1.Tables/ListTables", JOB_TOKEN, sluice__v1__list_tables_request,
           admin__table_list),
    METHOD("/sluice.v1.Tables/AlterTable", JOB_ADMIN, sluice__v1__alter_table_request,
           admin__table_alter),
    METHOD("/sluice.v1.Tables/ReplaceTable", JOB_ADMIN, sluice__v1__create_table_request,
           admin__table_replace),
    METHOD("/sluice.v1.Tables/DropTable", JOB_ADMIN, sluice__v1__drop_table_request,
           admin__table_drop),
    METHOD("/sluice.v1.Tokens/CreateToken", JOB_ADMIN, sluice__v1__create_token_request,
           admin__token_create),
    METHOD("/sluice.v1.Tokens/ListTokens", JOB_ADMIN, sluice__v1__list_tokens_request,
           admin__token_list),
    METHOD("/sluice.v1.Tokens/RevokeToken", JOB_ADMIN, sluice__v1__revoke_token_request,
           admin__token_revoke),
    METHOD("/sluice.v1.Quarantine/List", JOB_TOKEN, sluice__v1__list_quarantine_request,
           admin__quarantine_list),
    METHOD("/sluice.v1.Quarantine/Replay", JOB_TOKEN, sluice__v1__replay_request,
           admin__quarantine_replay),
    METHOD("/sluice.v1.Server/Status", JOB_ADMIN, sluice__v1__status_request, admin__status),
    METHOD("/sluice.v1.Server/Find", JOB_ADMIN, sluice__v1__find_request, admin__find),
    METHOD("/grpc.health.v1.Health/Check", JOB_PUBLIC, grpc__health__v1__health_check_request,
           admin__health),
};

/* ---- life ---- */

struct admin *admin_new(const struct admin_options *o)
{
    struct admin *a = mem_zalloc(sizeof(*a));
    a->o = *o;
    a->started_us = sys_now_us(o->sys);
    TAILQ_INIT(&a->queue);
    TAILQ_INIT(&a->answered);
    a->entries = mem_calloc(ARRAY_LEN(methods), sizeof(*a->entries));
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        a->entries[i] = (struct entry){a, &methods[i]};
        rpc_server_add(o->server, &methods[i].rpc, &a->entries[i]);
    }
    return a;
}

int admin_start(struct admin *a, struct err *e)
{
    int r = sys_thread_start(a->o.sys, "admin", worker_main, a, &a->worker);
    return r < 0 ? err_set(e, r, "the admin thread could not be started") : 0;
}

static void drop_jobs(struct jobs *jobs)
{
    struct job *j;
    while ((j = TAILQ_FIRST(jobs)) != NULL) {
        TAILQ_REMOVE(jobs, j, link);
        job_free(j);
    }
}

/* The server's threads have ended: nobody runs a post any more. */
void admin_stop(struct admin *a)
{
    sys_mutex_lock(&a->lock);
    a->stopping = true;
    sys_mutex_unlock(&a->lock);
    sys_event_signal(&a->event);
    sys_thread_join(a->worker);
    a->worker = NULL;
    drop_jobs(&a->queue);
    drop_jobs(&a->answered);
}

struct admin *admin_free(struct admin *a)
{
    if (a == NULL)
        return NULL;
    must(a->worker == NULL);
    mem_free(a->entries);
    mem_free(a);
    return NULL;
}
