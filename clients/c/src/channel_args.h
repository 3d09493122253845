/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Channel arguments of the client. The load tool's stream echo takes the same, so that the latency
 * of an ack and that of an echo differ by the server only.
 *
 *   grpc_arg args[SLUICE__ARGS_MAX];
 *   size_t count = sluice__args(args);
 */

#include <grpc/grpc.h>

#include <stddef.h>
#include <stdint.h>

#define SLUICE__ARGS_MAX 10 /* room for two of the caller's own */

static inline grpc_arg sluice__arg_int(const char *key, int value)
{
    return (grpc_arg){
        .type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)key, .value.integer = value};
}

static inline grpc_arg sluice__arg_text(const char *key, const char *value)
{
    return (grpc_arg){.type = GRPC_ARG_STRING,
                      .key = (char *)(uintptr_t)key,
                      .value.string = (char *)(uintptr_t)value};
}

/* Into @args[SLUICE__ARGS_MAX]; returns how many. Retries would keep a copy of what was sent; a
 * channel of its own is a connection of its own. */
static inline size_t sluice__args(grpc_arg *args)
{
    size_t n = 0;
    args[n++] = sluice__arg_int(GRPC_ARG_ENABLE_RETRIES, 0);
    args[n++] = sluice__arg_int(GRPC_ARG_MINIMAL_STACK, 1);
    args[n++] = sluice__arg_int(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    args[n++] = sluice__arg_int(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    args[n++] = sluice__arg_int(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, 64 * 1024 * 1024);
    args[n++] = sluice__arg_int(GRPC_ARG_MAX_METADATA_SIZE, 32 * 1024);
    args[n++] = sluice__arg_int(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    args[n++] = sluice__arg_text(GRPC_ARG_PRIMARY_USER_AGENT_STRING, "sluice-c/0.1.0");
    return n;
}
