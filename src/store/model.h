/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* store_open_model()'s powers that only tests and the simulator use. */

struct store;

/* What a crash does: everything since the last flush is gone. No snapshot or iterator is alive. */
void store_model_crash(struct store *model);
