/* SPDX-License-Identifier: Apache-2.0 */
/* sluice quarantine list | replay */
#include "cli_priv.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

typedef Sluice__V1__QuarantinedRow Row;

static void text_json(struct json *j, const char *key, const char *text)
{
    json_key(j, key);
    if (text[0] != '\0')
        json_str(j, text);
    else
        json_null(j);
}

static void row_json(const Row *row)
{
    struct buf out = BUF_NULL, hex = BUF_NULL;
    struct json j = json_on(&out);
    json_open(&j, '{');
    json_key(&j, "arrived_us");
    json_i64(&j, row->arrived_us);
    text_json(&j, "stream_id", row->stream_id);
    json_key(&j, "stream_offset");
    json_i64(&j, row->stream_offset);
    json_key(&j, "record_index");
    json_i64(&j, row->record_index);
    text_json(&j, "reason", row->reason);
    text_json(&j, "rule", row->rule);
    text_json(&j, "column_path", row->column_path);
    text_json(&j, "principal", row->principal);
    text_json(&j, "format", row->format);
    text_json(&j, "json", row->json);
    for (size_t i = 0; i < row->raw.len; i++)
        buf_printf(&hex, "%02x", row->raw.data[i]);
    text_json(&j, "raw_hex", buf_cstr(&hex));
    json_key(&j, "replayed_us");
    if (row->replayed_us != 0)
        json_i64(&j, row->replayed_us);
    else
        json_null(&j);
    json_close(&j, '}');
    buf_deinit(&hex);
    cli_json_print(&out);
}

static void print_rows(const struct cli *c, Row *const *rows, size_t count)
{
    struct cli_grid g = {.columns = 5};
    static const char *const heads[] = {"arrived", "stream", "offset", "record", "reason"};
    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        cli_grid_cell(&g, "%s", heads[i]);
    for (size_t i = 0; i < count; i++) {
        char arrived[32];
        if (c->json) {
            row_json(rows[i]);
            continue;
        }
        cli_time(rows[i]->arrived_us, arrived);
        cli_grid_cell(&g, "%s", arrived);
        cli_grid_cell(&g, "%s", rows[i]->stream_id);
        cli_grid_cell(&g, "%lld", (long long)rows[i]->stream_offset);
        cli_grid_cell(&g, "%d", rows[i]->record_index);
        cli_grid_cell(&g, "%s", rows[i]->reason);
    }
    if (c->json || count == 0)
        buf_deinit(&g.cells);
    else
        cli_grid_print(&g);
}

/* The cursor of an answer, for the next request: a copy, *ret_copy is given. */
static void next_page(const ProtobufCBinaryData *cursor, ProtobufCBinaryData *ret, uint8_t **copy)
{
    mem_free(*copy);
    *copy = mem_alloc(cursor->len + 1);
    memcpy(*copy, cursor->data, cursor->len);
    *ret = (ProtobufCBinaryData){cursor->len, *copy};
}

static int list(struct cli *c)
{
    Sluice__V1__ListQuarantineRequest q = SLUICE__V1__LIST_QUARANTINE_REQUEST__INIT;
    q.table = (char *)(uintptr_t)c->words[2];
    q.limit = 1000;
    q.with_replayed = c->all;
    uint8_t *copy = NULL;
    int status = EXIT_OK;
    for (bool more = true; more && status == EXIT_OK;) {
        Sluice__V1__ListQuarantineResponse *a =
            cli_call(c, "/sluice.v1.Quarantine/List", &q.base,
                     &sluice__v1__list_quarantine_response__descriptor, &status);
        if (a == NULL)
            break;
        print_rows(c, a->rows, a->n_rows);
        more = a->cursor.len > 0;
        if (more)
            next_page(&a->cursor, &q.cursor, &copy);
        sluice__v1__list_quarantine_response__free_unpacked(a, NULL);
    }
    mem_free(copy);
    return status;
}

static int replay(struct cli *c)
{
    Sluice__V1__ReplayRequest q = SLUICE__V1__REPLAY_REQUEST__INIT;
    q.table = (char *)(uintptr_t)c->words[2];
    uint8_t *copy = NULL;
    unsigned long long replayed = 0, still_bad = 0;
    int status = EXIT_OK;
    for (bool more = true; more && status == EXIT_OK;) {
        Sluice__V1__ReplayResponse *a = cli_call(c, "/sluice.v1.Quarantine/Replay", &q.base,
                                                 &sluice__v1__replay_response__descriptor, &status);
        if (a == NULL)
            break;
        if (!c->json)
            print_rows(c, a->bad, a->n_bad);
        replayed += a->replayed;
        still_bad += a->still_bad;
        more = a->cursor.len > 0;
        if (more)
            next_page(&a->cursor, &q.cursor, &copy);
        sluice__v1__replay_response__free_unpacked(a, NULL);
    }
    mem_free(copy);
    printf(c->json ? "{\"replayed\":%llu,\"still_bad\":%llu}\n"
                   : "%llu rows brought into the table, %llu are still bad\n",
           replayed, still_bad);
    return status;
}

int cli_quarantine(struct cli *c)
{
    const char *verb = c->word_count > 1 ? c->words[1] : "";
    if (c->word_count == 3 && strcmp(verb, "list") == 0)
        return list(c);
    if (c->word_count == 3 && strcmp(verb, "replay") == 0)
        return replay(c);
    return cli_usage("quarantine takes list or replay, and the table's NAME");
}
