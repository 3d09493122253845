# SPDX-License-Identifier: Apache-2.0
"""Who may do what: tokens and grants, over ingest, lookups and administration."""
import time

import grpc
from databricks import zerobus_service_pb2 as wire
from sluice.v1 import sluice_pb2

from test_replace import signals
from test_sdk import HeadersProvider, sdk_stream
from world import alone, check_status, fails_with

DDL = "id BIGINT NOT NULL, name STRING"
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
DENIED = grpc.StatusCode.PERMISSION_DENIED
TOLD_S = 5         # so long before the expiry streams hear of it
ENDED_WITHIN_S = 3  # about one, and a busy machine


def create_status(world, table, token):
    with world.wire(table, token=token) as s:
        s.create(record_type=wire.JSON)
        s.wait(lambda: s._answers)
        return s.code, s.details


def test_no_token_is_unauthenticated(world):
    check_status(create_status(world, world.table(DDL), ""), UNAUTHENTICATED)


def test_wrong_token_is_unauthenticated(world):
    check_status(create_status(world, world.table(DDL), "no-such-token"), UNAUTHENTICATED)


def test_expired_token_is_unauthenticated(world):
    table = world.table(DDL)
    token = world.token({table: "rw"}, lifetime_s=1)
    time.sleep(1.2)
    check_status(create_status(world, table, token), UNAUTHENTICATED)


def test_revoked_token_is_unauthenticated(world):
    table = world.table(DDL)
    token = world.admin.create_token("to-be-revoked", {table: "rw"})
    assert create_status(world, table, token)[0] is None
    world.admin.revoke_token("to-be-revoked")
    check_status(create_status(world, table, token), UNAUTHENTICATED)


def stored(world, table):
    return sorted(row["id"] for row in world.rows(table))


@alone
def test_revocation_ends_an_open_stream_and_keeps_what_was_acknowledged(world):
    table = world.table(DDL)
    token = world.admin.create_token("revoked-while-open", {table: "w"})
    with world.wire(table, token=token) as call:
        call.create_json()
        call.record(0, json='{"id":0}')
        call.wait_ack(0)

        begun = time.monotonic()
        world.admin.revoke_token("revoked-while-open")

        check_status(call.end(), UNAUTHENTICATED, "revoked-while-open", "revoked")
        assert time.monotonic() - begun < ENDED_WITHIN_S
        assert call.acked() == 0 and not signals(call)
    assert stored(world, table) == [0]


@alone
def test_expiry_is_signalled_then_ends_an_open_stream(world):
    table, lifetime_s = world.table(DDL), TOLD_S + 3
    begun = time.monotonic()
    token = world.token({table: "w"}, lifetime_s=lifetime_s)
    with world.wire(table, token=token) as call:
        call.create_json()
        call.record(0, json='{"id":0}')
        call.wait_ack(0)

        call.wait(lambda: signals(call))
        told, = signals(call)
        call.record(1, json='{"id":1}')  # taken until the end
        call.wait_ack(1)
        with world.wire(table, token=token) as late:
            late.create_json()
            check_status(late.end(), UNAUTHENTICATED, "expired")
            assert not signals(late), "its client has no fresher token"

        check_status(call.end(), UNAUTHENTICATED, "expired")
        assert call.acked() == 1
    assert 0 < told.duration.ToTimedelta().total_seconds() <= TOLD_S
    assert lifetime_s <= time.monotonic() - begun < lifetime_s + ENDED_WITHIN_S
    assert stored(world, table) == [0, 1]


class FreshTokens(HeadersProvider):
    """A new token of a short life for each stream that the SDK opens."""

    def __new__(cls, *_):
        return super().__new__(cls)

    def __init__(self, world, table):
        super().__init__()
        self.world, self.table, self.made = world, table, 0

    def get_headers(self):
        self.made += 1
        token = self.world.token({self.table: "w"}, lifetime_s=TOLD_S + 3)
        return [("authorization", f"Bearer {token}"),
                ("x-databricks-zerobus-table-name", self.table)]


@alone
def test_the_official_sdk_outlives_its_token(world):
    table = world.table(DDL)
    tokens = FreshTokens(world, table)
    stream = sdk_stream(world, table, tokens, recovery_retries=0)
    end, rows = time.monotonic() + TOLD_S + 6, 0
    while time.monotonic() < end:
        stream.ingest_record_offset({"id": rows})
        rows += 1
        time.sleep(0.02)
    stream.flush()
    stream.close()
    assert tokens.made >= 2
    assert set(stored(world, table)) == set(range(rows))


def test_missing_write_grant_is_denied(world):
    table, other = world.table(DDL), world.table(DDL)
    check_status(create_status(world, table, world.token({table: "r"})), DENIED, table)
    check_status(create_status(world, table, world.token({other: "rw"})), DENIED, table)


def test_write_grant_is_enough_for_ingest(world):
    table = world.table(DDL)
    assert create_status(world, table, world.token({table: "w"}))[0] is None


def test_grant_on_a_prefix_counts(world):
    table = world.table(DDL)
    assert create_status(world, table, world.token({"e2e.tests.*": "w"}))[0] is None
    check_status(create_status(world, table, world.token({"e2e.other.*": "w"})), DENIED)


def test_unknown_table_is_not_found(world):
    check_status(create_status(world, "e2e.tests.absent", None), grpc.StatusCode.NOT_FOUND,
                 "e2e.tests.absent")


def test_lookup_needs_a_read_grant(world):
    table = world.table(DDL, ["id"])
    with world.server.connect(world.token({table: "w"})) as writer:
        with fails_with(DENIED):
            writer.get(table, {"id": 1})
    with world.server.connect(world.token({table: "r"})) as reader:
        assert reader.get(table, {"id": 1}) is None
    with world.server.connect("nonsense") as stranger:
        with fails_with(UNAUTHENTICATED):
            stranger.get(table, {"id": 1})


def test_administration_needs_an_admin_token(world):
    table = world.table(DDL)
    with world.server.connect(world.token({table: "rw"})) as user:
        for attempt in (lambda: user.create_table("e2e.tests.mine", DDL),
                        lambda: user.drop_table(table),
                        lambda: user.create_token("mine", {table: "rw"}),
                        lambda: user.status()):
            with fails_with(DENIED):
                attempt()
        assert [t.name for t in user.tables()] == [table]


def test_every_service_of_proto_is_healthy_and_no_other(world):
    """Each is asked for by its name, without a token."""
    services = [f"{file.DESCRIPTOR.package}.{name}" for file in (wire, sluice_pb2)
                for name in file.DESCRIPTOR.services_by_name]
    assert len(services) == 6, services
    check = world.admin.channel.unary_unary("/grpc.health.v1.Health/Check")
    for name in ["", *services]:
        request = bytes([0x0a, len(name)]) + name.encode()
        assert check(request, timeout=5) == b"\x08\x01", name
    with fails_with(grpc.StatusCode.NOT_FOUND, "sluice.v1.Nothing"):
        check(b"\x0a\x11sluice.v1.Nothing", timeout=5)


def test_plain_text_on_the_tls_port_does_not_work(world):
    with grpc.insecure_channel(world.server.endpoint) as channel:
        call = channel.unary_unary("/grpc.health.v1.Health/Check")
        with fails_with(grpc.StatusCode.UNAVAILABLE):
            call(b"", timeout=5)
