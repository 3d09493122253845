/* SPDX-License-Identifier: Apache-2.0 */
/* A row straight into a column batch. Thread: the batch's. Takes 64 KiB of stack. */
#include "codec_priv.h"

int codec_decode_into(const struct codec_plan *p, struct slice row, struct arena *arena,
                      struct row_batch *batch)
{
    struct row_value values[COLUMNS_MAX];
    if (arena != NULL)
        arena_reset(arena);
    TRY(codec_decode(p, row, arena, values));
    row_batch_append(batch, values);
    return 0;
}
