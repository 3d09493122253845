/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults of protobuf rows in words: the path of the column, and what is wrong there. Thread: any.
 */
#include "pb_priv.h"

#include "codec/variant.h"

/* What the value at fault is: an array's element, or the column. */
static const struct row_column *value_column(const struct codec__fault *f)
{
    const struct row_column *c = &f->message->columns[f->field->column];
    return f->field->op == CODEC__REPEATED ? &c->fields[ROW_ELEMENT] : c;
}

static int tell_range(const struct codec__fault *f, const char *path, struct err *e)
{
    uint8_t op = f->field->op == CODEC__REPEATED ? f->field->item : f->field->op;
    struct codec__text type = codec__type_text(value_column(f));
    if (op == CODEC__UINT || op == CODEC__FIXED64)
        return codec__fail_at(e, ERR_INVALID, path, ": %llu is out of range for %s",
                              (unsigned long long)f->number, type.text);
    return codec__fail_at(e, ERR_INVALID, path, ": %lld is out of range for %s",
                          (long long)f->number, type.text);
}

static int tell_json(const struct codec__fault *f, const char *path, struct err *e)
{
    struct err inner = {.text = ""};
    (void)codec_variant_check(f->bytes, &inner);
    return codec__fail_at(e, ERR_INVALID, path, ": the text is no variant: %s", inner.text);
}

static int tell_value(const struct codec__fault *f, const char *path, size_t at, struct err *e)
{
    switch (f->why) {
    case WHY_WIRE_TYPE:
        return codec__fail_at(e, ERR_INVALID, path,
                              ": the field at byte %zu has wire type %u, not %u", at,
                              (unsigned)(f->tag & 7), f->field->tag & 7);
    case WHY_RANGE: return tell_range(f, path, e);
    case WHY_UTF8: return codec__fail_at(e, ERR_INVALID, path, ": the text is not valid UTF-8");
    case WHY_DECIMAL:
        return codec__fail_at(e, ERR_INVALID, path, ": \"%s\" is not a %s",
                              codec__show(f->bytes).text, codec__type_text(value_column(f)).text);
    case WHY_JSON: return tell_json(f, path, e);
    case WHY_TOO_MANY:
        return codec__fail_at(e, ERR_INVALID, path, ": the record holds more than %u values",
                              ROW_VALUES_MAX);
    default: return codec__fail_at(e, ERR_INVALID, path, ": malformed protobuf at byte %zu", at);
    }
}

int codec__fault_tell(const struct codec__fault *f, struct slice row, struct err *e)
{
    struct codec__path path = {.len = 0};
    for (uint32_t i = f->step_count; i > 0; i--)
        codec__path_add(&path, &f->steps[i - 1]);
    if (f->why == WHY_MISSING)
        return codec__fail_missing(path.text, e);
    size_t at = (size_t)(f->at - row.data);
    if (f->field != NULL)
        return tell_value(f, path.text, at, e);
    const char *groups = f->why == WHY_GROUP ? ": groups are not supported" : "";
    if (path.len == 0)
        return err_set(e, ERR_INVALID, "malformed protobuf at byte %zu%s", at, groups);
    return codec__fail_at(e, ERR_INVALID, path.text, ": malformed protobuf at byte %zu%s", at,
                          groups);
}
