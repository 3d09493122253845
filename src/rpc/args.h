/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Channel arguments of the servers we build (rule R4): ours, the null sink and the echo that it is
 * measured against. One place, so that a ratio never compares two settings. Those of the clients
 * stand in clients/c/src/channel_args.h.
 * The only face that shows gRPC types: who includes it links the gRPC core itself.
 *
 *   grpc_arg args[RPC_ARGS_MAX];
 *   grpc_channel_args a = {rpc_args_server(args), args};
 */

#include "base/limits.h"

#include <grpc/grpc.h>

#include <stddef.h>
#include <stdint.h>

#define RPC_ARGS_MAX 16

static inline size_t rpc_args__add(grpc_arg *args, size_t count, const char *key, int value)
{
    args[count].type = GRPC_ARG_INTEGER;
    args[count].key = (char *)(uintptr_t)key; /* the core's type lacks the const; it only reads */
    args[count].value.integer = value;
    return count + 1;
}

/* Arguments of a server, into @args[RPC_ARGS_MAX]. Returns how many. */
static inline size_t rpc_args_server(grpc_arg *args)
{
    size_t n = 0;
    /* With probing an unread stream takes 4 MiB; without it exactly the look-ahead. */
    n = rpc_args__add(args, n, GRPC_ARG_HTTP2_BDP_PROBE, 0);
    n = rpc_args__add(args, n, GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, TRANSPORT_LOOKAHEAD_BYTES);
    n = rpc_args__add(args, n, GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, TRANSPORT_MESSAGE_BYTES_MAX);
    n = rpc_args__add(args, n, GRPC_ARG_MAX_METADATA_SIZE, TRANSPORT_METADATA_BYTES_MAX);
    /* Introspection that nobody reads costs memory per call and connection. */
    n = rpc_args__add(args, n, GRPC_ARG_ENABLE_CHANNELZ, 0);
    n = rpc_args__add(args, n, GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    n = rpc_args__add(args, n, GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, TRANSPORT_HANDSHAKE_MS_MAX);
    n = rpc_args__add(args, n, GRPC_ARG_MAX_CONCURRENT_STREAMS, STREAMS_PER_CONNECTION_MAX);
    /* Any rhythm of client pings is fine; none is required. */
    n = rpc_args__add(args, n, GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
    /* A second server on the port must fail, not share it. */
    n = rpc_args__add(args, n, GRPC_ARG_ALLOW_REUSEPORT, 0);
    return n;
}
