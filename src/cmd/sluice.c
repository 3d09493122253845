/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sluice: the command line. Takes the words and options apart, then hands them to the command. Each
 * command is one file; none keeps state.
 */
#include "cli_priv.h"

#include "base/must.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help_text[] =
    "sluice: the command line of a Sluice server\n"
    "\n"
    "  sluice init --data DIR [--admin-token-file FILE]   make a data folder and its admin token "
    "(offline)\n"
    "  sluice table create NAME 'COLUMNS' [--primary-key A,B]\n"
    "               [--property KEY=VALUE …]    on_error=reject|quarantine, "
    "timestamps=micros|iso8601,\n"
    "                                           evolve=none|add_columns,\n"
    "                                           rule.NAME='warn|drop|quarantine|reject: "
    "PREDICATE'\n"
    "  sluice table alter NAME [--add 'COLUMN TYPE' …] [--widen 'COLUMN TYPE' …]\n"
    "               [--property KEY=VALUE …] [--unset KEY …]   streams that run go on as they are\n"
    "  sluice table replace NAME 'COLUMNS' [--primary-key …] [--property …]   drop it and make it "
    "again:\n"
    "                                       its folder goes aside, its streams end\n"
    "  sluice table list | show NAME | drop NAME\n"
    "  sluice table show NAME --as ddl | json-schema | proto | descriptor   (the last in base64)\n"
    "  sluice token create NAME --grant TABLE:rw [--grant …] [--admin] [--lifetime-s N]\n"
    "  sluice token list | revoke NAME\n"
    "  sluice ingest NAME FILE.ndjson       one JSON object a line; - reads standard input\n"
    "  sluice ingest NAME FILE.csv [--csv] [--delimiter C|tab]   the first line names the columns; "
    "an empty\n"
    "                                       field is NULL, \"\" is an empty text; --csv for other "
    "file names\n"
    "  sluice get NAME KEY                  KEY plain, or a JSON object with the key columns\n"
    "  sluice quarantine list NAME [--all]  rows that did not fit; --all: replayed ones too\n"
    "  sluice quarantine replay NAME        judge them again, as the table is now, and store those "
    "that are good\n"
    "  sluice status                        counters, lags, latencies\n"
    "  sluice bronze dump DIR               the frames of a log's files (offline)\n"
    "  sluice bronze find --position N | --time MICROSECONDS | --table T --stream UUID --offset N\n"
    "  sluice bronze salvage --data DIR --out FILE.ndjson   the rows of a damaged log that can be\n"
    "                                       read (offline); exit status 1: some cannot\n"
    "  sluice store rebuild --data DIR [--lake DIR]   a lost or damaged store, made again from "
    "the\n"
    "                                       log and the lake (offline)\n"
    "  sluice verify --data DIR [--lake DIR] [--ledger FILE …] [--stopped-well] [--no-rows] | "
    "--log-only\n"
    "                                       is all there, once, unchanged? With or without a "
    "server\n"
    "\n"
    "NAME is catalog.schema.table. COLUMNS is DDL: 'icao STRING NOT NULL, lat DOUBLE, seen "
    "TIMESTAMP'.\n"
    "TABLE in a grant is a.b.c, a.b.*, a.* or *; verbs are r, w or rw.\n"
    "\n"
    "Options\n"
    "  --endpoint HOST:PORT    the server (SLUICE_ENDPOINT; default localhost:50051)\n"
    "  --ca FILE               CA of its certificate (SLUICE_CA; default: the system's)\n"
    "  --server-name NAME      the name in its certificate, when it is not HOST\n"
    "  --plain                 no TLS: only for a loopback listener\n"
    "  --token-file FILE       file with the bearer token (SLUICE_TOKEN_FILE)\n"
    "  --timeout-ms N          for each call (default 30000)\n"
    "  --json                  answers as JSON, one value a line\n"
    "  --quiet                 no progress, no remarks\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 bad usage, 3 not found, 4 token missing or not allowed,\n"
    "5 server not reached or not available, 6 verify could not look at everything.\n";

struct option_row {
    const char *name;
    const char **text;
    bool *flag;
    int64_t *number;
};

/* An option that may come several times. */
static bool take_listed(struct cli *c, char **argv, int *i)
{
    const struct {
        const char *name;
        const char **list;
        int *count, max;
    } lists[] = {
        {"--grant", c->grants, &c->grant_count, CLI_GRANTS_MAX},
        {"--property", c->properties, &c->property_count, CLI_PROPERTIES_MAX},
        {"--unset", c->unsets, &c->unset_count, CLI_PROPERTIES_MAX},
        {"--add", c->adds, &c->add_count, CLI_CHANGES_MAX},
        {"--widen", c->widens, &c->widen_count, CLI_CHANGES_MAX},
        {"--ledger", c->ledgers, &c->ledger_count, CLI_LEDGERS_MAX},
    };
    for (size_t k = 0; k < ARRAY_LEN(lists); k++)
        if (strcmp(argv[*i], lists[k].name) == 0 && argv[*i + 1] != NULL &&
            *lists[k].count < lists[k].max) {
            lists[k].list[(*lists[k].count)++] = argv[++*i];
            return true;
        }
    return false;
}

static int take_option(struct cli *c, const struct option_row *rows, size_t count, char **argv,
                       int *i)
{
    for (size_t k = 0; k < count; k++) {
        if (strcmp(argv[*i], rows[k].name) != 0)
            continue;
        if (rows[k].flag != NULL) {
            *rows[k].flag = true;
            return EXIT_OK;
        }
        if (argv[*i + 1] == NULL) {
            fprintf(stderr, "sluice: %s needs a value\n", argv[*i]);
            return EXIT_USAGE;
        }
        const char *value = argv[++*i];
        if (rows[k].text != NULL) {
            *rows[k].text = value;
            return EXIT_OK;
        }
        char *end;
        errno = 0;
        *rows[k].number = strtoll(value, &end, 10);
        if (errno == 0 && end != value && *end == '\0' && *rows[k].number >= 0)
            return EXIT_OK;
        fprintf(stderr, "sluice: %s takes a number, not %s\n", rows[k].name, value);
        return EXIT_USAGE;
    }
    if (take_listed(c, argv, i))
        return EXIT_OK;
    fprintf(stderr, "sluice: unknown option %s\nTry `sluice --help`.\n", argv[*i]);
    return EXIT_USAGE;
}

static int parse(struct cli *c, int argc, char **argv)
{
    int64_t timeout_ms = 30000;
    const struct option_row rows[] = {
        {"--endpoint", &c->endpoint, NULL, NULL},
        {"--ca", &c->ca, NULL, NULL},
        {"--token-file", &c->token_file, NULL, NULL},
        {"--server-name", &c->server_name, NULL, NULL},
        {"--data", &c->data, NULL, NULL},
        {"--lake", &c->lake, NULL, NULL},
        {"--out", &c->out, NULL, NULL},
        {"--admin-token-file", &c->admin_token_file, NULL, NULL},
        {"--primary-key", &c->primary_key, NULL, NULL},
        {"--as", &c->as, NULL, NULL},
        {"--delimiter", &c->delimiter, NULL, NULL},
        {"--table", &c->table, NULL, NULL},
        {"--stream", &c->stream, NULL, NULL},
        {"--offset", &c->offset, NULL, NULL},
        {"--time", &c->time, NULL, NULL},
        {"--position", &c->position, NULL, NULL},
        {"--json", NULL, &c->json, NULL},
        {"--csv", NULL, &c->csv, NULL},
        {"--plain", NULL, &c->plain, NULL},
        {"--admin", NULL, &c->admin, NULL},
        {"--quiet", NULL, &c->quiet, NULL},
        {"--all", NULL, &c->all, NULL},
        {"--log-only", NULL, &c->log_only, NULL},
        {"--no-rows", NULL, &c->no_rows, NULL},
        {"--stopped-well", NULL, &c->stopped_well, NULL},
        {"--help", NULL, &c->help, NULL},
        {"-h", NULL, &c->help, NULL},
        {"--lifetime-s", NULL, NULL, &c->lifetime_s},
        {"--timeout-ms", NULL, NULL, &timeout_ms},
    };
    bool only_words = false;
    for (int i = 1; i < argc; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if (!only_words && argv[i][0] == '-' && argv[i][1] != '\0') {
            int r = take_option(c, rows, ARRAY_LEN(rows), argv, &i);
            if (r != EXIT_OK)
                return r;
        } else if (c->word_count < CLI_WORDS_MAX) {
            c->words[c->word_count++] = argv[i];
        }
    }
    c->timeout_ms = (uint32_t)MIN(timeout_ms, INT32_MAX);
    return EXIT_OK;
}

static int run(struct cli *c)
{
    static const struct {
        const char *word;
        int (*fn)(struct cli *c);
    } commands[] = {
        {"init", cli_init},     {"table", cli_table},
        {"token", cli_token},   {"ingest", cli_ingest},
        {"get", cli_get},       {"status", cli_status},
        {"bronze", cli_bronze}, {"verify", cli_verify},
        {"store", cli_store},   {"quarantine", cli_quarantine},
    };
    if (c->help) {
        fputs(help_text, stdout);
        return EXIT_OK;
    }
    for (size_t i = 0; c->word_count > 0 && i < ARRAY_LEN(commands); i++)
        if (strcmp(c->words[0], commands[i].word) == 0)
            return commands[i].fn(c);
    return cli_usage(c->word_count == 0 ? "no command given" : "no such command");
}

int main(int argc, char **argv)
{
    struct cli c = {
        .endpoint =
            getenv("SLUICE_ENDPOINT"), /* NOLINT(concurrency-mt-unsafe): before any thread */
        .ca = getenv("SLUICE_CA"),
        .token_file = getenv("SLUICE_TOKEN_FILE"),
    };
    if (c.endpoint == NULL)
        c.endpoint = "localhost:50051";
    int status = parse(&c, argc, argv);
    if (status == EXIT_OK)
        status = run(&c);
    c.client = sluice_client_free(c.client);
    return status;
}
