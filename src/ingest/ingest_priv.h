/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the driver shows the other files of ingest. */

#include "ingest/ingest.h"

#include "catalog/catalog.h"

const struct ingest_options *ingest__options(const struct ingest *in);
/* The fence of lookups: never goes back. Any thread. */
void ingest__raise_last_pos(struct catalog_table *t, uint64_t pos);
