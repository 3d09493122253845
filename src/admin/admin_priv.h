/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A job: one unary call on its way through the worker. */

#include "admin/admin.h"

#include "base/buf.h"
#include "catalog/catalog.h"
#include "rpc/rpc.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <sys/queue.h>

struct job;
/* Runs on the worker. 0 with job->answer set, or an error with job->err filled. */
typedef int job_fn(struct job *j);

enum job_access { JOB_ADMIN, JOB_TOKEN, JOB_PUBLIC };

struct job {
    struct admin *admin;
    const struct admin_method *method;
    struct rpc_call *call; /* reference */
    struct rpc_queue *queue;
    struct rpc_message *message; /* owned */
    struct catalog_token *token; /* who asks; reference; NULL for JOB_PUBLIC */
    ProtobufCMessage *request;   /* unpacked, owned */
    ProtobufCMessage *answer;    /* built from job_alloc() memory */
    void **owned;                /* memory of this job */
    size_t owned_count;
    struct err err;
    int code;
    struct buf packed;
    struct rpc_post post;
    TAILQ_ENTRY(job) link;
};
TAILQ_HEAD(jobs, job);

struct admin_method {
    struct rpc_method rpc;
    enum job_access access;
    const ProtobufCMessageDescriptor *request;
    job_fn *run;
};

/* Cleared memory that lives as long as the job. */
void *job_alloc(struct job *j, size_t size);
char *job_str(struct job *j, const char *s);
char *job_str_of(struct job *j, struct buf *text); /* copies, resets @text's owner: frees it */

struct admin_options const *admin__options(const struct admin *a);
int64_t admin__started_us(const struct admin *a);

job_fn admin__table_create, admin__table_describe, admin__table_list, admin__table_alter,
    admin__table_drop, admin__table_replace;
job_fn admin__token_create, admin__token_list, admin__token_revoke;
job_fn admin__quarantine_list, admin__quarantine_replay;
job_fn admin__status, admin__find, admin__health;
