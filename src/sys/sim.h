/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What only the simulator can do. Its files live in memory under one root (absolute and relative
 * paths mean the same), its time moves only when somebody sleeps, waits for a ring or advances it,
 * its randomness comes from the seed. Ring writes are done when a wait delivers them, in an order
 * and in portions that the seed chooses; a wait with a timeout of 0 may deliver none.
 */

#include <stdint.h>

struct sys;

/*
 * Power loss: every byte that was not synced, every name whose folder was not synced and every ring
 * write that was not delivered are gone; locks are free. Files and rings that were open answer
 * ERR_IO from now on and still have to be closed and freed.
 */
void sys_sim_crash(struct sys *sim);

void sys_sim_advance(struct sys *sim, uint64_t ns);
