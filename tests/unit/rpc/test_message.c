/* SPDX-License-Identifier: Apache-2.0 */
#include "rpc_priv.h"

#include "test.h"

#include <grpc/byte_buffer.h>

static struct rpc_message *message_of(struct rpc__pool *p, const char *const *parts, size_t count)
{
    grpc_slice slices[4];
    for (size_t i = 0; i < count; i++)
        slices[i] = grpc_slice_from_copied_string(parts[i]);
    grpc_byte_buffer *b = grpc_raw_byte_buffer_create(slices, count);
    for (size_t i = 0; i < count; i++)
        grpc_slice_unref(slices[i]);
    return rpc__message_new(p, b);
}

Test(rpc_message, of_one_slice_is_shown_without_a_copy)
{
    struct rpc__pool p;
    rpc__pool_init(&p, sizeof(struct rpc_message), 4);
    grpc_init();
    struct rpc_message *m =
        message_of(&p, (const char *[]){"a text that is too long to lie inside of a slice"}, 1);

    struct slice s = rpc_message_bytes(m);

    cr_assert(slice_eq(s, slice_str("a text that is too long to lie inside of a slice")));
    cr_assert_eq(s.data, GRPC_SLICE_START_PTR(m->buffer->data.raw.slice_buffer.slices[0]));
    rpc_message_free(m);
    grpc_shutdown();
    rpc__pool_deinit(&p);
}

Test(rpc_message, of_several_slices_is_joined_once)
{
    struct rpc__pool p;
    rpc__pool_init(&p, sizeof(struct rpc_message), 4);
    grpc_init();
    struct rpc_message *m = message_of(&p,
                                       (const char *[]){"the first part, which is long enough, ",
                                                        "and the second, long as well, ", "3"},
                                       3);

    struct slice s = rpc_message_bytes(m);
    struct slice again = rpc_message_bytes(m);

    cr_assert(slice_eq(
        s, slice_str("the first part, which is long enough, and the second, long as well, 3")));
    cr_assert_eq(s.data, again.data);
    cr_assert_null(m->buffer);
    rpc_message_free(m);
    grpc_shutdown();
    rpc__pool_deinit(&p);
}

Test(rpc_message, may_be_empty)
{
    struct rpc__pool p;
    rpc__pool_init(&p, sizeof(struct rpc_message), 4);
    grpc_init();
    struct rpc_message *m = message_of(&p, NULL, 0);

    struct slice s = rpc_message_bytes(m);

    cr_assert_not_null(s.data);
    cr_assert_eq(s.len, 0);
    rpc_message_free(m);
    rpc_message_free(NULL);
    grpc_shutdown();
    rpc__pool_deinit(&p);
}
