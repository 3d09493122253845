/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is wrong with a request, record by record: for people as a sentence, for programs as a
 * google.rpc.Status. Pure. */

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"

#include <stdint.h>

#define REPORT_TEXT_MAX 480

struct report_fault {
    uint32_t record; /* its index in the request */
    char field[ERR_FIELD_MAX];
    char text[REPORT_TEXT_MAX];
};

struct report {
    uint32_t total;              /* bad records */
    uint32_t count;              /* of them kept: at most BAD_RECORDS_TOLD_MAX */
    struct report_fault *faults; /* made with the first */
};

struct report_about {
    const char *table, *stream;
    int64_t offset;
    uint32_t records; /* in the request */
};

void ingest__report_deinit(struct report *r);
void ingest__report_reset(struct report *r);
/* Does it keep the next fault, so that a sentence is worth making? */
static inline bool ingest__report_wants(const struct report *r)
{
    return r->count < BAD_RECORDS_TOLD_MAX;
}
/* @e: what is wrong with the record; not looked at when it is not kept. */
void ingest__report_add(struct report *r, uint32_t record, const struct err *e);
/* The sentence into @e, the details into @details. Returns ERR_INVALID. */
int ingest__report_tell(const struct report *r, const struct report_about *a, struct buf *details,
                        struct err *e);
