/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim: runs seeds, each in a process of its own (a dead life's memory is abandoned, and a crash of
 * the code under test must not end the others), as many at once as there are processors; adds up
 * what they report.
 *
 * Exit status: 0 all is well; 1 a violation, a seed with too little in it (report.h), or (in a run
 * of at least COVER_SEEDS seeds) a named point or a kind of fault that was never met; 2 bad usage.
 */
#include "report.h"

#include "base/mem.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SEED_SECONDS_MAX 120
#define JOBS_MAX         16
#define BUG_SEEDS        2000
#define SELF_TEST_SEEDS  30
#define TWICE_SEEDS      4

struct args {
    uint64_t from, to;
    double minutes;
    const char *json;
    int bug;
    bool trace, self_test, quiet, calm;
    unsigned test_seeds;
};

struct job {
    pid_t pid;
    int pipe;
    uint64_t seed;
};

/* ---- one seed in a process of its own ---- */

_Noreturn static void child(const struct args *a, uint64_t seed, int to)
{
    struct sim_options o = {
        .seed = seed, .trace = a->trace, .quiet = a->quiet, .bug = a->bug, .calm = a->calm};
    struct sim_result *r = mem_zalloc(sizeof(*r));
    (void)alarm(SEED_SECONDS_MAX);
    sim_run(&o, r);
    (void)fflush(stdout);
    const char *p = (const char *)r;
    for (size_t at = 0; at < sizeof(*r);) {
        ssize_t n = write(to, p + at, sizeof(*r) - at);
        if (n <= 0)
            _exit(3);
        at += (size_t)n;
    }
    _exit(0);
}

static bool start_job(const struct args *a, uint64_t seed, struct job *j)
{
    int ends[2];
    (void)fflush(stdout);
    if (pipe(ends) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        child(a, seed, ends[1]);
    }
    (void)close(ends[1]);
    *j = (struct job){pid, ends[0], seed};
    return pid > 0;
}

/* The child's report; a child that ended without one has found something too. */
static void finish_job(struct job *j, struct sim_result *r)
{
    size_t at = 0;
    ssize_t n;
    int status = 0;
    while (at < sizeof(*r) && (n = read(j->pipe, (char *)r + at, sizeof(*r) - at)) > 0)
        at += (size_t)n;
    (void)close(j->pipe);
    (void)waitpid(j->pid, &status, 0);
    if (at == sizeof(*r) && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    *r = (struct sim_result){.seed = j->seed, .violations = 1};
    (void)snprintf(r->violation, sizeof(r->violation), "the process ended with %s %d%s",
                   WIFSIGNALED(status) ? "signal" : "status",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
                   WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? ": it hung" : "");
    printf("seed %" PRIu64 ": %s\n", j->seed, r->violation);
}

static bool one_seed(const struct args *a, uint64_t seed, struct sim_result *r)
{
    struct job j;
    if (!start_job(a, seed, &j))
        return false;
    finish_job(&j, r);
    return true;
}

/* ---- many ---- */

static double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static unsigned wait_any(struct job *jobs, unsigned count)
{
    struct pollfd fds[JOBS_MAX];
    for (unsigned i = 0; i < count; i++)
        fds[i] = (struct pollfd){.fd = jobs[i].pipe, .events = POLLIN};
    (void)poll(fds, count, -1);
    for (unsigned i = 0; i < count; i++)
        if (fds[i].revents != 0)
            return i;
    return 0;
}

/* All seeds of @a; with @stop_at_first ends with the first violation. */
static void many(const struct args *a, struct report *report, bool stop_at_first)
{
    struct job jobs[JOBS_MAX];
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = 0, at_once = a->trace ? 1 : (unsigned)MAX(1, MIN(cpus, JOBS_MAX));
    uint64_t seed = a->from;
    double begun = now_s();
    bool stop = false;
    while (count > 0 || !stop) {
        stop = stop || seed > a->to || (a->minutes > 0 && now_s() - begun > a->minutes * 60) ||
               (stop_at_first && report->violations > 0);
        if (!stop && count < at_once) {
            if (start_job(a, seed, &jobs[count]))
                count++;
            seed++;
            continue;
        }
        if (count == 0)
            break;
        unsigned i = wait_any(jobs, count);
        struct sim_result r;
        finish_job(&jobs[i], &r);
        jobs[i] = jobs[--count];
        report_add(report, &r);
    }
    report->seconds = now_s() - begun;
}

/* ---- as part of the test suite ---- */

static unsigned tell(bool passed, const char *what, const char *how)
{
    printf("%s %s%s%s\n", passed ? "ok  " : "FAIL", what, how[0] ? ": " : "", how);
    return passed;
}

static unsigned test_twice(const struct args *a)
{
    unsigned passed = 0;
    for (uint64_t seed = 1; seed <= TWICE_SEEDS; seed++) {
        struct sim_result *r = mem_calloc(2, sizeof(*r));
        char what[80];
        bool same = one_seed(a, seed, &r[0]) && one_seed(a, seed, &r[1]) &&
                    memcmp(&r[0], &r[1], sizeof(*r)) == 0 && r[0].turns > 1000;
        (void)snprintf(what, sizeof(what), "seed %" PRIu64 " gives the same run twice", seed);
        passed += tell(same, what, "");
        mem_free(r);
    }
    return passed;
}

static unsigned test_bugs(const struct args *base)
{
    unsigned passed = 0;
    for (int bug = 0; bug < SYS_BUG_COUNT; bug++) {
        struct args a = *base;
        struct report *report = report_new();
        char what[120], how[700];
        a.bug = bug;
        a.quiet = true;
        a.from = 1;
        a.to = BUG_SEEDS;
        many(&a, report, true);
        (void)snprintf(what, sizeof(what), "bug %s (%s) is caught", sys_bug_name((enum sys_bug)bug),
                       sys_bug_promise((enum sys_bug)bug));
        (void)snprintf(how, sizeof(how), "by seed %" PRIu64 " of %" PRIu64 " in %.1f s: %s",
                       report->first_bad, report->seeds, report->seconds, report->first_violation);
        passed += tell(report->violations > 0, what, how);
        report = report_free(report);
    }
    return passed;
}

/* @seeds: only so many of them, and nothing else; 0: the whole of it. */
static int self_test(struct args *a, unsigned seeds)
{
    struct report *report = report_new();
    unsigned passed = 0, all = (seeds != 0 ? seeds : SELF_TEST_SEEDS) + 1;
    a->from = 1;
    a->to = seeds != 0 ? seeds : SELF_TEST_SEEDS;
    many(a, report, false);
    passed += (unsigned)(report->seeds - report->bad_seeds);
    passed += tell(report_print(report, false), "each seed has enough in it", "");
    if (seeds == 0) {
        all += TWICE_SEEDS + SYS_BUG_COUNT;
        passed += test_twice(a);
        passed += test_bugs(a);
    }
    report = report_free(report);
    printf("[====] Synthesis: Tested: %u | Passing: %u | Failing: %u | Crashing: 0\n", all, passed,
           all - passed);
    return passed == all ? 0 : 1;
}

/* ---- arguments ---- */

static const char usage[] =
    "sim [--seed N | --seeds N..M] [--minutes M] [--json FILE] [--trace] [--bug NAME] [--calm]\n"
    "  --seed N      one seed: its run is told in a line, its trace when it fails\n"
    "  --seeds N..M  all of them; with --minutes as many as fit\n"
    "  --trace       each event as it happens\n"
    "  --bug NAME    with that planted bug (--bug list names them)\n"
    "  --calm        without crashes and faults\n"
    "  --self-test [N]  what ./dev test runs: seeds 1..30, some twice, every planted bug\n"
    "                   (with N: only seeds 1..N)\n";

static int list_bugs(void)
{
    for (int i = 0; i < SYS_BUG_COUNT; i++)
        printf("%-24s %s  %s\n", sys_bug_name((enum sys_bug)i), sys_bug_promise((enum sys_bug)i),
               sys_bug_rule((enum sys_bug)i));
    return 0;
}

static int parse_bug(const char *name)
{
    for (int i = 0; i < SYS_BUG_COUNT; i++)
        if (strcmp(sys_bug_name((enum sys_bug)i), name) == 0)
            return i;
    return -1;
}

/* An option with a value; false: it is none, or the value does not fit. */
static bool parse_value(struct args *a, const char *name, const char *value)
{
    char *end;
    if (strcmp(name, "--seed") == 0) {
        a->from = a->to = strtoull(value, &end, 10);
        return *end == '\0';
    }
    if (strcmp(name, "--seeds") == 0) {
        a->from = strtoull(value, &end, 10);
        if (strncmp(end, "..", 2) != 0)
            return false;
        a->to = strtoull(end + 2, &end, 10);
        return *end == '\0' && a->to >= a->from;
    }
    if (strcmp(name, "--minutes") == 0) {
        a->minutes = strtod(value, &end);
        a->to = a->to == 0 ? UINT64_MAX : a->to;
        return *end == '\0' && a->minutes > 0;
    }
    if (strcmp(name, "--json") == 0) {
        a->json = value;
        return true;
    }
    if (strcmp(name, "--bug") == 0) {
        a->bug = parse_bug(value);
        return a->bug >= 0;
    }
    return false;
}

static bool parse(struct args *a, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--trace") == 0)
            a->trace = true;
        else if (strcmp(argv[i], "--calm") == 0)
            a->calm = true;
        else if (strcmp(argv[i], "--self-test") == 0) {
            a->self_test = true;
            if (i + 1 < argc)
                a->test_seeds = (unsigned)strtoul(argv[++i], NULL, 10);
        } else if (i + 1 < argc && parse_value(a, argv[i], argv[i + 1]))
            i++;
        else
            return false;
    }
    if (a->to == 0)
        a->to = 100;
    return true;
}

int main(int argc, char **argv)
{
    struct args a = {.from = 1, .bug = -1};
    if (argc == 3 && strcmp(argv[1], "--bug") == 0 && strcmp(argv[2], "list") == 0)
        return list_bugs();
    if (!parse(&a, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    if (a.self_test)
        return self_test(&a, a.test_seeds);
    struct report *report = report_new();
    many(&a, report, false);
    bool covered = report_print(report, true);
    bool told = a.json == NULL || report_write_json(report, a.json);
    bool good = report->violations == 0 && covered && told;
    report = report_free(report);
    return good ? 0 : 1;
}
