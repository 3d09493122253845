/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of the simulator share. All of it is guarded by the simulator's one mutex. */

#include "sys/sim.h"
#include "sys_priv.h"

#define SIM_NAME_BYTES_MAX 255
#define SIM_SECTOR         512u /* what a disk writes whole or not at all */

struct sim_bytes {
    uint8_t *data;
    size_t len, cap;
};

struct sim_node;
struct sim_entry {
    char *name;
    struct sim_node *node;
};
struct sim_folder {
    struct sim_entry *entries;
    size_t count;
};

/* A file or a folder, each as the process sees it (live) and as a power loss leaves it (synced). */
struct sim_node {
    bool is_folder;
    unsigned refs; /* names and open files */
    struct sim_bytes live, synced;
    size_t dirty_from, dirty_to; /* where they differ at most, apart from DSYNC writes */
    struct sim_folder names, synced_names;
    uint64_t modified_ns; /* a file's */
    const struct sim_file *lock;
    struct sim_node *next, **link; /* all nodes of the simulator */
};

struct sim {
    struct sys base;
    struct sys_mutex lock;
    uint64_t now_ns, random;
    uint32_t life; /* number of ends; files and rings of an earlier life are dead */
    unsigned open_files;
    struct sim_node *root, *nodes;
    struct sim_file *files; /* all that are open, dead ones too */
    struct sim_ring *rings;
    struct sim_late *late;
    struct sys_sim_faults faults; /* `under` is owned */
    struct sim_order *orders;     /* oldest first */
    uint64_t capacity;
    uint64_t hits[SYS_SIM_FAULT_COUNT];
    sys_sim_sleep_fn *sleep_fn;
    void *sleep_ctx;
};

struct sim_file {
    struct sys_file base;
    struct sim_node *node; /* NULL: dead, and nothing of it is under way */
    uint32_t life;
    unsigned refs; /* the owner and ring writes in flight: a lock outlives them all */
    unsigned late; /* writes of its dead life that will still land */
    struct sim_file *next, **link;
};

/* A ring write in flight. */
struct sim_pending {
    struct sim_file *file;
    const void *buf;
    size_t len;
    uint64_t offset, tag;
    uint64_t not_before_ns;
    uint64_t number; /* order of starts */
    size_t done_len; /* less than len: it fails, and only so much is written */
};

struct sim_ring {
    struct sys_ring base;
    struct sim *sim;
    uint32_t life;
    struct sys_event wakes;
    uint32_t wakes_seen;
    uint64_t next_number;
    struct sim_ring *next, **link;
    unsigned count;
    struct sim_pending pending[];
};

/* A write of a killed life that has not landed yet. */
struct sim_late {
    struct sim_file *file;
    uint8_t *data;
    size_t len;
    uint64_t offset, due_ns;
    struct sim_late *next;
};

/* nodes (sim_node.c) */
struct sim_node *sys__sim_node_new(struct sim *s, bool is_folder); /* no reference yet */
void sys__sim_node_unref(struct sim_node *n);
void sys__sim_node_revert(struct sim_node *n); /* live becomes what is synced */
void sys__sim_nodes_free(struct sim *s);
void sys__sim_bytes_resize(struct sim_bytes *b, size_t len);
void sys__sim_bytes_copy(struct sim_bytes *to, const struct sim_bytes *from);
struct sim_node *sys__sim_folder_find(const struct sim_folder *f, const char *name);
void sys__sim_folder_set(struct sim_folder *f, const char *name, struct sim_node *n);
void sys__sim_folder_remove(struct sim_folder *f, const char *name);
void sys__sim_folder_copy(struct sim_folder *to, const struct sim_folder *from);
/* Both return 0 or an errno value. The root's name is empty. */
int sys__sim_find(struct sim *s, const char *path, struct sim_node **ret_node);
int sys__sim_find_parent(struct sim *s, const char *path, struct sim_node **ret_folder,
                         char ret_name[SIM_NAME_BYTES_MAX + 1]);

uint64_t sys__sim_random(struct sim *s);
int64_t sys__sim_wall_us(uint64_t mono_ns);
uint64_t sys__sim_below(struct sim *s, uint64_t n); /* 0..n-1 */
void sys__sim_pass(struct sim *s, uint64_t ns);     /* time; late writes land */
void sys__sim_sleep(struct sys *s, uint64_t ns);    /* without the mutex */

/* faults (sim_fault.c); with the mutex held */
bool sys__sim_strikes(struct sim *s, enum sys_sim_fault f, const char *path);
/* What a write or sync of @path has to wait before it begins; 0 mostly. Takes the mutex. */
uint64_t sys__sim_delay_ns(struct sim *s, const char *path);
uint64_t sys__sim_draw_delay(struct sim *s, const char *path);
/* How much of a write of @len bytes is done: less means that it fails. */
size_t sys__sim_draw_len(struct sim *s, const char *path, size_t len);
bool sys__sim_has_space(struct sim *s, uint64_t more);
void sys__sim_faults_free(struct sim *s);

/* ends of lives (sim_end.c); with the mutex held */
void sys__sim_land_late(struct sim *s);
void sys__sim_late_free(struct sim *s);

/* files (sim_file.c) */
int sys__sim_open(struct sys *s, const char *path, unsigned flags, struct sys_file **ret_file,
                  struct err *e);
void sys__sim_close(struct sys_file *f);
int sys__sim_read_some(struct sys_file *f, void *buf, size_t len, uint64_t offset, size_t *ret_len,
                       struct err *e);
int sys__sim_write(struct sys_file *f, const void *buf, size_t len, uint64_t offset, struct err *e);
int sys__sim_sync(struct sys_file *f, struct err *e);
int sys__sim_size(struct sys_file *f, uint64_t *ret_size, struct err *e);
int sys__sim_allocate(struct sys_file *f, uint64_t size, struct err *e);
int sys__sim_truncate(struct sys_file *f, uint64_t size, struct err *e);
int sys__sim_try_lock(struct sys_file *f, struct err *e);
/* With the mutex held, for the ring; @len bytes of a write. An errno value. */
int sys__sim_apply(struct sim_file *f, const void *buf, size_t len, uint64_t offset,
                   bool is_durable);
void sys__sim_mark_dirty(struct sim_node *n, size_t from, size_t to);
/* Bytes onto the disk itself, synced. */
void sys__sim_put_synced(struct sim_node *n, const void *buf, size_t len, size_t offset);
void sys__sim_file_unref(struct sim_file *f);
void sys__sim_file_unlock(struct sim_file *f);

/* names (sim_name.c) */
int sys__sim_mkdir(struct sys *s, const char *path, struct err *e);
int sys__sim_sync_dir(struct sys *s, const char *path, struct err *e);
int sys__sim_unlink(struct sys *s, const char *path, struct err *e);
int sys__sim_rename(struct sys *s, const char *from, const char *to, bool may_replace,
                    struct err *e);
int sys__sim_exists(struct sys *s, const char *path, bool *ret_exists, struct err *e);
int sys__sim_stat(struct sys *s, const char *path, struct sys_stat *ret_stat, struct err *e);
int sys__sim_free_bytes(struct sys *s, const char *path, uint64_t *ret_bytes, struct err *e);
int sys__sim_list(struct sys *s, const char *path, struct sys_names *names, struct err *e);

/* the ring (sim_ring.c) */
int sys__sim_ring_new(struct sys *s, unsigned depth, struct sys_ring **ret_ring, struct err *e);
