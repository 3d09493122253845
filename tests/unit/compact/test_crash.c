/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exactly once (I3) and never promised too early (D5), tried exhaustively: the compactor dies
 * before or after each of its calls into the lake, its next life dies too, each time the power goes
 * (the lake lies on a simulated disk), and the store either kept everything or lost everything
 * since its last flush. A third life finishes.
 */
#include "rig.h"

#include "store/model.h"
#include "sys/sim.h"

#define WORD_MAX   32
#define CALLS_MAX  20 /* more than a life makes for one table: checked below */
#define ROWS_FIRST 10
#define ROWS_NEXT  5

/* Where a life ends: at which of its calls for the table, and was that one still done? */
struct death {
    unsigned call;
    bool done;
};

/* The last one: after all calls. */
static const struct death nowhere = {1000000, false};

static struct sys *up(struct rig *x)
{
    struct sys *disk = sys_new_sim(7);
    rig_up(x);
    rig_kill(x);
    x->lake = objstore_close(x->lake);
    cr_assert_eq(objstore_open_folder(disk, "/lake", &x->lake, &x->e), 0);
    x->lake = objstore_open_fake(x->lake);
    rig_open(x);
    return disk;
}

static void down(struct rig *x, struct sys *disk)
{
    rig_kill(x);
    x->lake = objstore_close(x->lake);
    sys_free(disk);
    disk = NULL;
    cr_assert_eq(objstore_open_folder(x->sys, x->path, &x->lake, &x->e), 0); /* rig_down's */
    rig_down(x);
}

static void order(struct rig *x, const char *part, struct death d)
{
    if (d.done)
        objstore_fake_order(x->lake, part, OBJSTORE_LOSE_ANSWER, d.call, 1);
    objstore_fake_order(x->lake, part, OBJSTORE_FAIL, d.call, 1000000);
}

static void power_off(struct rig *x, struct sys *disk, bool store_flushed)
{
    if (store_flushed)
        cr_assert_eq(store_flush(x->store, NULL), 0);
    rig_kill(x);
    store_model_crash(x->store);
    sys_sim_crash(disk);
    x->lake = objstore_close(x->lake);
    cr_assert_eq(objstore_open_folder(disk, "/lake", &x->lake, &x->e), 0);
    x->lake = objstore_open_fake(x->lake);
}

static uint64_t watermark(struct rig *x, uint32_t id)
{
    struct compact_table t = {.id = id};
    return compact__watermark_get(x->c, &t);
}

/* What a power loss leaves: never more promised than done. */
static void check_after(struct rig *x, const struct catalog_table *t)
{
    struct rig_delta d = rig_delta(x, t->location);
    cr_assert_leq(watermark(x, t->id), (uint64_t)d.txn);
    cr_assert(d.rows == 0 || d.rows == ROWS_FIRST - 1 || d.rows == ROWS_FIRST ||
              d.rows == ROWS_FIRST + ROWS_NEXT); /* less one: up to an alteration */
}

static struct catalog_table *table(struct rig *x, const char *word)
{
    char name[WORD_MAX];
    (void)snprintf(name, sizeof(name), "main.farm.%s", word);
    return rig_table(x, name);
}

/* One life of rows into the lake, until it dies. */
static void live(struct rig *x, const char *word, struct death d)
{
    order(x, word, d);
    x->c->draining = true;
    rig_turn(x);
}

struct lives {
    unsigned number; /* of the table */
    struct death first, second;
    bool store_flushed;
    bool altered; /* rows of the second life come under new columns */
};

/* An alteration behind the first rows, and a row of a stream that was open before it. */
static struct catalog_table *alter(struct rig *x, struct catalog_table *t)
{
    struct catalog_table *next = rig_alter(x, t->name, "note STRING", NULL);
    (void)rig_rows(x, t, 1, 5);
    return next;
}

/* New columns came once, between the rows below and above (rule L8). */
static void check_story(struct rig *x, const struct catalog_table *t, bool altered)
{
    char story[RIG_STORY_MAX];
    rig_story(x, t->location, story);
    const char *m = strchr(story, 'M');
    cr_assert_eq(m != NULL, altered);
    cr_assert(m == NULL || strchr(m + 1, 'M') == NULL);
}

static void three_lives(struct rig *x, struct sys *disk, const struct lives *l)
{
    char word[WORD_MAX];
    (void)snprintf(word, sizeof(word), "t%05u", l->number);
    struct catalog_table *t = table(x, word);
    struct catalog_table *next = NULL;
    bronze_pos one = rig_rows(x, t, ROWS_FIRST - l->altered, 5);
    if (l->altered)
        next = alter(x, t);
    live(x, word, l->first);
    power_off(x, disk, l->store_flushed);
    rig_open(x);
    check_after(x, t);
    bronze_pos two =
        rig_rows(x, next ? next : t, ROWS_NEXT, 5); /* must not widen what may be there */
    live(x, word, l->second);
    power_off(x, disk, l->store_flushed);
    rig_open(x);
    check_after(x, t);

    rig_settle(x, t);

    struct rig_delta d = rig_delta(x, t->location); /* fails on a position that is twice there */
    cr_assert_eq(d.rows, ROWS_FIRST + ROWS_NEXT);
    cr_assert_eq(d.first, one - (ROWS_FIRST - l->altered) + 1);
    cr_assert_eq(d.last, two);
    cr_assert_eq((uint64_t)d.txn, rig_status(x, t).committed_pos);
    check_story(x, t, l->altered);
    catalog_table_unref(t);
    catalog_table_unref(next);
}

/* Two cuts and the columns between them: more calls than for rows alone. */
#define CALLS_ALTERED_MAX 40

static struct death death_of(unsigned step)
{
    return step == 0 ? nowhere : (struct death){(step - 1) / 2, (step - 1) % 2 == 1};
}

Test(compact_crash, at_any_call_into_the_lake_doubles_and_loses_nothing)
{
    struct rig x;
    struct sys *disk = up(&x);

    for (unsigned first = 0; first <= 2 * CALLS_MAX; first++)
        for (unsigned flushed = 0; flushed < 2; flushed++) {
            struct lives l = {first * 2 + flushed, death_of(first), nowhere, flushed == 1, false};
            three_lives(&x, disk, &l);
        }

    down(&x, disk);
}

Test(compact_crash, at_any_call_around_an_alteration_doubles_and_loses_nothing, .timeout = 240)
{
    struct rig x;
    struct sys *disk = up(&x);

    for (unsigned first = 0; first <= 2 * CALLS_ALTERED_MAX; first++) {
        struct lives l = {.number = first,
                          .first = death_of(first),
                          .second = death_of(first % 7),
                          .store_flushed = first % 2 == 1,
                          .altered = true};
        three_lives(&x, disk, &l);
    }

    down(&x, disk);
}

/* Dead after a call is dead before the next one. The store's fate alternates: with each pair of
 * calls once this, once that. */
Test(compact_crash, at_any_two_calls_into_the_lake_doubles_and_loses_nothing, .timeout = 240)
{
    for (unsigned first = 0; first < CALLS_MAX; first++) {
        struct rig x;
        struct sys *disk = up(&x);
        for (unsigned second = 0; second < CALLS_MAX; second++) {
            struct lives l = {.number = first * 100 + second,
                              .first = {first, false},
                              .second = {second, false},
                              .store_flushed = (first + second) % 2 == 1};
            three_lives(&x, disk, &l);
        }
        down(&x, disk);
    }
}

/* The last deaths above come after the last call: the loops leave out none. */
Test(compact_crash, calls_of_a_life_are_fewer_than_are_tried)
{
    struct rig x;
    struct sys *disk = up(&x);
    struct catalog_table *t = table(&x, "counted");
    rig_rows(&x, t, ROWS_FIRST, 5);

    live(&x, "counted", (struct death){CALLS_MAX - 1, false});

    cr_assert_neq(rig_status(&x, t).committed_pos, 0);
    catalog_table_unref(t);
    t = table(&x, "altered");
    rig_rows(&x, t, ROWS_FIRST, 5);
    struct catalog_table *next = alter(&x, t);
    live(&x, "altered", (struct death){CALLS_ALTERED_MAX - 1, false});
    cr_assert_gt(rig_status(&x, t).committed_pos, next->since_pos);
    catalog_table_unref(t);
    catalog_table_unref(next);
    down(&x, disk);
}

/* Killed between the commit's name and the sync of its folder; the power goes one life later. */
Test(compact_crash, commit_whose_folder_was_not_synced_is_made_durable_by_the_next_life)
{
    struct rig x;
    struct sys *disk = up(&x);
    struct catalog_table *t = table(&x, "quotes");
    rig_rows(&x, t, ROWS_FIRST, 5);
    live(&x, "none", nowhere);
    char *folder = mem_printf("/lake/%s/_delta_log", t->location);
    char *name = mem_printf("%s/%020d.json", folder, 1);
    char *temp = mem_printf("%s/.tmp-1", folder);
    rig_kill(&x);
    store_model_crash(x.store); /* the watermark never got out */
    cr_assert_eq(sys_rename(disk, name, temp, NULL), 0);
    cr_assert_eq(sys_sync_dir(disk, folder, NULL), 0);
    cr_assert_eq(sys_rename(disk, temp, name, NULL), 0); /* and no sync */

    rig_open(&x);
    rig_rows(&x, t, ROWS_NEXT, 5);
    objstore_fake_order(x.lake, "0002.json", OBJSTORE_FAIL, 0, 1);
    live(&x, "none", nowhere);
    bronze_pos told = rig_status(&x, t).committed_pos;
    power_off(&x, disk, true);
    rig_open(&x);
    check_after(&x, t);
    rig_settle(&x, t);

    struct rig_delta d = rig_delta(&x, t->location);
    cr_assert_gt(told, 0);
    cr_assert_eq(d.rows, ROWS_FIRST + ROWS_NEXT);
    cr_assert_eq(d.version, 2); /* the first one was relied upon, and is still there */
    mem_free(folder);
    mem_free(name);
    mem_free(temp);
    catalog_table_unref(t);
    down(&x, disk);
}
