/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file. */
#include "test.h"

#include "config_priv.h"

#include "base/buf.h"
#include "sys/sys.h"

#include <stdio.h>
#include <string.h>

#define FOLDERS "data_dir = /d\nlake_dir = /l\n"

/* Read @text as a configuration file; the result of config_read(). */
static int read_text(const char *text, struct config *c, struct err *e)
{
    struct sys *s = sys_new_sim(1);
    cr_assert_eq(sys_write_file(s, "/sluiced.conf", slice_str(text), e), 0);
    int r = config_read(s, "/sluiced.conf", c, e);
    sys_free(s);
    return r;
}

static void check_plain(const char *address, bool is_taken)
{
    char text[256];
    (void)snprintf(text, sizeof(text), FOLDERS "listen_plain = %s\n", address);
    struct config c;
    struct err e = {0};

    int r = read_text(text, &c, &e);

    cr_assert_eq(r, is_taken ? 0 : ERR_INVALID, "%s: %s", address, e.text);
    if (is_taken)
        config_deinit(&c);
    else
        cr_assert_neq(strstr(e.text, "only loopback addresses"), NULL, "%s", e.text);
}

Test(cmd_config, takes_plain_text_at_addresses_of_this_machine)
{
    static const char *const fine[] = {"127.0.0.1:50052", "127.0.0.1:0", "127.255.255.254:1",
                                       "localhost:50052", "[::1]:50052"};
    for (size_t i = 0; i < ARRAY_LEN(fine); i++)
        check_plain(fine[i], true);
}

Test(cmd_config, refuses_plain_text_at_any_other_address)
{
    static const char *const wrong[] = {
        "127.example.com:50052",
        "127.0.0.1.example.com:50052",
        "127.0.0.example:50052",
        "127.0.0.256:50052",
        "0.0.0.0:50052",
        "[::]:50052",
        "128.0.0.1:50052",
        "localhost.example.com:50052",
        "[::2]:50052",
        "127.1:50052",
        "127.0.0.1%2eexample.com:5005",
        "12127.0.0.1:50052",
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        check_plain(wrong[i], false);
}

/* deploy/sluiced.conf with every setting switched on that stands there behind a #. */
static void sample(struct buf *out)
{
    FILE *f = fopen(SLUICE_SAMPLE, "re");
    cr_assert_neq(f, NULL, SLUICE_SAMPLE);
    char line[1024];
    while (fgets(line, sizeof(line), f) != NULL)
        buf_add_str(out, line[0] == '#' && line[1] >= 'a' && line[1] <= 'z' ? line + 1 : line);
    (void)fclose(f);
}

/* The numbers alone. */
static struct config without_texts(struct config c)
{
    c.data_dir = c.lake_dir = c.listen = c.tls_cert = c.tls_key = c.listen_plain = NULL;
    return c;
}

/* That each key stands there is seen by tests/e2e/test_clients.py. */
Test(cmd_config, sample_shows_the_true_defaults)
{
    struct buf text = BUF_NULL;
    sample(&text);
    struct config shown, defaults;
    struct err e = {0};

    cr_assert_eq(read_text(buf_cstr(&text), &shown, &e), 0, "%s", e.text);
    cr_assert_eq(read_text(FOLDERS "listen_plain = 127.0.0.1:1\n", &defaults, &e), 0, "%s", e.text);

    struct config a = without_texts(shown), b = without_texts(defaults);
    cr_assert_eq(memcmp(&a, &b, sizeof(a)), 0);
    cr_assert_str_eq(shown.listen_plain, "127.0.0.1:50052");
    config_deinit(&shown);
    config_deinit(&defaults);
    buf_deinit(&text);
}
