/* SPDX-License-Identifier: Apache-2.0 */
#include "trace/trace.h"

#include "test.h"

#include <string.h>

/* The sink has no context, so the test needs a place to catch the line in. */
static char caught[4096];
static size_t caught_len;

static void catch_line(const char *line, size_t len)
{
    memcpy(caught, line, len);
    caught[len] = '\0';
    caught_len = len;
}

static void start(void)
{
    caught_len = 0;
    caught[0] = '\0';
    trace_set_level(TRACE_INFO);
    trace_set_sink(catch_line);
}

static void stop(void)
{
    trace_set_level(TRACE_INFO);
    trace_set_sink(NULL);
}

Test(trace_log, writes_time_level_module_and_text)
{
    start();

    LOG_WARN("bronze", "segment %d is full", 7);
    stop();

    cr_assert_eq(caught[4], '-');
    cr_assert_eq(caught[10], 'T');
    cr_assert_eq(caught[19], '.');
    cr_assert_eq(caught[23], 'Z');
    cr_assert_str_eq(caught + 24, " warn bronze: segment 7 is full\n");
}

Test(trace_log, hides_what_is_below_the_level)
{
    start();
    trace_set_level(TRACE_WARN);

    LOG_INFO("bronze", "not this");
    cr_assert_eq(caught_len, 0);

    LOG_ERROR("bronze", "but this");
    stop();
    cr_assert_neq(caught_len, 0);
}

Test(trace_log, keeps_text_from_outside_on_one_line)
{
    start();

    LOG_INFO("ingest", "table '%s'", "a\nb\x1b[2J");
    stop();

    cr_assert_not_null(strstr(caught, "table 'a?b?[2J'\n"));
    cr_assert_eq(strchr(caught, '\n') - caught, (long)caught_len - 1);
}

Test(trace_log, cuts_a_long_line_and_still_ends_it)
{
    char longest[4096];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    start();

    LOG_INFO("ingest", "%s", longest);
    stop();

    cr_assert_leq(caught_len, 2048);
    cr_assert_eq(caught[caught_len - 1], '\n');
    cr_assert_eq(caught[caught_len - 2], 'x');
}
