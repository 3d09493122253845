/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A catalog over a real log in a folder of its own. */

#include "test.h"

#include "base/mem.h"
#include "catalog_priv.h"
#include "codec/codec.h"

#include <stdio.h>
#include <stdlib.h>

struct rig {
    char path[64];
    struct sys *sys;
    struct bronze *log;
    struct catalog *c;
    struct err e;
};

void rig_up(struct rig *x);
void rig_down(struct rig *x);
void rig_restart(struct rig *x); /* clean stop, then start from the log */

/* The control frames of the log, copied. */
struct rig_frames {
    struct bronze_frame *frames;
    size_t count;
};
struct rig_frames rig_controls(struct rig *x);
void rig_frames_free(struct rig_frames *f);
/* The first frame from @at that holds a record of this case. */
size_t rig_find(const struct rig_frames *f, size_t at, Sluice__Control__Record__WhatCase what);
/* A catalog that has seen frames [from, to) and no log. */
struct catalog *rig_replay(struct rig *x, const struct rig_frames *f, size_t from, size_t to);

#define RIG_DDL "icao STRING NOT NULL, lat DOUBLE, n BIGINT"
/* A reference to the new table, key column icao. */
struct catalog_table *rig_table(struct rig *x, const char *name);
void rig_token(struct rig *x, const char *name, const char *grant, uint8_t secret);
/* Descriptor bytes that fit RIG_DDL; @message_name makes them differ. */
void rig_descriptor(struct rig *x, const char *message_name, struct buf *out);
