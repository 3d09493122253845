/* SPDX-License-Identifier: Apache-2.0 */
/* Real folders and names. Any thread. */
#include "sys_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define FOLDER_MODE 0750

int sys__name_mkdir(struct sys *s, const char *path, struct err *e)
{
    (void)s;
    if (mkdir(path, FOLDER_MODE) < 0)
        return sys__fail(e, errno, path, "make the folder");
    return 0;
}

int sys__name_sync_dir(struct sys *s, const char *path, struct err *e)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed;

    (void)s;
    if (fd < 0)
        return sys__fail(e, errno, path, "open the folder");
    failed = fsync(fd) < 0 ? errno : 0;
    (void)close(fd);
    return failed != 0 ? sys__fail(e, failed, path, "sync the folder") : 0;
}

int sys__name_unlink(struct sys *s, const char *path, struct err *e)
{
    (void)s;
    if (unlink(path) < 0)
        return sys__fail(e, errno, path, "remove it");
    return 0;
}

int sys__name_rename(struct sys *s, const char *from, const char *to, bool may_replace,
                     struct err *e)
{
    (void)s;
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, may_replace ? 0 : RENAME_NOREPLACE) == 0)
        return 0;
    int failed = errno;
    return err_set(e, err_from_errno(failed), "%s: cannot rename it to %s: %s", from, to,
                   strerrordesc_np(failed));
}

int sys__name_exists(struct sys *s, const char *path, bool *ret_exists, struct err *e)
{
    struct stat st;

    (void)s;
    if (lstat(path, &st) == 0) {
        *ret_exists = true;
        return 0;
    }
    if (errno != ENOENT && errno != ENOTDIR)
        return sys__fail(e, errno, path, "look for it");
    *ret_exists = false;
    return 0;
}

int sys__name_stat(struct sys *s, const char *path, struct sys_stat *ret_stat, struct err *e)
{
    struct stat st;

    (void)s;
    if (stat(path, &st) < 0)
        return sys__fail(e, errno, path, "look at it");
    *ret_stat = (struct sys_stat){
        .is_folder = S_ISDIR(st.st_mode),
        .size = (uint64_t)st.st_size,
        .modified_us = (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000,
    };
    return 0;
}

int sys__name_free_bytes(struct sys *s, const char *path, uint64_t *ret_bytes, struct err *e)
{
    struct statvfs st;

    (void)s;
    if (statvfs(path, &st) < 0)
        return sys__fail(e, errno, path, "read its free space");
    *ret_bytes = (uint64_t)st.f_bavail * st.f_frsize;
    return 0;
}

int sys__name_list(struct sys *s, const char *path, struct sys_names *names, struct err *e)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    int failed;

    (void)s;
    if (dir == NULL)
        return sys__fail(e, errno, path, "list the folder");
    for (errno = 0; (entry = readdir(dir)) != NULL; errno = 0) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            sys__names_add(names, entry->d_name);
    }
    failed = errno;
    (void)closedir(dir);
    return failed != 0 ? sys__fail(e, failed, path, "list the folder") : 0;
}
