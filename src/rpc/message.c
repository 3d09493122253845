/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A received message: the core's byte buffer, and its bytes in one piece. A buffer of one slice is
 * shown where it lies; several slices (the message crossed a frame or a read) are copied together
 * when the bytes are first asked for, and the core's memory is given back then.
 */
#include "rpc_priv.h"

#include "base/mem.h"
#include "base/must.h"

#include <grpc/byte_buffer.h>
#include <grpc/slice_buffer.h>

static const uint8_t no_bytes[1];

struct rpc_message *rpc__message_new(struct rpc__pool *pool, grpc_byte_buffer *buffer)
{
    must(buffer->type == GRPC_BB_RAW);
    struct rpc_message *m = rpc__pool_get(pool);
    m->pool = pool;
    m->buffer = buffer;
    m->flat = NULL;
    m->bytes = SLICE_NULL;
    return m;
}

static void flatten(struct rpc_message *m, const grpc_slice_buffer *parts)
{
    m->flat = mem_alloc(parts->length);
    size_t at = 0;
    for (size_t i = 0; i < parts->count; i++) {
        memcpy(m->flat + at, GRPC_SLICE_START_PTR(parts->slices[i]),
               GRPC_SLICE_LENGTH(parts->slices[i]));
        at += GRPC_SLICE_LENGTH(parts->slices[i]);
    }
    must(at == parts->length);
    m->bytes = slice_of(m->flat, at);
    grpc_byte_buffer_destroy(TAKE(m->buffer));
}

struct slice rpc_message_bytes(struct rpc_message *m)
{
    if (m->bytes.data)
        return m->bytes;
    const grpc_slice_buffer *parts = &m->buffer->data.raw.slice_buffer;
    if (parts->length == 0)
        m->bytes = slice_of(no_bytes, 0);
    else if (parts->count == 1)
        m->bytes = slice_of(GRPC_SLICE_START_PTR(parts->slices[0]), parts->length);
    else
        flatten(m, parts);
    return m->bytes;
}

void rpc_message_free(struct rpc_message *m)
{
    if (!m)
        return;
    if (m->buffer)
        grpc_byte_buffer_destroy(m->buffer);
    mem_free(m->flat);
    rpc__pool_put(m->pool, &m->node);
}
