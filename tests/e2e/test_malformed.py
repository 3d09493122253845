# SPDX-License-Identifier: Apache-2.0
"""The table of malformed inputs (malformed.py), each sent raw to the server between good ones: it
is refused with its status, column path and message, and nothing good is lost or stored twice."""
import grpc
import malformed
from malformed import num, run
from databricks import zerobus_service_pb2 as wire

QUARANTINE = {"on_error": "quarantine"}
ANY_ROW = {"rule.any": "reject: id IS NOT NULL"}


def fields(content):
    """(number, value) of a protobuf message, as far as these tests need it."""
    at = 0

    def next_varint():
        nonlocal at
        v = shift = 0
        while True:
            byte = content[at]
            at += 1
            v |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return v

    while at < len(content):
        tag = next_varint()
        value = next_varint()
        if tag & 7 == 2:
            at += value
            value = content[at - value:at]
        yield tag >> 3, value


def violations(trailing):
    """(field, description) of google.rpc.Status's BadRequest, of a stream's trailing metadata."""
    found = []
    for number, detail in fields(trailing.get("grpc-status-details-bin", b"")):
        if number != 3:
            continue
        any_of = dict(fields(detail))
        if any_of[1].endswith(b"google.rpc.BadRequest"):
            for _, violation in fields(any_of[2]):
                v = dict(fields(violation))
                found.append((v[1].decode(), v[2].decode()))
    return found


class Verdict:
    """Collects every case that did not come back as the table says."""

    def __init__(self):
        self._wrong = []

    def check(self, case, status, details, path=None):
        problems = []
        if status.name != case.status:
            problems.append(f"status {status.name}, not {case.status}")
        if not case.message or not details.endswith(case.message):
            problems.append(f"not with {case.message!r} at its end")
        if path is not None and path != case.path:
            problems.append(f"path {path!r}, not {case.path!r}")
        if problems:
            self._wrong.append(f"{case.name}: {', '.join(problems)}: {details}")

    def done(self):
        assert not self._wrong, "\n".join([f"{len(self._wrong)} cases:"] + self._wrong)


def batch(offset, kind, records):
    """IngestRecordBatchRequest as bytes: records need not be what their kind says."""
    inner = b"".join(run(1, r) for r in records)
    return run(3, num(1, offset) + run(2 if kind == "proto" else 3, inner))


class Rows:
    """One table, and what was acknowledged in it. good(number) makes a good row with that id."""

    def __init__(self, world, table, kind, good, message=None):
        self.world, self.table, self.kind, self.good = world, table, kind, good
        self._descriptor = message
        self.stored = set()
        self._next = 0

    def open(self, s):
        if self.kind == "json":
            s.create_json()
        else:
            s.create(record_type=wire.PROTO, descriptor_proto=self._descriptor)
            s.stream_id()

    def new(self, stored=True):
        """A good row that nobody has sent yet."""
        self._next += 1
        if stored:
            self.stored.add(self._next)
        row = self.good(self._next)
        return row if isinstance(row, bytes) else row.encode()

    def check_stored(self):
        ids = sorted(r["id"] for r in self.world.rows(self.table))
        assert ids == sorted(self.stored), (
            f"lost {sorted(self.stored - set(ids))}, "
            f"too many {sorted(i for i in set(ids) if i not in self.stored or ids.count(i) > 1)}")


def path_of(s):
    """The column path in the status details: of record 1, which alone is bad."""
    (field, _), = violations(s.trailing)
    assert field.startswith("records[1]"), field
    return field.removeprefix("records[1]").removeprefix(".")


def send_each(rows, cases, request_of, details_wanted=True):
    """@request_of(case): the malformed request number 1. A bystander's rows stand around it."""
    verdict = Verdict()
    with rows.world.wire(rows.table) as bystander:
        rows.open(bystander)
        for i, case in enumerate(cases):
            bystander.send(batch(2 * i, rows.kind, [rows.new()]))
            with rows.world.wire(rows.table) as s:
                rows.open(s)
                s.send(batch(0, rows.kind, [rows.new()]))
                s.send(request_of(case))
                status, details = s.end()
                assert s.acked() == 0, f"{case.name}: {s.acked()} acknowledged, {details}"
            verdict.check(case, status, details, path_of(s) if details_wanted else None)
            bystander.send(batch(2 * i + 1, rows.kind, [rows.new()]))
        bystander.wait_ack(2 * len(cases) - 1)
    rows.check_stored()
    verdict.done()


def send_records(rows, cases):
    """Each malformed record stands between two good ones, which are refused with it."""

    def request(case):
        bad = case.input if isinstance(case.input, bytes) else case.input.encode()
        return batch(1, rows.kind, [rows.new(stored=False), bad, rows.new(stored=False)])

    send_each(rows, cases, request)


def rows_of(world, ddl, kind, properties=None):
    table = world.table(ddl, ["id"], properties=properties)
    if kind == "json":
        return Rows(world, table, kind, lambda n: '{"id": %d, "must": "good"}' % n)
    own = world.admin.table(table).descriptor_proto
    return Rows(world, table, kind, lambda n: num(1, n) + run(2, "good"), own)


def test_protobuf_records(world):
    send_records(rows_of(world, malformed.FLAT, "proto"), malformed.PROTO)


def test_protobuf_records_of_a_table_with_rules(world):
    """Such rows are decoded at once, and checked only to say what is wrong."""
    send_records(rows_of(world, malformed.FLAT, "proto", ANY_ROW), malformed.PROTO)


def test_json_records(world):
    send_records(rows_of(world, malformed.FLAT, "json"), malformed.JSON)


def test_messages(world):
    send_each(rows_of(world, malformed.FLAT, "json"), malformed.MESSAGES, lambda case: case.input,
              details_wanted=False)


def send_to_quarantine(rows, cases):
    """All on one stream: each bad record goes to quarantine, and its neighbours are stored."""
    raw = {}
    with rows.world.wire(rows.table) as s:
        rows.open(s)
        for i, case in enumerate(cases):
            raw[i] = case.input if isinstance(case.input, bytes) else case.input.encode()
            s.send(batch(i, rows.kind, [rows.new(), raw[i], rows.new()]))
        s.wait_ack(len(cases) - 1)
    rows.check_stored()
    kept = sorted(rows.world.rows(rows.table + "__quarantine"), key=lambda r: r["stream_offset"])
    assert [r["stream_offset"] for r in kept] == list(range(len(cases)))
    verdict = Verdict()
    for case, row in zip(cases, kept):
        assert row["raw"] == raw[row["stream_offset"]] and row["record_index"] == 1, row
        status = grpc.StatusCode[case.status]
        verdict.check(case, status, row["reason"], row["column_path"] or "")
    verdict.done()


def test_protobuf_records_go_to_quarantine(world):
    send_to_quarantine(rows_of(world, malformed.FLAT, "proto", QUARANTINE), malformed.PROTO)


def test_json_records_go_to_quarantine(world):
    send_to_quarantine(rows_of(world, malformed.FLAT, "json", QUARANTINE), malformed.JSON)


def refuse_descriptors(rows, cases):
    verdict = Verdict()
    with rows.world.wire(rows.table) as bystander:
        rows.open(bystander)
        for i, case in enumerate(cases):
            bystander.send(batch(i, rows.kind, [rows.new()]))
            with rows.world.wire(rows.table) as s:
                s.create(record_type=wire.PROTO, descriptor_proto=case.input)
                status, details = s.end()
            verdict.check(case, status, details)
            named = f"column {case.path}" if case.path else rows.table
            assert named in details, f"{case.name}: {named} is not named: {details}"
        bystander.wait_ack(len(cases) - 1)
    rows.check_stored()
    verdict.done()


def test_descriptors(world):
    refuse_descriptors(rows_of(world, malformed.FLAT, "proto"), malformed.DESCRIPTORS)


def refuse_tables(world, cases):
    verdict = Verdict()
    before = len(world.admin.tables())
    for i, case in enumerate(cases):
        ddl, keys, properties = ((case.input, [], {}) if isinstance(case.input, str)
                                 else (list(case.input) + [{}])[:3])
        try:
            world.admin.create_table(f"e2e.tests.malformed{i}", ddl, keys, properties)
            verdict.check(case, grpc.StatusCode.OK, "the table was made")
        except grpc.RpcError as e:
            verdict.check(case, e.code(), e.details())
    assert len(world.admin.tables()) == before
    verdict.done()


def test_tables(world):
    refuse_tables(world, malformed.DDL)


def test_rules(world):
    refuse_tables(world, malformed.RULES)


def ruled(world, action):
    ddl, keys, rules = malformed.RULED
    rules = {f"rule.{name}": f"{action}: {text}" for name, text in rules.items()}
    return Rows(world, world.table(ddl, keys, properties=rules), "json",
                lambda n: '{"id": %d, "price": 1}' % n)


def test_rows_that_fail_a_rule(world):
    send_records(ruled(world, "reject"), malformed.FAILED_RULES)


def test_rows_that_fail_a_rule_go_to_quarantine(world):
    send_to_quarantine(ruled(world, "quarantine"), malformed.FAILED_RULES)
