/* SPDX-License-Identifier: Apache-2.0 */
/* Removing a folder that holds files only, and where the lake is: <data>/LAKE. */
#include "rescue/rescue.h"
#include "rescue_priv.h"

#include "base/mem.h"
#include "store/store.h"

#include <string.h>

#define LAKE_BYTES_MAX 65536

int rescue__remove_folder(struct sys *s, const char *path, struct err *e)
{
    bool exists;
    TRY(sys_exists(s, path, &exists, e));
    if (!exists)
        return 0;
    struct sys_stat st;
    TRY(sys_stat(s, path, &st, e));
    if (!st.is_folder)
        return sys_unlink(s, path, e);
    struct sys_names names;
    TRY(sys_list(s, path, &names, e));
    int r = 0;
    for (size_t i = 0; i < names.count && r == 0; i++) {
        _cleanup_(mem_freep) char *name = mem_printf("%s/%s", path, names.names[i]);
        r = sys_unlink(s, name, e);
    }
    sys_names_deinit(&names);
    return r < 0 ? r : store_destroy(path, e); /* it is empty now */
}

int rescue_note_lake(struct sys *s, const char *data, const char *lake, struct err *e)
{
    char *noted = NULL;
    if (rescue_noted_lake(s, data, &noted, NULL) == 0) {
        bool same = strcmp(noted, lake) == 0;
        mem_free(noted);
        if (same)
            return 0;
    }
    _cleanup_(mem_freep) char *path = mem_printf("%s/LAKE", data);
    _cleanup_(mem_freep) char *line = mem_printf("%s\n", lake);
    return sys_write_file(s, path, slice_str(line), e);
}

int rescue_noted_lake(struct sys *s, const char *data, char **ret_lake, struct err *e)
{
    _cleanup_(mem_freep) char *path = mem_printf("%s/LAKE", data);
    char *text = NULL;
    size_t len;
    TRY(sys_read_file(s, path, LAKE_BYTES_MAX, &text, &len, e));
    if (len > 0 && text[len - 1] == '\n')
        len--;
    *ret_lake = mem_strndup(text, len);
    mem_free(text);
    return 0;
}
