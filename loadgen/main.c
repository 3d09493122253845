/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-loadgen: the command line, and the small help that the subcommands share. */
#include "loadgen.h"

#include "base/mem.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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
    "             --in-flight N (16384 requests per stream, closed loop) | --rate ROWS/S (in all)\n"
    "             --seconds N (10) | --count ROWS (in all)\n"
    "             --first-stream N (0: number of the first stream in the rows)\n"
    "             --keys N (keyed: how many different keys)  --ledger FILE  --quiet\n"
    "  latency  one row in flight; with --echo one message against the stream echo\n"
    "             --rows --record --table --seconds\n"
    "  lookup   unary Get by key; with --echo the same request against the unary echo\n"
    "             --table --keys N (100000) | --key-file FILE (one JSON key per line)\n"
    "             --in-flight N (64) | --rate LOOKUPS/S  --connections N --seconds N\n"
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
#define TEXT(n, member) {n, offsetof(struct options, member) + 1, 0, 0}
#define NUMBER(n, member) {n, 0, offsetof(struct options, member) + 1, 0}
#define FLAG(n, member) {n, 0, 0, offsetof(struct options, member) + 1}

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
    if (o->streams == 0 || o->connections == 0 || o->batch == 0) {
        fputs("--streams, --connections and --batch are 1 or more\n", stderr);
        return EXIT_USAGE;
    }
    return EXIT_FINE;
}

/* ---- help for the subcommands ---- */

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int64_t wall_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void pause_ms(uint32_t ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

void pause_until_ns(uint64_t at_ns)
{
    struct timespec t = {(time_t)(at_ns / 1000000000), (long)(at_ns % 1000000000)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

char *file_text(const char *path)
{
    FILE *f = fopen(path, "rbe");
    if (f == NULL) {
        fprintf(stderr, "cannot read %s: %s\n", path, strerror(errno));
        return NULL;
    }
    struct buf text = BUF_NULL;
    size_t got;
    while ((got = fread(buf_reserve(&text, 4097), 1, 4096, f)) > 0)
        text.len += got;
    fclose(f);
    (void)buf_cstr(&text); /* terminated; what data points to is ours now */
    return (char *)text.data;
}

struct sluice_client *client_of(const struct options *o)
{
    struct sluice_options c = {
        .endpoint = o->endpoint,
        .ca_pem_path = o->ca,
        .server_name = o->server_name,
        .token = o->token,
        .plain_text = o->plain,
    };
    _cleanup_(mem_freep) char *token = NULL;
    if (o->token_file != NULL) {
        token = file_text(o->token_file);
        if (token == NULL)
            return NULL;
        token[strcspn(token, "\r\n")] = '\0';
        c.token = token;
    }
    struct sluice_client *client;
    struct sluice_error e;
    if (sluice_client_new(&c, &client, &e) != SLUICE_OK) {
        fprintf(stderr, "%s\n", e.text);
        return NULL;
    }
    return client;
}

int report_write(const struct options *o, struct buf *report)
{
    if (o->json == NULL)
        return EXIT_FINE;
    FILE *f = fopen(o->json, "we");
    if (f == NULL) {
        fprintf(stderr, "cannot write %s: %s\n", o->json, strerror(errno));
        return EXIT_SYSTEM;
    }
    size_t written = fwrite(report->data, 1, report->len, f);
    fputc('\n', f);
    if (fclose(f) != 0 || written != report->len) {
        fprintf(stderr, "cannot write %s\n", o->json);
        return EXIT_SYSTEM;
    }
    return EXIT_FINE;
}

/* The one thing that a signal can reach. */
static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

bool is_interrupted(void)
{
    return interrupted != 0;
}

void catch_interrupt(void)
{
    struct sigaction a = {.sa_handler = on_signal};
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(const struct options *o);
    } commands[] = {
        {"sink", cmd_sink},     {"echo", cmd_sink}, {"run", cmd_run},           {"latency", cmd_latency},
        {"lookup", cmd_lookup}, {"ddl", cmd_ddl},   {"devwrite", cmd_devwrite},
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
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i].name, o.command) == 0)
            return commands[i].run(&o);
    fprintf(stderr, "unknown command %s; see sluice-loadgen --help\n", o.command);
    return EXIT_USAGE;
}
