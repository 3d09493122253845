/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes: pages of 4 KiB. A page with sectors that are not durable keeps their durable content in
 * `old`, and its number stands in the file's dirty list; a sync forgets `old`, a cut copies it
 * back. Invariant: a bit of `dirty` is set only while `old` is there and holds that sector.
 *
 * Nodes live until no name (as seen, or durable), no operation that waits and no kernel lookup
 * holds them; image_sweep() marks from these and frees the rest. Names are in names.c.
 */
#include "image_priv.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define SECTORS_PER_PAGE (IMAGE_PAGE / IMAGE_SECTOR)
#define SWEEP_EVERY      256

uint64_t image_random(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static int64_t wall_ns(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

struct node *image__node_new(struct image *im, mode_t mode)
{
    struct node *n = mem_zalloc(sizeof(*n));
    n->id = ++im->last_id;
    n->mode = mode;
    n->mtime_ns = wall_ns();
    if (S_ISDIR(mode)) {
        n->now = mem_zalloc(sizeof(*n->now));
        n->durable = mem_zalloc(sizeof(*n->durable));
    }
    if (im->node_count == im->node_room) {
        im->node_room = im->node_room * 2 + 64;
        im->nodes = mem_realloc(im->nodes, im->node_room * sizeof(struct node *));
    }
    im->nodes[im->node_count++] = n;
    return n;
}

static void pages_free(struct image *im, struct node *n, size_t from)
{
    for (size_t i = from; i < n->page_count; i++) {
        im->pages -= n->pages[i].now != NULL;
        mem_free(n->pages[i].now);
        mem_free(n->pages[i].old);
    }
    n->page_count = n->page_count < from ? n->page_count : from;
}

static void node_free(struct image *im, struct node *n)
{
    pages_free(im, n, 0);
    mem_free(n->pages);
    mem_free(n->dirty);
    mem_free(n->name);
    image__names_free(n->now);
    image__names_free(n->durable);
    mem_free(n);
}

struct image *image_new(void)
{
    struct image *im = mem_zalloc(sizeof(*im));
    im->root = image__node_new(im, S_IFDIR | 0755);
    return im;
}

void image_free(struct image *im)
{
    image__ops_free(im);
    for (size_t i = 0; i < im->node_count; i++)
        node_free(im, im->nodes[i]);
    mem_free(im->nodes);
    mem_free(im);
}

struct node *image_root(struct image *im)
{
    return im->root;
}

uint64_t image_bytes(const struct image *im)
{
    return im->pages * IMAGE_PAGE;
}

/* ---- bytes ---- */

size_t image_read(const struct node *n, void *buf, size_t len, uint64_t offset)
{
    size_t done = 0;

    if (offset >= n->size)
        return 0;
    len = len < n->size - offset ? len : (size_t)(n->size - offset);
    while (done < len) {
        size_t in_page = (offset + done) % IMAGE_PAGE, index = (offset + done) / IMAGE_PAGE;
        size_t some = len - done < IMAGE_PAGE - in_page ? len - done : IMAGE_PAGE - in_page;
        const uint8_t *now = index < n->page_count ? n->pages[index].now : NULL;
        if (now != NULL)
            memcpy((char *)buf + done, now + in_page, some);
        else
            memset((char *)buf + done, 0, some);
        done += some;
    }
    return len;
}

static struct page *page_at(struct node *n, size_t index)
{
    if (index >= n->page_count) {
        size_t count = index + 1 + n->page_count / 2;
        n->pages = mem_realloc(n->pages, count * sizeof(*n->pages));
        memset(n->pages + n->page_count, 0, (count - n->page_count) * sizeof(*n->pages));
        n->page_count = count;
    }
    return &n->pages[index];
}

/* Keep what the disk holds of these sectors, before they change. */
static void page_touch(struct node *n, size_t index, unsigned mask)
{
    struct page *p = page_at(n, index);

    if (p->old == NULL) {
        p->old = mem_zalloc(IMAGE_PAGE);
        if (n->dirty_count == n->dirty_room) {
            n->dirty_room = n->dirty_room * 2 + 64;
            n->dirty = mem_realloc(n->dirty, n->dirty_room * sizeof(*n->dirty));
        }
        n->dirty[n->dirty_count++] = (uint32_t)index;
    }
    for (unsigned s = 0; s < SECTORS_PER_PAGE; s++) {
        if ((mask & ~(unsigned)p->dirty & 1u << s) == 0)
            continue;
        if (p->now != NULL)
            memcpy(p->old + s * IMAGE_SECTOR, p->now + s * IMAGE_SECTOR, IMAGE_SECTOR);
        else
            memset(p->old + s * IMAGE_SECTOR, 0, IMAGE_SECTOR);
    }
    p->dirty |= (uint8_t)mask;
}

/* The sectors of one page that bytes [@from, @to) of it lie in. */
static unsigned sector_mask(size_t from, size_t to)
{
    unsigned first = (unsigned)(from / IMAGE_SECTOR), end = (unsigned)((to - 1) / IMAGE_SECTOR);
    return ((2u << end) - 1) & ~((1u << first) - 1);
}

static void put(struct image *im, struct node *n, const struct span *s)
{
    for (size_t done = 0; done < s->len;) {
        size_t in_page = (s->offset + done) % IMAGE_PAGE, index = (s->offset + done) / IMAGE_PAGE;
        size_t some = IMAGE_PAGE - in_page;
        some = s->len - done < some ? s->len - done : some;
        struct page *p = page_at(n, index);
        if (s->data != NULL || p->now != NULL) {
            page_touch(n, index, sector_mask(in_page, in_page + some));
            if (p->now == NULL) {
                p->now = mem_zalloc(IMAGE_PAGE);
                im->pages++;
            }
            if (s->data != NULL)
                memcpy(p->now + in_page, (const char *)s->data + done, some);
            else
                memset(p->now + in_page, 0, some);
        }
        done += some;
    }
    n->mtime_ns = wall_ns();
}

void image_write(struct image *im, struct node *n, const struct span *s)
{
    put(im, n, s);
    if (s->offset + s->len > n->size)
        n->size = s->offset + s->len;
}

void image_truncate(struct image *im, struct node *n, uint64_t size)
{
    if (size < n->size)
        put(im, n, &(struct span){NULL, (size_t)(n->size - size), size});
    n->size = size;
    n->mtime_ns = wall_ns();
}

void image_sync_file(struct node *n)
{
    for (size_t i = 0; i < n->dirty_count; i++) {
        struct page *p = &n->pages[n->dirty[i]];
        mem_free(p->old);
        p->old = NULL;
        p->dirty = 0;
    }
    n->dirty_count = 0;
    n->size_durable = n->size;
}

void image_sync_range(struct node *n, uint64_t offset, size_t len)
{
    for (uint64_t at = offset; at < offset + len;) {
        uint64_t page_end = (at / IMAGE_PAGE + 1) * IMAGE_PAGE;
        uint64_t end = page_end < offset + len ? page_end : offset + len;
        struct page *p = &n->pages[at / IMAGE_PAGE];
        p->dirty &= (uint8_t)~sector_mask(at % IMAGE_PAGE, (end - 1) % IMAGE_PAGE + 1);
        at = end;
    }
    if (offset + len > n->size_durable)
        n->size_durable = n->size;
}

void image_tear_range(struct node *n, const struct span *s, uint64_t *random)
{
    /* Sectors before, behind, or anywhere: devices promise nothing about the order. */
    unsigned how = (unsigned)(image_random(random) % 3);
    uint64_t border = s->offset + image_random(random) % s->len;

    for (uint64_t at = s->offset; at < s->offset + s->len; at += IMAGE_SECTOR) {
        bool kept = how == 0 ? at < border : how == 1 ? at >= border : image_random(random) % 2;
        if (kept)
            image_sync_range(n, at, 1);
    }
}

/* ---- the power goes ---- */

/* What one cut does to the sectors of a file that are not durable. */
enum fate { FATE_LOST, FATE_KEPT, FATE_FRONT, FATE_BACK, FATE_PAGES, FATE_SECTORS, FATE_COUNT };

static enum fate fate_draw(uint64_t *random)
{
    return (enum fate)(image_random(random) % FATE_COUNT);
}

static unsigned survivors(enum fate fate, bool before_border, uint64_t *random)
{
    switch (fate) {
    case FATE_KEPT: return 0xff;
    case FATE_FRONT: return before_border ? 0xff : 0;
    case FATE_BACK: return before_border ? 0 : 0xff;
    case FATE_PAGES: return image_random(random) % 2 ? 0xff : 0;
    case FATE_SECTORS: return (unsigned)(image_random(random) & 0xff);
    case FATE_LOST:
    case FATE_COUNT: break;
    }
    return 0;
}

static void cut_size(struct node *n, enum fate fate, uint64_t *random, struct cut_report *r)
{
    uint64_t low = n->size < n->size_durable ? n->size : n->size_durable;
    uint64_t high = n->size > n->size_durable ? n->size : n->size_durable;

    if (low == high)
        return;
    r->sizes++;
    uint64_t drawn[] = {n->size_durable, n->size, low + image_random(random) % (high - low)};
    uint64_t seen = n->size;
    if (fate == FATE_LOST)
        n->size = n->size_durable;
    else if (fate != FATE_KEPT)
        n->size = drawn[image_random(random) % 3];
    r->sizes_kept += n->size == seen;
}

static void cut_file(struct image *im, struct node *n, const struct cut *c)
{
    enum fate fate = c->all_lost ? FATE_LOST : fate_draw(c->random);
    size_t border = n->page_count == 0 ? 0 : image_random(c->random) % (n->page_count + 1);

    c->report->files += n->dirty_count > 0 || n->size != n->size_durable;
    for (size_t i = 0; i < n->dirty_count; i++) {
        struct page *p = &n->pages[n->dirty[i]];
        unsigned kept = survivors(fate, n->dirty[i] < border, c->random);
        for (unsigned s = 0; s < SECTORS_PER_PAGE; s++) {
            if ((p->dirty & 1u << s) == 0)
                continue;
            c->report->sectors++;
            if ((kept & 1u << s) != 0)
                c->report->sectors_kept++;
            else
                memcpy(p->now + s * IMAGE_SECTOR, p->old + s * IMAGE_SECTOR, IMAGE_SECTOR);
        }
    }
    cut_size(n, fate, c->random, c->report);
    image_sync_file(n);
    /* Beyond the end there is nothing, and a longer file reads zeros there. */
    size_t end_page = (size_t)(n->size / IMAGE_PAGE);
    if (end_page < n->page_count && n->pages[end_page].now != NULL)
        memset(n->pages[end_page].now + n->size % IMAGE_PAGE, 0, IMAGE_PAGE - n->size % IMAGE_PAGE);
    if (end_page + 1 < n->page_count)
        pages_free(im, n, end_page + 1);
}

struct cut_report image_cut(struct image *im, uint64_t seed)
{
    struct cut_report report = {0};
    uint64_t random = seed;
    struct cut c = {&random, &report, image_random(&random) % 4 == 0};

    image__cut_names(im, &c);
    for (size_t i = 0; i < im->node_count; i++) {
        struct node *n = im->nodes[i];
        n->lookups = 0;
        if (S_ISDIR(n->mode))
            image__names_become_durable(n);
        else
            cut_file(im, n, &c);
    }
    im->removed = SWEEP_EVERY;
    image_sweep(im);
    return report;
}

/* ---- what is no longer held ---- */

static void mark_names(const struct names *names, struct node **todo, size_t *count)
{
    for (size_t i = 0; i < names->count; i++) {
        struct node *n = names->all[i].node;
        if (!n->marked)
            todo[(*count)++] = n;
        n->marked = true;
    }
}

static void mark(struct image *im)
{
    struct node **todo = mem_calloc(im->node_count, sizeof(struct node *));
    size_t count = 0;

    for (size_t i = 0; i < im->node_count; i++) {
        struct node *n = im->nodes[i];
        n->marked = n == im->root || n->lookups > 0 || image__ops_hold(im, n);
        if (n->marked)
            todo[count++] = n;
    }
    while (count > 0) {
        struct node *n = todo[--count];
        if (n->now != NULL) {
            mark_names(n->now, todo, &count);
            mark_names(n->durable, todo, &count);
        }
    }
    mem_free(todo);
}

void image_sweep(struct image *im)
{
    size_t left = 0;

    if (im->removed < SWEEP_EVERY)
        return;
    im->removed = 0;
    mark(im);
    for (size_t i = 0; i < im->node_count; i++) {
        struct node *n = im->nodes[i];
        if (n->parent != NULL && !n->parent->marked)
            n->parent = NULL;
    }
    for (size_t i = 0; i < im->node_count; i++) {
        if (im->nodes[i]->marked)
            im->nodes[left++] = im->nodes[i];
        else
            node_free(im, im->nodes[i]);
    }
    im->node_count = left;
}
