/* SPDX-License-Identifier: Apache-2.0 */
/* The small help that the subcommands share: time, files, the client by the options, signals. */
#include "loadgen.h"

#include "base/mem.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

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

/*
 * Debian builds Abseil with its debugging aid on: each lock that gRPC takes is entered into a graph
 * that is searched for possible deadlocks, about a tenth of the cost of a message. The switch is
 * public, but C++; where it does not exist under this name, nothing happens.
 */
void lock_checks_off(void)
{
    static const char name[] =
        "_ZN4absl7debian329SetMutexDeadlockDetectionModeENS0_15OnDeadlockCycleE";
    void (*set_mode)(int);
    void *found = dlsym(RTLD_DEFAULT, name);
    memcpy(&set_mode, &found, sizeof(set_mode));
    if (found != NULL)
        set_mode(0); /* OnDeadlockCycle::kIgnore */
}
