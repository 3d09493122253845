/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-loadgen: the command line. */
#include "loadgen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "sluice-loadgen: load for a Sluice server, and the bare ends that it is measured against\n"
    "\n"
    "usage: sluice-loadgen COMMAND [--option value]…\n"
    "\n"
    "  sink     a server that acknowledges rows and drops them: the ceiling of ingest\n"
    "  echo     the same program: a bare stream echo and a bare unary echo\n"
    "             --listen HOST:PORT (127.0.0.1:0) --cert PEM --key PEM | --plain\n"
    "             --queues N (1)  --port-file FILE\n"
    "  run      stream rows, check every ack, report rows/s and ack latency\n"
    "             --rows 200b|1kb|keyed|farm (200b)  --record proto|json (proto)\n"
    "             --table CATALOG.SCHEMA.TABLE (of the row set; CATALOG.SCHEMA for farm)\n"
    "             --streams N (1)  --connections N (1)  --batch N (1 = single rows)\n"
    "             --in-flight N (requests per stream; 16384, and 32 MiB of rows at most)\n"
    "             --rate ROWS/S (in all; without it the next row follows an ack)\n"
    "             --seconds N (10) | --count ROWS (in all)\n"
    "             --first-stream N (0: number of the first stream in the rows)\n"
    "             --keys N (keyed: how many different keys)  --ledger FILE  --quiet\n"
    "             --bad-share PERCENT (0: rows that do not fit the table, evenly among the "
    "others)\n"
    "  latency  one row in flight; with --echo one message against the stream echo\n"
    "             --rows --record --table --seconds\n"
    "  lookup   unary Get by key; with --echo the same request against the unary echo\n"
    "             --table --keys N (100000) | --key-file FILE (one JSON key per line)\n"
    "             --in-flight N (64) | --rate LOOKUPS/S  --connections N --seconds N\n"
    "  idle     open connections and streams at once, hold them, say whether all are still there\n"
    "             --connections N (1)  --streams N (1, in all; 0: connections only)  --table\n"
    "             --seconds N (until interrupted)\n"
    "  first-ack  wait until a server listens, send one row, say when its ack came\n"
    "             --rows --table --seconds N (60: how long to wait)\n"
    "  ddl      what to create for --rows: table, columns, keys; separated by tabs\n"
    "  devwrite DIR  median of durable 4 KiB writes over a written file\n"
    "\n"
    "to reach a server: --endpoint HOST:PORT --ca PEM (or --plain on loopback)\n"
    "                   --server-name NAME --token TOKEN | --token-file FILE\n"
    "every measuring command: --json FILE writes its report for machines\n"
    "\n"
    "exit status: 0 all is well; 1 rows not acknowledged, a false ack, or failed lookups;\n"
    "             2 the command line cannot be right; 3 file, port or server not to be had\n";

void options_help(void)
{
    fputs(help, stdout);
}

struct option_spec {
    const char *name;
    size_t text_at, number_at, flag_at; /* one of them, + 1 */
};
#define TEXT(n, member)                                                                            \
    {                                                                                              \
        n, offsetof(struct options, member) + 1, 0, 0                                              \
    }
#define NUMBER(n, member)                                                                          \
    {                                                                                              \
        n, 0, offsetof(struct options, member) + 1, 0                                              \
    }
#define FLAG(n, member)                                                                            \
    {                                                                                              \
        n, 0, 0, offsetof(struct options, member) + 1                                              \
    }

static const struct option_spec specs[] = {
    TEXT("endpoint", endpoint),
    TEXT("ca", ca),
    TEXT("server-name", server_name),
    TEXT("token", token),
    TEXT("token-file", token_file),
    TEXT("listen", listen),
    TEXT("cert", cert),
    TEXT("key", key),
    TEXT("port-file", port_file),
    TEXT("rows", rows),
    TEXT("table", table),
    TEXT("key-file", keys),
    TEXT("record", record),
    TEXT("json", json),
    TEXT("ledger", ledger),
    NUMBER("streams", streams),
    NUMBER("connections", connections),
    NUMBER("batch", batch),
    NUMBER("in-flight", in_flight),
    NUMBER("rate", rate),
    NUMBER("count", count),
    NUMBER("seconds", seconds),
    NUMBER("queues", queues),
    NUMBER("first-stream", first_stream),
    NUMBER("keys", key_count),
    NUMBER("bad-share", bad_share),
    FLAG("plain", plain),
    FLAG("echo", echo),
    FLAG("quiet", quiet),
};

static const struct option_spec *spec_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(specs); i++)
        if (strcmp(specs[i].name, name) == 0)
            return &specs[i];
    return NULL;
}

/* Store one option; how many words of the command line it took, or -1. */
static int option_take(struct options *o, const struct option_spec *s, const char *value)
{
    char *base = (char *)o;
    if (s->flag_at != 0) {
        *(bool *)(base + s->flag_at - 1) = true;
        return 1;
    }
    if (value == NULL) {
        fprintf(stderr, "--%s needs a value\n", s->name);
        return -1;
    }
    if (s->text_at != 0) {
        *(const char **)(void *)(base + s->text_at - 1) = value;
        return 2;
    }
    char *end;
    errno = 0;
    unsigned long long v = strtoull(value, &end, 10);
    if (errno != 0 || end == value || *end != '\0' || value[0] == '-') {
        fprintf(stderr, "--%s: %s is not a whole number\n", s->name, value);
        return -1;
    }
    *(uint64_t *)(void *)(base + s->number_at - 1) = v;
    return 2;
}

int options_parse(int argc, char **argv, struct options *o)
{
    *o = (struct options){
        .command = argc > 1 ? argv[1] : "help",
        .listen = "127.0.0.1:0",
        .rows = "200b",
        .record = "proto",
        .streams = 1,
        .connections = 1,
        .batch = 1,
        .queues = 1,
    };
    for (int i = 2; i < argc;) {
        if (strncmp(argv[i], "--", 2) != 0) {
            o->path = argv[i++];
            continue;
        }
        const struct option_spec *s = spec_find(argv[i] + 2);
        if (s == NULL) {
            fprintf(stderr, "unknown option %s; see sluice-loadgen --help\n", argv[i]);
            return EXIT_USAGE;
        }
        int taken = option_take(o, s, i + 1 < argc ? argv[i + 1] : NULL);
        if (taken < 0)
            return EXIT_USAGE;
        i += taken;
    }
    if (strcmp(o->record, "proto") != 0 && strcmp(o->record, "json") != 0) {
        fputs("--record is proto or json\n", stderr);
        return EXIT_USAGE;
    }
    bool holds = strcmp(o->command, "idle") == 0;
    if ((o->streams == 0 && !holds) || o->connections == 0 || o->batch == 0) {
        fputs("--streams, --connections and --batch are 1 or more\n", stderr);
        return EXIT_USAGE;
    }
    return EXIT_FINE;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(const struct options *o);
    } commands[] = {
        {"sink", cmd_sink},         {"echo", cmd_sink},     {"run", cmd_run},
        {"latency", cmd_latency},   {"lookup", cmd_lookup}, {"ddl", cmd_ddl},
        {"devwrite", cmd_devwrite}, {"idle", cmd_idle},     {"first-ack", cmd_first_ack},
    };
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        options_help();
        return argc < 2 ? EXIT_USAGE : EXIT_FINE;
    }
    struct options o;
    int code = options_parse(argc, argv, &o);
    if (code != EXIT_FINE)
        return code;
    catch_interrupt();
    lock_checks_off();
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i].name, o.command) == 0)
            return commands[i].run(&o);
    fprintf(stderr, "unknown command %s; see sluice-loadgen --help\n", o.command);
    return EXIT_USAGE;
}
