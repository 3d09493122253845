/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of sluice.v1 as bytes, decoded as the server does: protobuf-c for the control
 * operations, by hand for lookups. What was decoded is written and decoded again to the same bytes;
 * a lookup read by hand agrees with protobuf-c.
 *
 * Input: kind u8, then the request.
 */
#include "fuzz.h"

#include "serve_priv.h"

#include "base/mem.h"
#include "sluice/v1/sluice.pb-c.h"

static const ProtobufCMessageDescriptor *const requests[] = {
    &sluice__v1__create_table_request__descriptor, &sluice__v1__describe_table_request__descriptor,
    &sluice__v1__list_tables_request__descriptor,  &sluice__v1__drop_table_request__descriptor,
    &sluice__v1__create_token_request__descriptor, &sluice__v1__list_tokens_request__descriptor,
    &sluice__v1__revoke_token_request__descriptor, &sluice__v1__status_request__descriptor,
    &sluice__v1__find_request__descriptor,
};
#define REQUEST_KINDS (sizeof(requests) / sizeof(*requests))

static void pack(const ProtobufCMessage *m, struct buf *out)
{
    size_t len = protobuf_c_message_get_packed_size(m);
    out->len += protobuf_c_message_pack(m, buf_reserve(out, len + 1));
    FUZZ_CHECK(out->len == len);
}

/* protobuf-c writes a field that it does not know as it came, even where it would not read it. The
 * server never writes one. */
static bool has_unknown(const ProtobufCMessage *m)
{
    if (m->n_unknown_fields > 0)
        return true;
    if (m->descriptor != &sluice__v1__create_token_request__descriptor)
        return false;
    const Sluice__V1__CreateTokenRequest *t = (const void *)m;
    for (size_t i = 0; i < t->n_grants; i++)
        if (t->grants[i]->base.n_unknown_fields > 0)
            return true;
    return false;
}

static void check_control(const ProtobufCMessageDescriptor *d, struct slice bytes)
{
    ProtobufCMessage *m = protobuf_c_message_unpack(d, NULL, bytes.len, bytes.data);
    if (m == NULL || has_unknown(m)) {
        if (m != NULL)
            protobuf_c_message_free_unpacked(m, NULL);
        return;
    }
    struct buf once = BUF_NULL, twice = BUF_NULL;
    pack(m, &once);
    ProtobufCMessage *again = protobuf_c_message_unpack(d, NULL, once.len, once.data);
    FUZZ_CHECK(again != NULL);
    pack(again, &twice);
    FUZZ_CHECK(slice_eq(buf_slice(&once), buf_slice(&twice)));
    protobuf_c_message_free_unpacked(m, NULL);
    protobuf_c_message_free_unpacked(again, NULL);
    buf_deinit(&once);
    buf_deinit(&twice);
}

static bool has_nul(struct slice s)
{
    return s.len > 0 && memchr(s.data, 0, s.len) != NULL;
}

static void compare_get(const struct serve__request *r, struct slice bytes)
{
    Sluice__V1__GetRequest *m = sluice__v1__get_request__unpack(NULL, bytes.len, bytes.data);
    if (m == NULL)
        return;
    FUZZ_CHECK(strcmp(m->table, "") != 0 && slice_eq(r->table, slice_str(m->table)));
    if (!has_nul(r->key))
        FUZZ_CHECK(slice_eq(r->key, slice_str(m->key_json)));
    FUZZ_CHECK((uint32_t)r->format == (uint32_t)m->format);
    sluice__v1__get_request__free_unpacked(m, NULL);
}

static void compare_multi(const struct serve__request *r, struct slice bytes)
{
    Sluice__V1__MultiGetRequest *m =
        sluice__v1__multi_get_request__unpack(NULL, bytes.len, bytes.data);
    if (m == NULL)
        return;
    FUZZ_CHECK(slice_eq(r->table, slice_str(m->table)));
    FUZZ_CHECK(r->key_count == m->n_key_json);
    sluice__v1__multi_get_request__free_unpacked(m, NULL);
}

static void check_lookup(bool multi, struct slice bytes)
{
    struct serve__request r;
    struct err e = {0};
    int rc = serve__request_parse(bytes, multi, &r, &e);
    FUZZ_CHECK(rc == 0 || (rc == ERR_INVALID && e.text[0] != '\0'));
    if (rc < 0)
        return;
    FUZZ_CHECK(r.table.len <= TABLE_NAME_BYTES_MAX && !has_nul(r.table));
    FUZZ_CHECK(!multi || r.key_count <= MULTI_GET_KEYS_MAX);
    if (multi)
        compare_multi(&r, bytes);
    else
        compare_get(&r, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = fuzz_in(data, size);
    unsigned kind = fuzz_u8(&in) % (REQUEST_KINDS + 2);
    struct slice bytes = fuzz_rest(&in);
    if (kind < REQUEST_KINDS)
        check_control(requests[kind], bytes);
    else
        check_lookup(kind == REQUEST_KINDS, bytes);
    return 0;
}
