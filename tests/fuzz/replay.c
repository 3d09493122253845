/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a target over the files of its corpus, without libFuzzer: each file is one test. Each input
 * is handed over in memory of its own size, so that a read beyond it is seen.
 *
 *   replay FILE|FOLDER …
 */
#include "fuzz.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

static unsigned count;

static void run_file(const char *path)
{
    FILE *f = fopen(path, "rbe");
    struct stat st;
    if (f == NULL || fstat(fileno(f), &st) != 0) {
        fprintf(stderr, "%s cannot be read\n", path);
        exit(1);
    }
    size_t size = (size_t)st.st_size;
    uint8_t *data = malloc(size);
    if ((size > 0 && data == NULL) || fread(data, 1, size, f) != size) {
        fprintf(stderr, "%s cannot be read\n", path);
        exit(1);
    }
    (void)fclose(f); /* only read */
    fprintf(stderr, "%s\n", path);
    (void)LLVMFuzzerTestOneInput(data, size); /* always 0 */
    free(data);
    count++;
}

static int is_visible(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static void run_path(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        run_file(path);
        return;
    }
    struct dirent **names;
    int n = scandir(path, &names, is_visible, alphasort);
    for (int i = 0; i < n; i++) {
        char full[4096];
        (void)snprintf(full, sizeof(full), "%s/%s", path, names[i]->d_name); /* cut: not found */
        run_file(full);
        free(names[i]);
    }
    if (n >= 0)
        free(names);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        run_path(argv[i]);
    printf("[====] Synthesis: Tested: %u | Passing: %u | Failing: 0 | Crashing: 0\n", count, count);
    return count > 0 ? 0 : 1;
}
