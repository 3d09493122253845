/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The first byte of a variant's value: basic type in the low two bits, above them the primitive's
 * type, the short string's length or the sizes in an object's or array's header. */

enum {
    VARIANT__PRIMITIVE = 0,
    VARIANT__SHORT_STRING = 1, /* of up to 63 bytes */
    VARIANT__OBJECT = 2,
    VARIANT__ARRAY = 3,
};

/* The primitives that JSON has; there are more, for dates, binaries and so on. */
enum {
    VARIANT__NULL = 0,
    VARIANT__TRUE = 1,
    VARIANT__FALSE = 2,
    VARIANT__INT8 = 3, /* then 16, 32, 64 bits */
    VARIANT__INT64 = 6,
    VARIANT__DOUBLE = 7,
    VARIANT__DECIMAL4 = 8, /* scale, then 4 bytes; then those of 8 and 16 bytes */
    VARIANT__DECIMAL16 = 10,
    VARIANT__STRING = 16,
};
