/* SPDX-License-Identifier: Apache-2.0 */
/* The admin calls over a real connection: what they answer, and who may call them. */
#include "admin/admin.h"

#include "grpc/health.pb-c.h"
#include "sluice/v1/sluice.pb-c.h"
#include "trace/trace.h"
#include "unit/rig_server.h"

struct admin_rig {
    struct rig r;
    struct admin *admin;
};

/* Makes the worker stand in a job until it is told to go on. */
static struct sys_event held;
static _Atomic bool hold, is_held;

static void stand(void)
{
    atomic_store(&is_held, true);
    sys_event_signal(&held);
    while (atomic_load(&hold)) {
        uint32_t seen = sys_event_read(&held);
        if (atomic_load(&hold))
            sys_event_wait(&held, seen, UINT64_MAX);
    }
}

static int check_location(void *ctx, const char *location, struct err *e)
{
    (void)ctx;
    if (atomic_load(&hold))
        stand();
    return strstr(location, "taken") != NULL ? err_set(e, ERR_EXISTS, "%s is not empty", location)
                                             : 0;
}

static bool lake_stands_still;

static void table_of(void *ctx, uint32_t id, struct admin_table *ret)
{
    (void)ctx;
    if (lake_stands_still)
        (void)snprintf(ret->fault, sizeof(ret->fault), "its folder is away");
    ret->committed_pos = 100 + id;
    ret->delta_version = 7;
}

static uint64_t a_position(void *ctx)
{
    (void)ctx;
    return 42;
}

static const char *a_state(void *ctx)
{
    (void)ctx;
    return "serving";
}

static void a_store_fault(void *ctx, char *ret_text, size_t cap)
{
    (void)ctx;
    (void)snprintf(ret_text, cap, "it stands still");
}

static void a_report(void *ctx, struct admin_report *r)
{
    (void)ctx;
    admin_report_counter(r, "answers", 42);
}

static void set_up(struct admin_rig *x)
{
    struct err e = {0};
    rig_open(&x->r);
    struct admin_options o = {
        .sys = x->r.sys,
        .log = x->r.log,
        .store = x->r.store,
        .catalog = x->r.catalog,
        .server = x->r.server,
        .hooks = {NULL, check_location, table_of, a_position, a_position, a_state, a_report,
                  a_store_fault, NULL, NULL, NULL, NULL},
        .lake_root = "/lake",
        .version = "9.9",
    };
    x->admin = admin_new(&o);
    cr_assert_eq(admin_start(x->admin, &e), 0);
    rig_start(&x->r);
}

static void tear_down(struct admin_rig *x)
{
    rig_stop(&x->r);
    admin_stop(x->admin);
    x->admin = admin_free(x->admin);
    rig_close(&x->r);
}

static struct sluice_error last;

/* The unpacked answer, or NULL with `last` filled. */
static void *call(struct sluice_client *c, const char *method, const ProtobufCMessage *q,
                  const ProtobufCMessageDescriptor *answer)
{
    uint8_t body[4096];
    size_t len = protobuf_c_message_pack(q, body);
    struct sluice_request r = {method, {body, len}, 10000};
    struct sluice_message m = {0};
    last = (struct sluice_error){0};
    if (sluice_call(c, &r, &m, &last) < 0)
        return NULL;
    void *message = protobuf_c_message_unpack(answer, NULL, m.len, m.data);
    sluice_message_free(&m);
    cr_assert_not_null(message);
    return message;
}

static Sluice__V1__CreateTableResponse *make(struct admin_rig *x, const char *method, char *name,
                                             char *ddl, char *key)
{
    Sluice__V1__CreateTableRequest q = SLUICE__V1__CREATE_TABLE_REQUEST__INIT;
    q.name = name;
    q.ddl = ddl;
    q.n_primary_key = key != NULL;
    q.primary_key = &key;
    return call(x->r.client, method, &q.base, &sluice__v1__create_table_response__descriptor);
}

static Sluice__V1__CreateTableResponse *create(struct admin_rig *x, char *name, char *ddl,
                                               char *key)
{
    return make(x, "/sluice.v1.Tables/CreateTable", name, ddl, key);
}

static Sluice__V1__CreateTableResponse *replace(struct admin_rig *x, char *name, char *ddl)
{
    return make(x, "/sluice.v1.Tables/ReplaceTable", name, ddl, NULL);
}

Test(admin_tables, are_created_described_listed_and_dropped)
{
    struct admin_rig x;
    set_up(&x);

    Sluice__V1__CreateTableResponse *a = create(&x, "a.b.c", "id BIGINT, note STRING", "id");
    cr_assert_not_null(a, "%s", last.text);
    cr_assert_str_eq(a->table->name, "a.b.c");
    cr_assert_str_eq(a->table->location, "/lake/a/b/c");
    cr_assert_eq(a->table->n_columns, 2);
    cr_assert(a->table->columns[0]->not_null);
    cr_assert_eq(a->table->columns[0]->key_ordinal, 1);
    cr_assert_gt(a->table->descriptor_proto.len, 0);
    sluice__v1__create_table_response__free_unpacked(a, NULL);
    cr_assert_null(create(&x, "a.b.c", "id BIGINT", NULL));
    cr_assert_eq(last.status, 6);
    cr_assert_null(create(&x, "a.b", "id BIGINT", NULL));
    cr_assert_eq(last.status, 3);
    cr_assert_null(create(&x, "a.b.taken", "id BIGINT", NULL));
    cr_assert_eq(last.status, 6);
    cr_assert_null(create(&x, "a.b.d", "id INTERVAL", NULL));
    cr_assert_eq(last.status, 12);

    Sluice__V1__ListTablesRequest lq = SLUICE__V1__LIST_TABLES_REQUEST__INIT;
    Sluice__V1__ListTablesResponse *l = call(x.r.client, "/sluice.v1.Tables/ListTables", &lq.base,
                                             &sluice__v1__list_tables_response__descriptor);
    cr_assert_eq(l->n_tables, 1);
    sluice__v1__list_tables_response__free_unpacked(l, NULL);

    Sluice__V1__DropTableRequest dq = SLUICE__V1__DROP_TABLE_REQUEST__INIT;
    dq.name = (char *)"a.b.c";
    Sluice__V1__DropTableResponse *d = call(x.r.client, "/sluice.v1.Tables/DropTable", &dq.base,
                                            &sluice__v1__drop_table_response__descriptor);
    cr_assert_not_null(d);
    sluice__v1__drop_table_response__free_unpacked(d, NULL);
    Sluice__V1__DescribeTableRequest sq = SLUICE__V1__DESCRIBE_TABLE_REQUEST__INIT;
    sq.name = (char *)"a.b.c";
    cr_assert_null(call(x.r.client, "/sluice.v1.Tables/DescribeTable", &sq.base,
                        &sluice__v1__describe_table_response__descriptor));
    cr_assert_eq(last.status, 5);
    tear_down(&x);
}

/* In the place of the compactor: the folder goes aside. */
static void forget_main(void *arg)
{
    struct admin_rig *x = arg;
    struct catalog_table *t;
    while ((t = catalog_table_by_id(x->r.catalog, 1)) != NULL) {
        t = catalog_table_unref(t);
        sys_sleep_ms(x->r.sys, 1);
        catalog_forget_table(x->r.catalog, 1); /* nothing, as long as it is in force */
    }
}

Test(admin_tables, are_replaced_under_their_name)
{
    struct admin_rig x;
    struct sys_thread *thread;
    set_up(&x);
    cr_assert_null(replace(&x, "a.b.c", "id BIGINT"));
    cr_assert_eq(last.status, 5);
    cr_assert_not_null(strstr(last.text, "table create"), "%s", last.text);
    Sluice__V1__CreateTableResponse *a = create(&x, "a.b.c", "id BIGINT, note STRING", "id");
    cr_assert_eq(a->table->table_id, 1);
    sluice__v1__create_table_response__free_unpacked(a, NULL);
    lake_stands_still = true;
    cr_assert_null(replace(&x, "a.b.c", "id STRING"));
    cr_assert_eq(last.status, 9);
    cr_assert_not_null(strstr(last.text, "its folder is away"), "%s", last.text);
    lake_stands_still = false;

    cr_assert_eq(sys_thread_start(x.r.sys, "forget", forget_main, &x, &thread), 0);
    a = replace(&x, "a.b.c", "id STRING");
    sys_thread_join(thread);

    cr_assert_not_null(a, "%s", last.text);
    cr_assert_eq(a->table->table_id, 2);
    cr_assert_eq(a->table->version, 1);
    cr_assert_eq(a->table->n_columns, 1);
    cr_assert_eq(a->table->columns[0]->key_ordinal, 0); /* the request says all of it */
    sluice__v1__create_table_response__free_unpacked(a, NULL);
    struct catalog_table *t = NULL;
    cr_assert_eq(catalog_table_by_name(x.r.catalog, "a.b.c", &t, NULL), 0);
    t = catalog_table_unref(t);
    tear_down(&x);
}

Test(admin_tokens, are_told_once_and_may_only_what_they_were_granted)
{
    struct admin_rig x;
    set_up(&x);
    Sluice__V1__Grant grant = SLUICE__V1__GRANT__INIT, *grants[] = {&grant};
    grant.table = (char *)"a.b.*";
    grant.read = true;
    Sluice__V1__CreateTokenRequest q = SLUICE__V1__CREATE_TOKEN_REQUEST__INIT;
    q.name = (char *)"reader";
    q.n_grants = 1;
    q.grants = grants;

    Sluice__V1__CreateTokenResponse *t = call(x.r.client, "/sluice.v1.Tokens/CreateToken", &q.base,
                                              &sluice__v1__create_token_response__descriptor);
    cr_assert_not_null(t, "%s", last.text);
    struct sluice_client *reader = rig_client(&x.r, t->token);
    sluice__v1__create_token_response__free_unpacked(t, NULL);

    Sluice__V1__ListTokensRequest lq = SLUICE__V1__LIST_TOKENS_REQUEST__INIT;
    cr_assert_null(call(reader, "/sluice.v1.Tokens/ListTokens", &lq.base,
                        &sluice__v1__list_tokens_response__descriptor));
    cr_assert_eq(last.status, 7);
    Sluice__V1__ListTokensResponse *l = call(x.r.client, "/sluice.v1.Tokens/ListTokens", &lq.base,
                                             &sluice__v1__list_tokens_response__descriptor);
    cr_assert_eq(l->n_tokens, 2);
    sluice__v1__list_tokens_response__free_unpacked(l, NULL);

    Sluice__V1__RevokeTokenRequest rq = SLUICE__V1__REVOKE_TOKEN_REQUEST__INIT;
    rq.name = (char *)"reader";
    Sluice__V1__RevokeTokenResponse *r = call(x.r.client, "/sluice.v1.Tokens/RevokeToken", &rq.base,
                                              &sluice__v1__revoke_token_response__descriptor);
    cr_assert_not_null(r);
    sluice__v1__revoke_token_response__free_unpacked(r, NULL);
    Sluice__V1__ListTablesRequest tq = SLUICE__V1__LIST_TABLES_REQUEST__INIT;
    cr_assert_null(call(reader, "/sluice.v1.Tables/ListTables", &tq.base,
                        &sluice__v1__list_tables_response__descriptor));
    cr_assert_eq(last.status, 16);
    reader = sluice_client_free(reader);
    tear_down(&x);
}

Test(admin_calls, need_a_token_except_health)
{
    struct admin_rig x;
    set_up(&x);
    struct sluice_client *nobody = rig_client(&x.r, NULL);
    Sluice__V1__StatusRequest q = SLUICE__V1__STATUS_REQUEST__INIT;
    Grpc__Health__V1__HealthCheckRequest hq = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;

    cr_assert_null(call(nobody, "/sluice.v1.Server/Status", &q.base,
                        &sluice__v1__status_response__descriptor));
    cr_assert_eq(last.status, 16);
    Grpc__Health__V1__HealthCheckResponse *h =
        call(nobody, "/grpc.health.v1.Health/Check", &hq.base,
             &grpc__health__v1__health_check_response__descriptor);
    cr_assert_eq(h->status, GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
    grpc__health__v1__health_check_response__free_unpacked(h, NULL);
    hq.service = (char *)"no.such.Service";
    cr_assert_null(call(nobody, "/grpc.health.v1.Health/Check", &hq.base,
                        &grpc__health__v1__health_check_response__descriptor));
    cr_assert_eq(last.status, 5);
    nobody = sluice_client_free(nobody);
    tear_down(&x);
}

Test(admin_status, tells_what_the_hooks_and_the_log_say)
{
    struct admin_rig x;
    set_up(&x);
    Sluice__V1__CreateTableResponse *a = create(&x, "a.b.c", "id BIGINT", NULL);
    sluice__v1__create_table_response__free_unpacked(a, NULL);
    Sluice__V1__StatusRequest q = SLUICE__V1__STATUS_REQUEST__INIT;

    Sluice__V1__StatusResponse *s = call(x.r.client, "/sluice.v1.Server/Status", &q.base,
                                         &sluice__v1__status_response__descriptor);

    cr_assert_not_null(s);
    cr_assert_str_eq(s->version, "9.9");
    cr_assert_str_eq(s->state, "serving");
    cr_assert_str_eq(s->store_fault, "it stands still");
    cr_assert_eq(s->durable_position, 2); /* a token and a table */
    cr_assert_eq(s->applied_position, 42);
    cr_assert_eq(s->n_tables, 1);
    cr_assert_eq(s->tables[0]->delta_version, 7);
    bool answers = false;
    for (size_t i = 0; i < s->n_counters; i++)
        answers |= strcmp(s->counters[i]->name, "answers") == 0 && s->counters[i]->value == 42;
    cr_assert(answers);
    sluice__v1__status_response__free_unpacked(s, NULL);
    tear_down(&x);
}

struct create_call {
    struct admin_rig x; /* its client alone */
    Sluice__V1__CreateTableResponse *answer;
};

static void create_main(void *arg)
{
    struct create_call *k = arg;
    k->answer = create(&k->x, "a.b.c", "id BIGINT", NULL);
}

Test(admin_stop, drops_the_answer_of_a_job_that_outlives_the_server)
{
    struct admin_rig x;
    struct sys_thread *client;
    set_up(&x);
    struct create_call k = {.x = {.r = {.client = x.r.client}}};
    atomic_store(&hold, true);
    cr_assert_eq(sys_thread_start(x.r.sys, "client", create_main, &k, &client), 0);
    while (!atomic_load(&is_held)) {
        uint32_t seen = sys_event_read(&held);
        if (!atomic_load(&is_held))
            sys_event_wait(&held, seen, 1000 * 1000);
    }

    rpc_server_stop(x.r.server, 0);
    sys_thread_join(client);
    atomic_store(&hold, false);
    sys_event_signal(&held);
    admin_stop(x.admin);

    cr_assert_null(k.answer);
    struct catalog_table *t = NULL;
    cr_assert_eq(catalog_table_by_name(x.r.catalog, "a.b.c", &t, NULL), 0); /* it was done */
    t = catalog_table_unref(t);
    x.admin = admin_free(x.admin);
    x.r.client = sluice_client_free(x.r.client);
    bronze_stop(x.r.log);
    rig_close(&x.r); /* every call and message was given back: rpc checks that */
}
