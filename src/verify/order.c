/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nobody may be ahead of whom it follows:
 *
 *   trimmed ≤ min(applied and flushed, committed or spilled) ≤ durable;   watermark ≤ txn ≤ durable
 *
 * and after a stop in good order everything has been carried on: applied = durable,
 * watermark = txn, and no row waits. Pure: compares what the others have found.
 *
 * Which rows were trimmed, only the store knows, and it has the keyed ones: of a table without key
 * nobody can tell whether it had rows between its txn and the log's first position.
 */
#include "verify/verify.h"
#include "verify_priv.h"

static void order_fault(struct verify *v, const struct verify_table *t, const char *text,
                        uint64_t left, uint64_t right)
{
    verify__fault(v,
                  AT(.what = "order", .table = t != NULL ? t->meta->name : NULL, .position = left),
                  "%s: %llu, %llu", text, (unsigned long long)left, (unsigned long long)right);
}

static void check_table(struct verify *v, const struct verify_table *t, uint64_t durable)
{
    bronze_pos trimmed = v->log.first_pos - 1;
    if (t->txn > durable)
        order_fault(v, t, "the lake is ahead of the log: its txn, the last position of the log",
                    t->txn, durable);
    if (v->has_store && t->watermark > t->txn)
        order_fault(v, t, "the watermark is above the txn in Delta: commits were lost",
                    t->watermark, t->txn);
    if (t->store_high > MAX(t->txn, t->spilled) && !t->meta->live->dropped)
        order_fault(
            v, t,
            "a row was trimmed from the log before it was in Delta or a spill file: position, "
            "the last that is",
            t->store_high, MAX(t->txn, t->spilled));
    if (t->spilled > durable)
        order_fault(v, t, "a spill file is ahead of the log: its last row, the end of the log",
                    t->spilled, durable);
    if (t->version < 0 && (t->watermark > 0 || t->record_count > 0))
        order_fault(v, t, "the Delta table is gone, though rows were committed to it", t->watermark,
                    trimmed);
    if (!v->o->stopped_well)
        return;
    if (v->has_store && t->watermark != t->txn)
        order_fault(v, t, "after a stop in good order watermark and txn differ", t->watermark,
                    t->txn);
    if (t->waiting > 0)
        order_fault(v, t, "after a stop in good order rows are not in Delta: rows, txn", t->waiting,
                    t->txn);
}

static bool is_unknown(const struct verify *v, const struct verify_table *t)
{
    return t->meta->schema->key_count == 0 && !t->meta->live->dropped &&
           MAX(t->txn, t->spilled) + 1 < v->log.first_pos;
}

static void tell_unknown(struct verify *v)
{
    uint64_t unknown = 0;
    const char *first = NULL;
    for (size_t i = v->table_count; i-- > 0;) {
        if (!is_unknown(v, v->tables[i]))
            continue;
        first = v->tables[i]->meta->name;
        unknown++;
    }
    if (unknown > 0)
        verify__note(v, AT(.what = "unchecked", .table = first),
                     "not checked: whether %llu tables without key, this one first, had rows "
                     "between their txn and the log's first position, %llu, which were trimmed",
                     (unsigned long long)unknown, (unsigned long long)v->log.first_pos);
}

void verify__order(struct verify *v)
{
    uint64_t durable = v->report->end_pos - 1, trimmed = v->log.first_pos - 1;
    if (v->has_store && v->applied > durable)
        order_fault(v, NULL, "the store is ahead of the log: applied position, end of the log",
                    v->applied, durable);
    if (v->has_store && v->applied < trimmed)
        order_fault(v, NULL,
                    "the log was trimmed above what the store has applied: applied "
                    "position, last trimmed",
                    v->applied, trimmed);
    if (v->has_store && v->o->stopped_well && v->applied != durable)
        order_fault(v, NULL,
                    "after a stop in good order the store has not applied everything: "
                    "applied position, end of the log",
                    v->applied, durable);
    if (v->has_store && v->o->stopped_well && v->floor > 0 && v->floor <= trimmed)
        order_fault(v, NULL, "the log was trimmed above the committed floor: floor, last trimmed",
                    v->floor, trimmed);
    for (size_t i = 0; v->lake != NULL && i < v->table_count; i++)
        check_table(v, v->tables[i], durable);
    if (v->lake != NULL)
        tell_unknown(v);
}
