/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Attributes and the two idioms of ownership: _cleanup_(x_freep) for locals, TAKE(p) to hand on. */

#define must_use               __attribute__((warn_unused_result))
#define _cleanup_(f)           __attribute__((cleanup(f)))
#define printf_like(fmt, args) __attribute__((format(printf, fmt, args)))
#define likely(x)              __builtin_expect(!!(x), 1)
#define unlikely(x)            __builtin_expect(!!(x), 0)

/* The value of @p, which becomes NULL: ownership moves to whoever reads the expression. */
#define TAKE(p)                                                                                    \
    __extension__({                                                                                \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })

/* Defines name##p(T **) for _cleanup_. */
#define CLEANUP_FUNC(type, f)                                                                      \
    static inline __attribute__((unused)) void f##p(type *p)                                       \
    {                                                                                              \
        if (*p)                                                                                    \
            f(*p);                                                                                 \
    }

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)    ((a) < (b) ? (a) : (b))
#define MAX(a, b)    ((a) > (b) ? (a) : (b))
#define CONTAINER_OF(ptr, type, member)                                                            \
    ((type *)(void *)((char *)(ptr) - __builtin_offsetof(type, member)))
