# SPDX-License-Identifier: Apache-2.0
"""A lost store is not a lost database: whatever happens to its files, a start refuses it or finds
the damage, `sluice store rebuild` makes it again, every lookup is what it was, and Delta holds each
row once. A damaged log is refused with file and place, and what can be read is salvaged."""
import base64
import contextlib
import fcntl
import json
import pathlib
import random
import shutil

import grpc
from sluice_local import LocalServer, lake

KEYS = 400
ROUNDS = 60
FILLER_BYTES = 2000
CHUNK = 200
DDL = ("device STRING NOT NULL, n BIGINT NOT NULL, price DECIMAL(30,4), ratio DOUBLE, "
       "seen TIMESTAMP, raw BINARY, flag BOOLEAN, filler STRING")
KEYED, PLAIN, SECOND = "lost.t.keyed", "lost.t.plain", "lost.t.second"


def row(key, n, rng):
    return {
        "device": f"device-{key}", "n": n, "price": f"{rng.randrange(10 ** 20)}.2500",
        "ratio": rng.choice([None, -0.0, rng.random() * 1e300]), "seen": rng.randrange(10 ** 16),
        "raw": base64.b64encode(rng.randbytes(rng.randrange(20))).decode(),
        "flag": rng.choice([None, True, False]),
        "filler": rng.randbytes(FILLER_BYTES // 2).hex()}


class Database:
    """A server of its own with more rows than its log holds, and what its lookups must say."""

    def __init__(self, folder):
        self.server = LocalServer(folder, freshness_ms=200, segment_bytes=16 << 20,
                                  log_bytes_max=64 << 20, grace_ms=5000)
        self.rng = random.Random(11)
        self.latest = {KEYED: {}, SECOND: {}}
        self.sent = {KEYED: 0, SECOND: 0, PLAIN: 0}
        self.data = self.server.folder / "data"

    def make(self):
        self.server.prepare()
        self.server.start()
        with self.server.connect() as admin:
            for table in (KEYED, SECOND, PLAIN):
                admin.create_table(table, DDL, [] if table == PLAIN else ["device"])
        for _ in range(ROUNDS):
            self.load(KEYS)
        self.server.wait_committed([KEYED, SECOND, PLAIN])

    def load(self, count):
        """Some rows to each table; keys of the first half are only in what comes early."""
        with self.server.connect() as admin:
            producers = {t: admin.producer(t) for t in self.sent}
            for at in range(0, count, 50):
                for table, producer in producers.items():
                    rows = [self.make_row(table, count) for _ in range(min(50, count - at))]
                    producer.append_batch([json.dumps(r) for r in rows])
            for producer in producers.values():
                producer.close()

    def make_row(self, table, count):
        early = self.sent[table] < ROUNDS * KEYS // 4
        key = self.rng.randrange(KEYS if early else KEYS // 2)
        made = row(key, self.sent[table], self.rng)
        self.sent[table] += 1
        if table != PLAIN:
            self.latest[table][made["device"]] = made
        return made

    def lookups(self):
        """{table: {key: row}} as the server answers, for all keys and one that is unknown."""
        found = {}
        with self.server.connect() as admin:
            for table in self.latest:
                keys = sorted(self.latest[table]) + ["nobody"]
                answers = []
                for at in range(0, len(keys), CHUNK):
                    answers += admin.get_many(table, [{"device": k} for k in keys[at:at + CHUNK]])
                found[table] = dict(zip(keys, answers))
        return found

    def check_lookups(self):
        for table, answers in self.lookups().items():
            assert answers.pop("nobody") is None
            for key, answer in answers.items():
                assert answer is not None, f"{table} {key} is lost"
                assert answer == self.latest[table][key], f"{table} {key} differs"

    def check_delta(self):
        self.server.wait_committed([KEYED, SECOND, PLAIN])
        for table, sent in self.sent.items():
            rows = lake.ENGINES["delta-rs"](self.server.table_folder(table)).column("n").to_pylist()
            assert sorted(rows) == list(range(sent)), f"{table}: {len(rows)} rows of {sent}"

    def end(self, kill):
        if kill:
            self.server.kill()
        else:
            assert self.server.stop() == 0, self.server.log_tail()

    def try_start(self):
        """None when it serves, else what it said."""
        before = self.server.log_file.stat().st_size
        try:
            self.server.start()
            return None
        except RuntimeError:
            self.server.kill()
            return self.server.log_file.read_text()[before:]

    def rebuild(self):
        return json.loads(self.server.command("store", "rebuild", "--data", self.data,
                                              "--json").stdout)


_made = {}


def database(world):
    if world not in _made:
        _made[world] = Database(world.folder / "lost")
        _made[world].make()
    return _made[world]


@contextlib.contextmanager
def running(world):
    db = database(world)
    if db.server.process is None:
        db.server.start()
    yield db
    db.end(kill=False)


def delta_is_whole(world):
    with running(world) as db:
        db.check_delta()


def flip(path, part):
    content = bytearray(path.read_bytes())
    assert content, f"{path} is empty"
    content[int((len(content) - 1) * part)] ^= 0x20
    path.write_bytes(content)


def files(db, pattern):
    return sorted(p for p in (db.data / "store").glob(pattern) if p.stat().st_size > 0)


def lookups_are_right_or_refused(db):
    """Damage that a start did not see: an answer is right, or says that the store is damaged."""
    refused = 0
    with db.server.connect() as admin:
        for table, rows in db.latest.items():
            for key, want in list(rows.items())[::7]:
                try:
                    assert admin.get(table, {"device": key}) == want
                except grpc.RpcError as e:
                    assert e.code() == grpc.StatusCode.DATA_LOSS, e
                    assert "sluice store rebuild" in e.details()
                    refused += 1
    if refused:
        status = json.loads(db.server.command("status", "--json").stdout)
        assert "sluice store rebuild" in status["store_fault"], status["store_fault"]
    return refused


def verified(db):
    """The store's files that `sluice verify` finds damaged; None when it finds nothing wrong."""
    done = db.server.command("verify", "--json", "--no-rows", "--data", db.data, "--lake",
                             db.server.lake, check=False)
    assert done.returncode in (0, 1), done
    faults = [f for f in map(json.loads, done.stdout.splitlines()) if f["kind"] == "fault"]
    assert (done.returncode == 1) == bool(faults), done
    return {pathlib.Path(f["file"]).name for f in faults} if faults else None


def lose(world, damage, kill, is_refused=False):
    """One life: running → ended → damaged → told → made again → as it was, and on. Told: the start
    refuses, or lookups do, or `sluice verify` says it; with is_refused the start must."""
    with running(world) as db:
        db.load(50)
        db.end(kill)
        damage(db)
        found, refused = verified(db), 0
        said = db.try_start()
        if said is None:
            assert not is_refused, "it started"
            refused = lookups_are_right_or_refused(db)
            db.end(kill=True)
            assert refused or found, "nobody told of the damage"
        else:
            assert "sluice store rebuild" in said, said
        db.rebuild()
        assert not list(db.data.glob("store.damaged*")), "the old store is still there"
        db.server.command("verify", "--data", db.data, "--lake", db.server.lake)
        db.server.start()
        db.check_lookups()
        db.load(20)
        db.check_lookups()


def test_log_is_trimmed_before(world):
    with running(world) as db:
        with db.server.connect() as admin:
            status = admin.status()
        db.check_lookups()
        db.check_delta()
        assert status.trimmed_position > status.durable_position // 4, "nothing to rebuild from"


def test_store_deleted(world):
    def delete(db):
        shutil.rmtree(db.data / "store")
    lose(world, delete, kill=False, is_refused=True)
    lose(world, delete, kill=True, is_refused=True)
    delta_is_whole(world)


def test_store_file_deleted(world):
    for pattern in ("CURRENT", "MANIFEST-*", "*.sst"):
        lose(world, lambda db: files(db, pattern)[0].unlink(), kill=False, is_refused=True)
    delta_is_whole(world)


def test_store_file_damaged(world):
    for pattern, part, is_refused in (
            ("CURRENT", 0.5, True), ("MANIFEST-*", 0.5, True), ("*.sst", 0.5, False),
            ("*.sst", 1.0, True), ("IDENTITY", 0.5, False), ("OPTIONS-*", 0.3, False)):
        lose(world, lambda db: [flip(f, part) for f in files(db, pattern)],
             kill=pattern == "*.sst", is_refused=is_refused)
    delta_is_whole(world)


def test_one_damaged_store_file_of_many_is_told(world):
    lose(world, lambda db: flip(db.rng.choice(files(db, "*.sst")), 0.5), kill=False)


def test_each_damaged_store_file_is_named(world):
    """After a stop in good order, when all of them are listed."""
    with running(world) as db:
        db.load(50)
        db.end(kill=False)
        assert verified(db) is None
        names = {p.name for p in files(db, "*")}
        kinds = {"sst" if n.endswith(".sst") else n.split("-")[0] for n in names}
        assert {"CURRENT", "MANIFEST", "IDENTITY", "OPTIONS", "sst"} <= kinds, kinds
        for part in (0.0, db.rng.random(), 1.0):
            content = {p: p.read_bytes() for p in files(db, "*")}
            for file in content:
                flip(file, part)
            found = verified(db)
            assert found and names <= found, f"{part} of it: not named: {names - (found or set())}"
            for file, whole in content.items():
                file.write_bytes(whole)
        assert verified(db) is None
        db.server.start()


def test_rebuild_cut_short_begins_again(world):
    with running(world) as db:
        db.end(kill=False)
        (db.data / "store").rename(db.data / "store.damaged-1")
        (db.data / "store.rebuild").mkdir()
        (db.data / "store.rebuild" / "CURRENT").write_text("half")
        said = db.try_start()
        assert said is not None and "sluice store rebuild" in said
        db.rebuild()
        assert sorted(p.name for p in db.data.glob("store*")) in (["store"],
                                                                  ["store", "store.sums"])
        db.server.start()
        db.check_lookups()


def test_rebuild_refuses_while_the_server_runs(world):
    with running(world) as db:
        done = db.server.command("store", "rebuild", "--data", db.data, check=False)
        assert done.returncode == 1 and "in use" in done.stderr, done
        db.check_lookups()


def contents(folder):
    """{name: what is in it} of the data folder, the log's segments left out."""
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*")
            if p.is_file() and p.parent.name != "log"}


def test_start_in_a_folder_in_use_changes_nothing(world):
    with running(world) as db:
        db.end(kill=False)
        before, names = contents(db.data), sorted((db.data / "log").iterdir())
        with open(db.data / "LOCK", "r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # what the offline commands do
            said = db.try_start()
        assert said is not None and "in use by another process" in said, said
        now = contents(db.data)
        changed = [str(p) for p in before.keys() | now if before.get(p) != now.get(p)]
        assert not changed, changed
        assert sorted((db.data / "log").iterdir()) == names
        db.server.start()
        db.check_lookups()


def test_store_whose_making_was_cut_short_is_made(world):
    server = LocalServer(world.folder / "half")
    server.prepare()
    store = server.folder / "data" / "store"
    store.mkdir()  # what RocksDB has made before CURRENT, its last
    (store / "LOCK").touch()
    (store / "IDENTITY").write_text("d3f0c6a2")
    (store / "MANIFEST-000001").write_bytes(b"V\xf9\xb8\xf8\x1c\x00")
    (store / "000001.dbtmp").write_text("MANIFEST-0")

    server.start()

    rows = [{"k": f"key {i}"} for i in range(100)]
    with server.connect() as admin:
        admin.create_table("a.b.c", "k STRING", ["k"])
        with admin.producer("a.b.c") as producer:
            producer.append_batch([json.dumps(r) for r in rows])
            producer.flush()
    server.kill()
    server.start()
    with server.connect() as admin:
        assert admin.get_many("a.b.c", rows) == rows
    assert server.stop() == 0
    server.command("verify", "--data", server.folder / "data", "--lake", server.lake,
                   "--stopped-well")


def test_rebuild_names_a_data_file_that_is_gone(world):
    with running(world) as db:
        folder = pathlib.Path(db.server.table_folder(KEYED))
        db.end(kill=False)
        victim = sorted(folder.glob("*.parquet"))[0]
        content = victim.read_bytes()
        shutil.rmtree(db.data / "store")
        for hurt in (lambda: victim.unlink(),
                     lambda: victim.write_bytes(content[:-100] + b"x" * 100)):
            hurt()
            done = db.server.command("store", "rebuild", "--data", db.data, check=False)
            assert done.returncode != 0 and victim.name in done.stderr, done
            assert not (db.data / "store").exists()
            victim.write_bytes(content)
        db.rebuild()
        db.server.start()
        db.check_lookups()


def test_store_of_another_log_is_refused(world):
    with running(world) as db:
        db.end(kill=False)
        other = LocalServer(world.folder / "other")
        other.prepare()
        other.start()
        with other.connect() as admin:
            admin.create_table("a.b.c", "k STRING", ["k"])
        assert other.stop() == 0
        shutil.rmtree(db.data / "store")
        shutil.copytree(other.folder / "data" / "store", db.data / "store")
        said = db.try_start()
        assert said is not None and "another log" in said and "sluice store rebuild" in said, said
        db.rebuild()
        db.server.start()
        db.check_lookups()


def test_damaged_log_is_refused_and_salvaged(world):
    with running(world) as db:
        db.load(100)
        with db.server.connect() as admin:
            first = admin.status().trimmed_position
            last = admin.status().durable_position
        db.end(kill=True)
        blocks = [json.loads(line) for line in
                  db.server.command("bronze", "dump", db.data, "--json").stdout.splitlines()]
        blocks = [b for b in blocks if b["kind"] != "control" and b["rows"]]
        block = blocks[len(blocks) // 3]
        segment = db.data / "log" / block["segment"]
        content = segment.read_bytes()
        hurt = bytearray(content)
        hurt[block["offset"] + 300] ^= 1
        segment.write_bytes(hurt)
        out = world.folder / "salvaged.ndjson"
        try:
            said = db.try_start()
            place = f"{segment.name} at byte {block['offset']}"
            assert said is not None and place in said, said
            assert "sluice bronze salvage" in said, said
            done = db.server.command("bronze", "salvage", "--data", db.data, "--out", out,
                                     check=False)
            assert done.returncode == 1, done
            assert segment.name in done.stderr and "cannot be read" in done.stderr, done.stderr
        finally:
            segment.write_bytes(content)
        damaged = [json.loads(line) for line in out.read_text().splitlines()]
        out.unlink()
        db.server.command("bronze", "salvage", "--data", db.data, "--out", out)
        assert out.stat().st_mode & 0o777 == 0o600, "others can read the rows"
        whole = [json.loads(line) for line in out.read_text().splitlines()]
        out.unlink()
        assert 0 < len(damaged) < len(whole)
        by_position = {r["position"]: r for r in whole}
        assert all(by_position[r["position"]] == r for r in damaged), "it guessed"
        assert min(by_position) >= first and max(by_position) <= last
        assert all(r["stream_id"] and r["table"] in db.sent and "row" in r for r in whole)
        assert any(r["stream"] for r in whole)
        newest = {r["row"]["device"]: r["row"] for r in whole if r["table"] == KEYED}
        assert newest and all(db.latest[KEYED][k] == r for k, r in newest.items())
        db.server.start()
        db.check_lookups()


def test_changed_commit_stops_its_table_only(world):
    with running(world) as db:
        db.check_delta()
        log = pathlib.Path(db.server.table_folder(KEYED)) / "_delta_log"
        db.end(kill=False)
        commit = sorted(log.glob("*.json"))[-1]
        content = commit.read_bytes()
        changed = content.replace(b'"numRecords\\":', b'"numRecords\\":1', 1)
        assert changed != content
        for text, word in ((changed, "recorded"), (content[:-40], "line")):
            commit.write_bytes(text)
            db.server.start()
            db.load(20)
            db.server.wait_committed([SECOND, PLAIN])
            with db.server.connect() as admin:
                fault = {t.name: t.fault for t in admin.status().tables}
            assert commit.name in fault[KEYED] and word in fault[KEYED], fault
            assert not fault[SECOND] and not fault[PLAIN], fault
            db.check_lookups()
            db.end(kill=False)
        commit.write_bytes(content)
        db.server.start()
        db.check_lookups()
    delta_is_whole(world)
