/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where two schemas part that have nothing to do with each other but a name: what a producer that
 * was made for the one meets in a table of the other. Columns are matched by name, as the fields of
 * a descriptor are; their order and comments do not matter. Pure.
 */
#include "row_priv.h"

#include "base/mem.h"

struct walk {
    struct buf path; /* of the fields that are being compared, with a dot at its end */
    struct err *e;
};

static int fields_fit(struct walk *w, const struct row_column *from, const struct row_column *to);

static int say(struct walk *w, const struct row_column *c, const char *what)
{
    int rc = err_set(w->e, ERR_INVALID, "column %.500s%s %s", buf_cstr(&w->path), c->name, what);
    _cleanup_(mem_freep) char *path = mem_printf("%s%s", buf_cstr(&w->path), c->name);
    (void)err_blame(w->e, path); /* gives the code again */
    return rc;
}

static int say_type(struct walk *w, const struct row_column *from, const struct row_column *to)
{
    struct buf now = BUF_NULL, was = BUF_NULL;
    row_type_name(to, false, &now);
    row_type_name(from, false, &was);
    _cleanup_(mem_freep) char *what =
        mem_printf("is %.100s now, was %.100s", buf_cstr(&now), buf_cstr(&was));
    buf_deinit(&now);
    buf_deinit(&was);
    return say(w, from, what);
}

static int column_fits(struct walk *w, const struct row_column *from, const struct row_column *to)
{
    bool same =
        from->type == to->type && from->precision == to->precision && from->scale == to->scale;
    if (!same)
        return say_type(w, from, to);
    if (to->not_null && !from->not_null)
        return say(w, from, "is NOT NULL now");
    if (from->field_count == 0)
        return 0;
    size_t len = w->path.len;
    buf_printf(&w->path, "%s.", from->name);
    int rc = fields_fit(w, from, to);
    w->path.len = len;
    return rc;
}

/* Of a STRUCT, ARRAY or MAP; or of a table. */
static int fields_fit(struct walk *w, const struct row_column *from, const struct row_column *to)
{
    for (uint32_t i = 0; i < from->field_count; i++) {
        const struct row_column *c = &from->fields[i];
        int k = row__column_find(to->fields, to->field_count, slice_str(c->name));
        TRY(k < 0 ? say(w, c, "is gone") : column_fits(w, c, &to->fields[k]));
    }
    for (uint32_t i = 0; i < to->field_count; i++) {
        const struct row_column *c = &to->fields[i];
        if (c->not_null &&
            row__column_find(from->fields, from->field_count, slice_str(c->name)) < 0)
            return say(w, c, "is new and NOT NULL");
    }
    return 0;
}

int row_schema_fits(const struct row_schema *from, const struct row_schema *to, struct err *e)
{
    struct walk w = {.e = e};
    const struct row_column a = {.field_count = from->column_count, .fields = from->columns};
    const struct row_column b = {.field_count = to->column_count, .fields = to->columns};
    int rc = fields_fit(&w, &a, &b);
    buf_deinit(&w.path);
    return rc;
}
