/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which rows of a request are stored, and what becomes of the others: the type check, the table's
 * rules, and its property on_error. No I/O; scratch is the caller's and is kept between requests.
 */

#include "report_priv.h"
#include "request_priv.h"

#include "base/arena.h"
#include "catalog/catalog.h"

/* What a stream's rows are judged by; borrowed. */
struct judge_by {
    const struct catalog_table *table;
    const struct catalog_table *quarantine; /* NULL: it has none */
    const struct codec_plan *plan;
    uint32_t descriptor_id;
    bool json;
    const char *stream, *principal; /* its UUID, the token's name */
};

/* Scratch, and what was found. Zero-initialised is valid. */
struct judge {
    struct buf json; /* rows made of JSON records, one behind the other */
    size_t *ends;    /* of the rows in @json */
    uint32_t ends_cap;
    struct arena arena;
    struct row_value *values;
    uint32_t value_cap;
    bool decoded; /* @values hold the row that was judged last */
    struct buf text;

    struct report report; /* of the rejected */
    struct buf details;   /* google.rpc.Status of a refused request; empty: none */
    /* Rows of the quarantine table, in its own message. */
    struct buf bad;
    struct slice *bad_rows;
    uint32_t bad_count, bad_cap;
    uint32_t dropped, warned;
    bool failed_rules; /* some rule was failed: rule_fails is not all zero */
    uint32_t rule_fails[RULES_PER_TABLE_MAX];
};
void ingest__judge_deinit(struct judge *j);

/*
 * @rows: as they came; on return 0 those that are stored, as rows of the plan (JSON: in @j): fewer
 * than before when some were dropped, or go to the quarantine table (@j->bad_rows, bad_count).
 * ERR_INVALID: the request is refused; every bad record is named in @e and @j->details.
 */
must_use int ingest__judge_rows(struct judge *j, const struct judge_by *by, int64_t offset,
                                int64_t now_us, struct request_rows *rows, struct err *e);

enum verdict { VERDICT_KEEP, VERDICT_DROP, VERDICT_QUARANTINE, VERDICT_REJECT };
/*
 * One record. A JSON record's row is appended to @j->json when it is kept. Otherwise @e says why,
 * and *ret_rule names the rule that it fails (data NULL: the type check).
 */
enum verdict ingest__judge_one(struct judge *j, const struct judge_by *by, struct slice record,
                               struct slice *ret_rule, struct err *e);
