/* SPDX-License-Identifier: Apache-2.0 */
/* The world's dice: splitmix64, as in the simulated kernel, from a stream of its own. */
#include "sim.h"

uint64_t sim_random(struct world *w)
{
    uint64_t z = (w->chance += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t sim_below(struct world *w, uint64_t n)
{
    return n == 0 ? 0 : sim_random(w) % n;
}

bool sim_one_in(struct world *w, uint64_t n)
{
    return sim_below(w, n) == 0;
}

uint64_t sim_between(struct world *w, uint64_t from, uint64_t to)
{
    return from + sim_below(w, to - from + 1);
}
