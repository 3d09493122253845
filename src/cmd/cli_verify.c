/* SPDX-License-Identifier: Apache-2.0 */
/* sluice verify: is everything that was acknowledged there, once, and unchanged? Reads the folders
 * itself, with or without a server at work. */
#include "cli_priv.h"

#include "base/mem.h"
#include "rescue/rescue.h"
#include "sys/sys.h"
#include "verify/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_NS 100000000ull

struct telling {
    const struct cli *c;
    struct sys *sys;
    uint64_t shown_ns;
    bool bar; /* a progress line stands on the terminal */
};

static void wipe(struct telling *t)
{
    if (t->bar)
        fputs("\r\033[K", stderr);
    t->bar = false;
}

static void on_progress(void *ctx, const char *stage, uint64_t done, uint64_t total)
{
    struct telling *t = ctx;
    uint64_t now = sys_mono_ns(t->sys);
    if (t->c->quiet || t->c->json || !isatty(STDERR_FILENO) || now - t->shown_ns < PROGRESS_NS)
        return;
    t->shown_ns = now;
    t->bar = true;
    if (total > 0)
        fprintf(stderr, "\r\033[K%-18s %3" PRIu64 " %%", stage,
                done >= total ? 100 : done * 100 / total);
    else
        fprintf(stderr, "\r\033[K%-18s %" PRIu64, stage, done);
}

static void finding_json(const struct verify_finding *f)
{
    struct buf out = BUF_NULL;
    struct json j = json_on(&out);
    json_open(&j, '{');
    json_key(&j, "kind");
    json_str(&j, f->kind == VERIFY_FAULT ? "fault" : "note");
    json_key(&j, "what");
    json_str(&j, f->what);
    json_key(&j, "table");
    json_str(&j, f->table);
    json_key(&j, "file");
    json_str(&j, f->file);
    if (f->has_offset) {
        json_key(&j, "offset");
        json_u64(&j, f->offset);
    }
    if (f->position != 0) {
        json_key(&j, "position");
        json_u64(&j, f->position);
    }
    json_key(&j, "text");
    json_str(&j, f->text);
    json_close(&j, '}');
    cli_json_print(&out);
}

static void finding_people(const struct verify_finding *f)
{
    printf("%s\t%s\t%s\t%s", f->kind == VERIFY_FAULT ? "FAULT" : "note", f->what,
           f->table[0] != '\0' ? f->table : "-", f->file[0] != '\0' ? f->file : "-");
    if (f->has_offset)
        printf(":%" PRIu64, f->offset);
    printf("\t%s\n", f->text);
}

static void on_finding(void *ctx, const struct verify_finding *f)
{
    struct telling *t = ctx;
    wipe(t);
    if (t->c->json)
        finding_json(f);
    else if (f->kind == VERIFY_FAULT || !t->c->quiet)
        finding_people(f);
}

struct figure {
    const char *name;
    uint64_t value;
};

static void report_json(const struct verify_report *r, const struct figure *figures, size_t count)
{
    struct buf out = BUF_NULL;
    struct json j = json_on(&out);
    json_open(&j, '{');
    json_key(&j, "kind");
    json_str(&j, "verdict");
    json_key(&j, "well");
    json_bool(&j, r->faults == 0);
    json_key(&j, "live");
    json_bool(&j, r->live);
    for (size_t i = 0; i < count; i++) {
        json_key(&j, figures[i].name);
        json_u64(&j, figures[i].value);
    }
    json_close(&j, '}');
    cli_json_print(&out);
}

static void report_people(const struct verify_report *r)
{
    printf("log      %" PRIu64 " segments, %" PRIu64 " blocks, %" PRIu64
           " bytes, positions %" PRIu64 " to %" PRIu64 "%s\n",
           r->segments, r->blocks, r->log_bytes, r->first_pos, r->end_pos - 1,
           r->live ? " (a server is at work)" : "");
    if (r->spill_files > 0)
        printf("spilled  %" PRIu64 " files, %" PRIu64 " bytes\n", r->spill_files, r->spill_bytes);
    printf("store    %" PRIu64 " files, %" PRIu64 " keys\n", r->store_files, r->store_keys);
    printf("lake     %" PRIu64 " tables, %" PRIu64 " commits, %" PRIu64 " checkpoints, %" PRIu64
           " data files, %" PRIu64 " bytes; %" PRIu64 " not ours, %" PRIu64 " orphans\n",
           r->tables, r->commits, r->checkpoints, r->data_files, r->lake_bytes, r->foreign_files,
           r->orphan_files);
    printf("rows     %" PRIu64 " in the log, %" PRIu64 " in Delta (%" PRIu64
           " compared with the log), %" PRIu64 " not in Delta yet, %" PRIu64 " in the store\n",
           r->rows_log, r->rows_delta, r->rows_compared, r->rows_waiting, r->rows_keyed);
    if (r->ledger_sent > 0)
        printf("ledgers  %" PRIu64 " rows sent, %" PRIu64 " acknowledged: %" PRIu64
               " missing, %" PRIu64 " doubled, %" PRIu64 " different\n",
               r->ledger_sent, r->ledger_acked, r->ledger_missing, r->ledger_doubled,
               r->ledger_different);
    if (r->faults == 0)
        printf("all is well (%" PRIu64 " notes)\n", r->notes);
    else
        printf("%" PRIu64 " faults (%" PRIu64 " notes)\n", r->faults, r->notes);
}

static void report(const struct cli *c, const struct verify_report *r)
{
    const struct figure figures[] = {
        {"faults", r->faults},
        {"notes", r->notes},
        {"first_position", r->first_pos},
        {"end_position", r->end_pos},
        {"segments", r->segments},
        {"blocks", r->blocks},
        {"log_bytes", r->log_bytes},
        {"spill_files", r->spill_files},
        {"spill_bytes", r->spill_bytes},
        {"store_files", r->store_files},
        {"store_keys", r->store_keys},
        {"tables", r->tables},
        {"commits", r->commits},
        {"checkpoints", r->checkpoints},
        {"data_files", r->data_files},
        {"lake_bytes", r->lake_bytes},
        {"foreign_files", r->foreign_files},
        {"orphan_files", r->orphan_files},
        {"unrecorded_commits", r->unrecorded_commits},
        {"rows_log", r->rows_log},
        {"rows_delta", r->rows_delta},
        {"rows_compared", r->rows_compared},
        {"rows_waiting", r->rows_waiting},
        {"rows_store", r->rows_keyed},
        {"ledger_sent", r->ledger_sent},
        {"ledger_acknowledged", r->ledger_acked},
        {"ledger_quarantined", r->ledger_quarantined},
        {"ledger_missing", r->ledger_missing},
        {"ledger_doubled", r->ledger_doubled},
        {"ledger_different", r->ledger_different},
    };
    if (c->json)
        report_json(r, figures, ARRAY_LEN(figures));
    else if (!c->quiet || r->faults > 0)
        report_people(r);
}

int cli_verify(struct cli *c)
{
    if (c->data == NULL || c->word_count != 1 || (c->lake != NULL && c->log_only))
        return cli_usage("verify takes --data DIR, and --lake DIR or --log-only, not both");
    struct err e = {0};
    struct verify_report r;
    struct telling t = {.c = c};
    struct verify_options o = {
        .data = c->data,
        .ledgers = c->ledgers,
        .ledger_count = (uint32_t)c->ledger_count,
        .no_rows = c->no_rows,
        .stopped_well = c->stopped_well,
        .on_finding = on_finding,
        .on_progress = on_progress,
        .ctx = &t,
    };
    char *noted = NULL;
    int rc = sys_new_uring(&t.sys, &e);
    if (rc == 0 && c->lake == NULL && !c->log_only)
        (void)rescue_noted_lake(t.sys, c->data, &noted, NULL); /* asked for below when absent */
    o.lake = c->lake != NULL ? c->lake : noted;
    if (rc == 0 && o.lake == NULL && !c->log_only) {
        t.sys = sys_free(t.sys);
        return cli_usage("the data folder does not say where its lake is: verify takes --lake DIR, "
                         "or --log-only to leave it out");
    }
    if (rc == 0) {
        rc = verify_run(t.sys, &o, &r, &e);
        t.sys = sys_free(t.sys);
    }
    mem_free(noted);
    wipe(&t);
    if (rc < 0) {
        fprintf(stderr, "sluice: not verified to the end: %s\n", e.text);
        return rc == ERR_NOT_FOUND ? EXIT_NOT_FOUND : EXIT_UNVERIFIED;
    }
    report(c, &r);
    return r.faults == 0 ? EXIT_OK : EXIT_FAILED;
}
