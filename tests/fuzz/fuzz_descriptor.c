/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptor → plan, against a table that is drawn from the input too. A plan that was made keeps
 * its invariants: fields ascend, no column twice, each NOT NULL column has one.
 *
 * Input: DDL part, then the descriptor.
 */
#include "fuzz.h"

#include "codec_priv.h"

#include "base/mem.h"

static void check_message(const struct codec__message *m)
{
    uint8_t *fields_of = mem_calloc(m->column_count, 1);
    FUZZ_CHECK(m->field_count <= m->column_count);
    for (uint32_t i = 0; i < m->field_count; i++) {
        const struct codec__field *f = &m->fields[i];
        bool is_map = f->op == CODEC__MAP;
        FUZZ_CHECK(f->column < m->column_count && f->tag >> 3 >= 1);
        FUZZ_CHECK(i == 0 || m->fields[i - 1].tag >> 3 < f->tag >> 3);
        FUZZ_CHECK(fields_of[f->column]++ == 0);
        if (is_map || f->op == CODEC__MESSAGE || f->item == CODEC__MESSAGE)
            check_message(f->message);
        else
            FUZZ_CHECK(f->min <= f->max);
        FUZZ_CHECK(!is_map || f->message->field_count == 2);
        if (f->tag >> 3 < m->direct_count)
            FUZZ_CHECK(m->direct[f->tag >> 3] == i);
    }
    for (uint32_t i = 0; i < m->column_count; i++) {
        FUZZ_CHECK(fields_of[i] == 1 || (m->kind == CODEC__STRUCT && !m->columns[i].not_null));
        FUZZ_CHECK(codec__column_find(m, m->column_names[i]) == (int)i);
    }
    mem_free(fields_of);
}

static void check_own(struct row_schema *s)
{
    struct codec_plan *own = codec_plan_new_own(s);
    check_message(&own->root);
    codec_plan_unref(own);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = fuzz_in(data, size);
    struct row_schema *s = NULL;
    struct codec_plan *p = NULL;
    struct err e = {0};
    if (row_schema_parse(fuzz_part(&in), NULL, 0, &s, NULL) < 0)
        return 0;
    check_own(s);
    int r = codec_plan_new(fuzz_rest(&in), s, &p, &e);
    FUZZ_CHECK(r == 0 || ((r == ERR_INVALID || r == ERR_UNSUPPORTED) && e.text[0] != '\0'));
    if (r == 0)
        check_message(&p->root);
    codec_plan_unref(p);
    row_schema_unref(s);
    return 0;
}
