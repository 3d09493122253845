/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include "base/mem.h"

#include <string.h>

#define BLOCK 4096u

/* Four blocks of a letter each. */
static struct sys_file *letters(struct world *w, unsigned flags)
{
    struct sys_file *f = NULL;
    char *block = mem_aligned(BLOCK, BLOCK);

    cr_assert_eq(sys_open(w->s, at(w, 0, "f"), SYS_WRITE | SYS_CREATE, &f, &w->e), 0);
    for (unsigned i = 0; i < 4; i++) {
        memset(block, 'a' + (int)i, BLOCK);
        cr_assert_eq(sys_write(f, block, BLOCK, (uint64_t)i * BLOCK, &w->e), 0);
    }
    cr_assert_eq(sys_sync(f, &w->e), 0);
    sys_close(f);
    mem_free(block);
    cr_assert_eq(sys_open(w->s, at(w, 0, "f"), SYS_READ | flags, &f, &w->e), 0);
    return f;
}

/* Only the ring can read beside its caller; the others say that they cannot. */
CONTRACT(reads_beside_its_caller_where_it_can)
{
    struct sys_file *f = letters(w, SYS_DIRECT);
    struct sys_fetch *ahead = sys_fetch_new(w->s);
    char *now = mem_aligned(BLOCK, BLOCK), *then = mem_aligned(BLOCK, 2 * BLOCK);

    cr_assert_eq(ahead != NULL, w->kind == WORLD_URING);
    for (unsigned i = 0; ahead != NULL && i < 2; i++) {
        cr_assert(sys_fetch_begin(ahead, f, then, 2 * BLOCK, (uint64_t)i * 2 * BLOCK));
        cr_assert_eq(sys_read(f, now, BLOCK, 0, &w->e), 0);
        cr_assert_eq(sys_fetch_end(ahead, &w->e), 0);
        cr_assert_eq(now[BLOCK - 1], 'a');
        cr_assert_eq(then[0], 'a' + (int)(2 * i));
        cr_assert_eq(then[2 * BLOCK - 1], 'b' + (int)(2 * i));
    }
    cr_assert_null(sys_fetch_free(ahead));
    sys_close(f);
    mem_free(now);
    mem_free(then);
}

CONTRACT(fetch_beyond_the_end_says_what_a_read_says)
{
    struct sys_file *f = letters(w, 0);
    struct sys_fetch *ahead = sys_fetch_new(w->s);
    char got[2 * BLOCK];

    cr_assert_eq(ahead != NULL, w->kind == WORLD_URING);
    if (ahead != NULL) {
        cr_assert(sys_fetch_begin(ahead, f, got, sizeof(got), 3 * BLOCK));
        cr_assert_eq(sys_fetch_end(ahead, &w->e), ERR_DAMAGED);
        cr_assert_not_null(strstr(w->e.text, at(w, 0, "f")));
        cr_assert(sys_fetch_begin(ahead, f, got, BLOCK, 3 * BLOCK));
        cr_assert_eq(sys_fetch_end(ahead, &w->e), 0);
        cr_assert_eq(got[0], 'd');
    }
    sys_fetch_free(ahead);
    sys_close(f);
}

CONTRACT(fetch_is_waited_for_when_it_is_freed)
{
    struct sys_file *f = letters(w, SYS_DIRECT);
    struct sys_fetch *ahead = sys_fetch_new(w->s);
    char *then = mem_aligned(BLOCK, 4 * BLOCK);

    cr_assert_eq(ahead != NULL, w->kind == WORLD_URING);
    if (ahead != NULL)
        cr_assert(sys_fetch_begin(ahead, f, then, 4 * BLOCK, 0));
    sys_fetch_free(ahead);
    mem_free(then); /* a write into it now would be found by the sanitizer, or by luck */
    sys_close(f);
}
