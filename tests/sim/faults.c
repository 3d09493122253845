/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes wrong in a run, drawn from the seed: when and how a life ends, and what disk and lake
 * do meanwhile.
 */
#include "sim.h"

#include "objstore/objstore.h"
#include "sys/sim.h"

#include <stdio.h>
#include <string.h>

#define ARM_TURNS 3000

const char *sim_fault_name(unsigned f)
{
    static const char *const names[] = {
#define FAULT_NAME(id, name) name,
        SIM_FAULTS(FAULT_NAME)
#undef FAULT_NAME
    };
    return names[f];
}

_Noreturn void sim_die(struct world *w, enum sim_death how)
{
    static const char *const words[] = {"", "power loss", "kill", "fail-stop", "damage"};
    sim_trace(w, "death by %s", words[how]);
    w->how = how;
    w->running = false;
    if (how == DEATH_POWER) {
        w->r.faults[FAULT_POWER_LOSS]++;
        sys_sim_power_loss(w->sys);
    } else {
        w->r.faults[FAULT_KILL] += how == DEATH_KILL;
        sys_sim_kill(w->sys);
    }
    longjmp(w->death, 1);
}

void sim_on_point(void *ctx, enum sys_point p)
{
    struct world *w = ctx;
    w->r.points[p]++;
    if (!w->arm.set || !w->arm.at_point || w->arm.point != p || w->r.events < w->arm.events)
        return;
    if (--w->arm.passes > 0)
        return;
    sim_trace(w, "at point %s", sys_point_name(p));
    w->r.crashed[p]++;
    w->r.faults[FAULT_AT_POINT]++;
    w->r.faults[FAULT_IN_RECOVERY] += !w->running;
    w->arm.set = false;
    sim_die(w, w->arm.how);
}

void sim_on_must(void *ctx, const char *sentence)
{
    struct world *w = ctx;
    (void)snprintf(w->last_words, sizeof(w->last_words), "%s", sentence);
    sim_trace(w, "the server ends itself: %.150s", sentence);
    sim_violation(w, "I8", "the server ended itself without a reason: %s", sentence);
}

void sim_faults_boot(struct world *w)
{
    uint64_t per_life = w->events_wanted / (w->crashes_wanted + 1);
    w->arm = (struct sim_arm){0};
    if (w->o.calm || w->r.crashes >= w->crashes_wanted)
        return;
    w->arm = (struct sim_arm){
        .set = true,
        .at_point = !sim_one_in(w, 4),
        .point = (enum sys_point)sim_below(w, SYS_POINT_COUNT),
        .passes = 1 + (unsigned)(sim_one_in(w, 2) ? sim_below(w, 4) : 0),
        .how = sim_one_in(w, 2) ? DEATH_POWER : DEATH_KILL,
        .events = sim_one_in(w, 4) ? 0 : w->r.events + sim_between(w, per_life / 2, per_life),
        .turns = ARM_TURNS,
    };
    sim_trace(w, "armed: %s, at event %llu", w->arm.at_point ? sys_point_name(w->arm.point) : "any",
              (unsigned long long)w->arm.events);
}

void sim_faults_turn(struct world *w)
{
    if (!w->arm.set || w->r.events < w->arm.events)
        return;
    if (w->arm.at_point && w->arm.turns-- > 0)
        return;
    w->arm.set = false;
    w->r.faults[FAULT_BETWEEN]++;
    sim_die(w, w->arm.how);
}

void sim_faults_pause(struct world *w, bool pause)
{
    w->paused += pause ? 1 : -1;
    sys_set_point_hook(w->sys, w->paused > 0 ? NULL : sim_on_point, w);
}
