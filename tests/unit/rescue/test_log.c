/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#define TEXT_MAX (1u << 20)

struct found {
    struct rescue_log r;
    char *out, *tell; /* what it wrote */
    size_t out_len, tell_len;
};

static void salvage(struct rig *x, struct found *f)
{
    *f = (struct found){.r = {.data = x->data}};
    f->r.out = open_memstream(&f->out, &f->out_len);
    f->r.tell = open_memstream(&f->tell, &f->tell_len);
    cr_assert_eq(rescue_log(x->sys, &f->r, &x->e), 0, "%s", x->e.text);
    cr_assert_eq(fclose(f->r.out), 0);
    cr_assert_eq(fclose(f->r.tell), 0);
}

static void found_free(struct found *f)
{
    free(f->out);
    free(f->tell);
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        n++;
    return n;
}

Test(rescue_log, a_whole_log_gives_every_row_with_its_place)
{
    struct rig x;
    struct found f;
    rig_up(&x);
    rig_load(&x, 30, 5);
    rig_close(&x);

    salvage(&x, &f);

    cr_assert_eq(f.r.rows, 30);
    cr_assert_eq(f.r.rows_raw, 0);
    cr_assert_eq(f.r.faults, 0);
    cr_assert_eq(count(f.out, "\n"), 30);
    cr_assert_eq(count(f.out, "\"table\":\"a.b.one\""), 20);
    cr_assert_not_null(strstr(f.out, "\"offset\":29"));
    cr_assert_not_null(strstr(f.out, "\"row\":{\"k\":\"key 3\",\"n\":29,\"text\":\"xxxxx\"}"));
    found_free(&f);
    rig_down(&x);
}

Test(rescue_log, a_damaged_block_is_named_and_the_rows_behind_it_are_written)
{
    struct rig x;
    struct found f;
    rig_up(&x);
    rig_load(&x, 40, 2000);
    rig_close(&x);
    char *segment = rig_file(&x, "data/log", ".log", 0);
    rig_flip(segment, 4096 * 20 + 300);

    salvage(&x, &f);

    cr_assert_eq(f.r.faults, 1);
    cr_assert_lt(f.r.rows, 40);
    cr_assert_gt(f.r.rows, 30);
    cr_assert_not_null(strstr(f.out, "\"n\":0,"));
    cr_assert_not_null(strstr(f.out, "\"n\":39,"));
    cr_assert_not_null(strstr(f.tell, strrchr(segment, '/') + 1));
    cr_assert_not_null(strstr(f.tell, "cannot be read"));
    found_free(&f);
    mem_free(segment);
    rig_down(&x);
}

Test(rescue_log, a_segment_without_its_header_is_read_all_the_same)
{
    struct rig x;
    struct found f;
    rig_up(&x);
    rig_load(&x, 10, 5);
    rig_close(&x);
    rig_open(&x);
    rig_close(&x);
    char *segment = rig_file(&x, "data/log", ".log", 0);
    rig_flip(segment, 70);

    salvage(&x, &f);

    cr_assert_geq(f.r.faults, 1);
    cr_assert_eq(f.r.rows, 10);
    cr_assert_not_null(strstr(f.tell, "header"));
    found_free(&f);
    mem_free(segment);
    rig_down(&x);
}

Test(rescue_log, without_header_and_first_block_what_stands_behind_is_read)
{
    struct rig x;
    struct found f;
    rig_up(&x);
    rig_load(&x, 10, 5);
    rig_close(&x);
    char *segment = rig_file(&x, "data/log", ".log", 0);
    rig_flip(segment, 70);
    rig_flip(segment, 4096 + 20); /* the first block's own header */

    salvage(&x, &f);

    cr_assert_geq(f.r.faults, 1);
    cr_assert_eq(f.r.rows, 10);
    found_free(&f);
    mem_free(segment);
    rig_down(&x);
}

/* The record that creates the tables is lost: no descriptor, so the bytes, and nothing guessed. */
Test(rescue_log, rows_that_nothing_renders_are_written_as_bytes)
{
    struct rig x;
    struct found f;
    rig_up(&x);
    rig_load(&x, 5, 5);
    rig_close(&x);
    char *segment = rig_file(&x, "data/log", ".log", 0);
    rig_flip(segment, 4096 + 200); /* the first block: a.b.one */

    salvage(&x, &f);

    cr_assert_eq(f.r.rows, 5);
    cr_assert_eq(f.r.rows_raw, count(f.out, "\"row_base64\":\""));
    cr_assert_gt(f.r.rows_raw, 0);
    cr_assert_not_null(strstr(f.out, "\"table\":null"));
    found_free(&f);
    mem_free(segment);
    rig_down(&x);
}

Test(rescue_log, a_log_in_use_is_refused)
{
    struct rig x;
    rig_up(&x);
    struct rescue_log r = {.data = x.data, .out = stderr, .tell = stderr};

    cr_assert_eq(rescue_log(x.sys, &r, &x.e), ERR_BUSY);

    rig_down(&x);
}
