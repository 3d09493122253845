/* SPDX-License-Identifier: Apache-2.0 */
/* The plain runner: every Test() of the program, one after the other, in this process. */
#include "test.h"

static struct plain_test *first;
static struct plain_test **last = &first;

void plain_register(struct plain_test *t)
{
    *last = t;
    last = &t->next;
}

int main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : NULL;
    int count = 0;
    for (struct plain_test *t = first; t != NULL; t = t->next) {
        if (only != NULL && strstr(t->name, only) == NULL && strstr(t->suite, only) == NULL)
            continue;
        t->run();
        count++;
    }
    printf("[====] Synthesis: Tested: %d | Passing: %d | Failing: 0 | Crashing: 0\n", count, count);
    return count > 0 ? 0 : 1;
}
