/* SPDX-License-Identifier: Apache-2.0 */
/* What `sluice` prints: a grid for people (aligned on a terminal, tabs elsewhere), JSON for
 * machines. */
#include "cli_priv.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void cli_grid_cell(struct cli_grid *g, const char *fmt, ...)
{
    char text[1024]; /* longer cells are cut: a grid is for people */
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    buf_add(&g->cells, text, strlen(text) + 1);
    g->count++;
}

static void print_aligned(const struct cli_grid *g)
{
    int *widths = mem_calloc((size_t)g->columns, sizeof(*widths));
    const char *p = (const char *)g->cells.data;
    for (int i = 0; i < g->count; i++, p += strlen(p) + 1)
        widths[i % g->columns] = MAX(widths[i % g->columns], (int)strlen(p));
    p = (const char *)g->cells.data;
    for (int i = 0; i < g->count; i++, p += strlen(p) + 1) {
        bool last = i % g->columns == g->columns - 1;
        bool heading = i < g->columns;
        printf("%s%-*s%s%s", heading ? "\033[1m" : "", last ? 0 : widths[i % g->columns], p,
               heading ? "\033[0m" : "", last ? "\n" : "  ");
    }
    mem_free(widths);
}

void cli_grid_print(struct cli_grid *g)
{
    if (isatty(STDOUT_FILENO)) {
        print_aligned(g);
    } else {
        const char *p = (const char *)g->cells.data;
        for (int i = 0; i < g->count; i++, p += strlen(p) + 1)
            printf("%s%c", p, i % g->columns == g->columns - 1 ? '\n' : '\t');
    }
    buf_deinit(&g->cells);
}

void cli_json_print(struct buf *out)
{
    printf("%s\n", buf_cstr(out));
    buf_deinit(out);
}
