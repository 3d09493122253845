/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sluice-powerfs MOUNTPOINT: mounts the image, serves the kernel and the orders on stdin, both on
 * one thread, so that a cut lies exactly between two requests. After a cut the mount of before is
 * gone for whoever has it open, as a dead machine's disk is, and what survived is mounted in the
 * same place. Orders and answers: README.md. The end of stdin unmounts and ends the program.
 */
#define FUSE_USE_VERSION 314
#include "powerfs.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 512
#define WAIT_MS        1000

static volatile sig_atomic_t told_to_end;

int64_t mono_ms(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- cuts and faults that wait for an operation ---- */

static void path_of(const struct node *n, const char *name, char *path, size_t room)
{
    const char *parts[32];
    size_t count = 0;

    if (name != NULL)
        parts[count++] = name;
    for (; n != NULL && n->name != NULL && count < 32; n = n->parent)
        parts[count++] = n->name;
    size_t used = 0;
    path[0] = '\0';
    while (count-- > 0 && used < room)
        used += (size_t)snprintf(path + used, room - used, "/%s", parts[count]);
}

static bool part_matches(const char *part, const struct node *n, const char *name)
{
    char path[512];

    if (part[0] == '\0')
        return true;
    path_of(n, name, path, sizeof(path));
    return strstr(path, part) != NULL;
}

static const char *kind_name(enum kind kind)
{
    switch (kind) {
    case KIND_WRITE: return "write";
    case KIND_SYNC: return "sync";
    case KIND_SYNCDIR: return "syncdir";
    case KIND_RENAME: return "rename";
    case KIND_CREATE: return "create";
    case KIND_REMOVE: return "remove";
    case KIND_ALLOCATE: return "allocate";
    case KIND_ANY: break;
    }
    return "any";
}

static unsigned kinds_named(const char *text)
{
    for (unsigned k = 1; k < KIND_ANY; k *= 2)
        if (strcmp(text, kind_name((enum kind)k)) == 0)
            return k;
    return strcmp(text, "any") == 0 ? KIND_ANY : 0;
}

int powerfs_verdict(struct powerfs *fs, enum kind kind, const struct node *n, const char *name)
{
    if (fs->is_due)
        return EIO;
    if (fs->is_ordered && (fs->at_kinds & kind) != 0 && part_matches(fs->at_part, n, name)) {
        fs->is_due = true;
        fs->cut_at = kind_name(kind);
        /* Before the operation, or right behind it. */
        return image_random(&fs->seed) % 2 == 0 ? EIO : 0;
    }
    struct fault *f = &fs->fault;
    if ((f->kinds & kind) != 0 && part_matches(f->part, n, name)) {
        if (f->left > 0 && --f->left == 0)
            f->kinds = 0;
        fs->faults++;
        return f->error;
    }
    return 0;
}

/* ---- orders ---- */

static void answer(const char *text)
{
    printf("%s\n", text);
    (void)fflush(stdout);
}

/* cut SEED [KIND MS [PART]] */
static void order_cut(struct powerfs *fs, const char *line)
{
    char kind[16] = "", part[PART_MAX] = "";
    unsigned long long seed = 0, ms = 0;
    int n = sscanf(line, "cut %llu %15s %llu %127s", &seed, kind, &ms, part);

    if (n != 1 && n < 3) {
        answer("error: cut SEED [KIND MS [PART]]");
        return;
    }
    fs->seed = seed;
    fs->is_ordered = true;
    fs->cut_at = "once";
    fs->at_kinds = n >= 3 ? kinds_named(kind) : 0;
    fs->due_ms = mono_ms() + (int64_t)ms;
    memcpy(fs->at_part, part, sizeof(part));
    fs->is_due = fs->at_kinds == 0;
}

/* A lie is told of syncs and writes only; count 0 = until healed. */
static int error_named(const char *text)
{
    return strcmp(text, "ENOSPC") == 0 ? ENOSPC : strcmp(text, "LIE") == 0 ? LIE : EIO;
}

/* fault KIND ERROR COUNT [PART] */
static void order_fault(struct powerfs *fs, const char *line)
{
    char kind[16], error[16];
    struct fault f = {0};
    unsigned long long count;

    if (sscanf(line, "fault %15s %15s %llu %127s", kind, error, &count, f.part) < 3) {
        answer("error: fault KIND EIO|ENOSPC|LIE COUNT [PART]");
        return;
    }
    f.kinds = kinds_named(kind);
    f.error = error_named(error);
    if (f.error == LIE)
        f.kinds &= KIND_WRITE | KIND_SYNC | KIND_SYNCDIR;
    f.left = count;
    fs->fault = f;
    answer(f.kinds != 0 ? "{\"ok\": true}" : "error: no such kind of operation");
}

static void answer_stats(const struct powerfs *fs)
{
    printf("{\"writes\": %" PRIu64 ", \"syncs\": %" PRIu64 ", \"folder_syncs\": %" PRIu64
           ", \"renames\": %" PRIu64 ", \"creates\": %" PRIu64 ", \"removes\": %" PRIu64
           ", \"faults\": %" PRIu64 ", \"bytes\": %" PRIu64 "}\n",
           fs->writes, fs->syncs, fs->folder_syncs, fs->renames, fs->creates, fs->removes,
           fs->faults, image_bytes(fs->image));
    (void)fflush(stdout);
}

bool powerfs_command(struct powerfs *fs, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "cut ", 4) == 0) {
        order_cut(fs, line);
    } else if (strncmp(line, "fault ", 6) == 0) {
        order_fault(fs, line);
    } else if (strcmp(line, "heal") == 0) {
        fs->fault = (struct fault){0};
        answer_stats(fs);
    } else if (strcmp(line, "stats") == 0) {
        answer_stats(fs);
    } else if (strcmp(line, "quit") == 0) {
        return false;
    } else {
        answer("error: cut, fault, heal, stats, quit");
    }
    return true;
}

static void cut(struct powerfs *fs)
{
    struct cut_report r = image_cut(fs->image, fs->seed);

    fs->is_ordered = fs->is_due = false;
    fs->fault = (struct fault){0};
    printf("{\"at\": \"%s\", \"files\": %" PRIu64 ", \"sectors\": %" PRIu64
           ", \"sectors_kept\": %" PRIu64 ", \"sizes\": %" PRIu64 ", \"sizes_kept\": %" PRIu64
           ", \"names\": %" PRIu64 ", \"names_kept\": %" PRIu64 "}\n",
           fs->cut_at, r.files, r.sectors, r.sectors_kept, r.sizes, r.sizes_kept, r.names,
           r.names_kept);
}

/* ---- serving ---- */

static struct fuse_session *session_open(struct powerfs *fs)
{
    char *argv[] = {(char *)"sluice-powerfs", (char *)"-ofsname=sluice-powerfs"};
    struct fuse_args args = FUSE_ARGS_INIT(2, argv);
    struct fuse_session *se = fuse_session_new(&args, &powerfs_ops, sizeof(powerfs_ops), fs);

    fuse_opt_free_args(&args);
    if (se == NULL)
        return NULL;
    if (fuse_session_mount(se, fs->mount_point) != 0) {
        fuse_session_destroy(se);
        return NULL;
    }
    /* A request that was taken back after poll() saw it must not block us. */
    int fd = fuse_session_fd(se);
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return se;
}

static void session_close(struct fuse_session *se)
{
    fuse_session_unmount(se);
    fuse_session_destroy(se);
}

/* Serve until a cut is due (true) or the end (false). */
static bool serve(struct powerfs *fs, struct fuse_session *se)
{
    static char line[LINE_MAX_BYTES];
    struct fuse_buf buf = {0};
    struct pollfd fds[] = {{fuse_session_fd(se), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    bool goes_on = true;

    while (goes_on && !fs->is_due && !told_to_end) {
        int64_t left = fs->is_ordered ? fs->due_ms - mono_ms() : WAIT_MS;
        fs->is_due = fs->is_ordered && left <= 0;
        if (fs->is_due || (poll(fds, 2, (int)(left < WAIT_MS ? left : WAIT_MS)) < 0))
            continue;
        if (fds[0].revents != 0) {
            int got = fuse_session_receive_buf(se, &buf);
            if (got > 0)
                fuse_session_process_buf(se, &buf);
            goes_on = got > 0 || got == -EINTR || got == -EAGAIN;
        } else if (fds[1].revents != 0) {
            goes_on = fgets(line, sizeof(line), stdin) != NULL && powerfs_command(fs, line);
        }
        image_sweep(fs->image);
    }
    free(buf.mem);
    return fs->is_due;
}

static void on_signal(int number)
{
    (void)number;
    told_to_end = 1;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: sluice-powerfs MOUNTPOINT\n");
        return 2;
    }
    struct sigaction end = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGTERM, &end, NULL);
    (void)sigaction(SIGINT, &ignore, NULL); /* the driver tells */
    (void)sigaction(SIGPIPE, &ignore, NULL);
    struct powerfs fs = {.image = image_new(), .mount_point = argv[1]};
    (void)setvbuf(stdin, NULL, _IONBF, 0); /* poll() must see what is there */
    for (bool again = true; again;) {
        struct fuse_session *se = session_open(&fs);
        if (se == NULL) {
            fprintf(stderr, "sluice-powerfs: cannot mount on %s (is /dev/fuse there?)\n", argv[1]);
            return 3;
        }
        answer("mounted");
        again = serve(&fs, se);
        session_close(se);
        if (again)
            cut(&fs);
    }
    image_free(fs.image);
    return 0;
}
