/* SPDX-License-Identifier: Apache-2.0 */
/* Names that tie a Delta table to its log. Who writes them and who looks for them ask here. */
#include "delta/delta.h"

#include "base/uuid.h"

#include "delta_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "sluice-"
#define SUFFIX ".zstd.parquet"
#define DIGITS 20

void delta_app_id(const struct uuid *log, uint64_t timeline, uint32_t table_id,
                  char ret_app_id[DELTA_NAME_MAX])
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(log, text);
    (void)snprintf(ret_app_id, DELTA_NAME_MAX, DELTA_APP_PREFIX "0/%s/%llu/%u", text,
                   (unsigned long long)timeline, table_id);
}

void delta_data_name(uint64_t first_pos, const struct uuid *unique, char ret_name[DELTA_NAME_MAX])
{
    char text[UUID_TEXT_LEN + 1];
    uuid_format(unique, text);
    (void)snprintf(ret_name, DELTA_NAME_MAX, PREFIX "%0*llu-%s" SUFFIX, DIGITS,
                   (unsigned long long)first_pos, text);
}

uint64_t delta_data_name_pos(const char *name)
{
    size_t len = strlen(name), prefix = strlen(PREFIX);
    if (len != prefix + DIGITS + 1 + UUID_TEXT_LEN + strlen(SUFFIX) ||
        strncmp(name, PREFIX, prefix) != 0 || strspn(name + prefix, "0123456789") != DIGITS ||
        name[prefix + DIGITS] != '-' ||
        strspn(name + prefix + DIGITS + 1, "0123456789abcdef-") != UUID_TEXT_LEN ||
        strcmp(name + len - strlen(SUFFIX), SUFFIX) != 0)
        return 0;
    return strtoull(name + prefix, NULL, 10);
}
