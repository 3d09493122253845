# SPDX-License-Identifier: Apache-2.0
"""sluice verify: finds nothing wrong with a healthy server, at work and stopped, and names what was
damaged in copies of its folders."""
import contextlib
import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys

from sluice_local import LocalServer

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "clients" / "python" / "examples" / "ledger.py"
EXAMPLE_TABLE = "example.shop.weighed"
ROWS = 50_000
OK, FAULTS, USAGE, NOT_FOUND, NOT_TO_THE_END = 0, 1, 2, 3, 6


class Verdict:
    def __init__(self, done):
        self.status, self.output = done.returncode, done.stdout + done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.faults = [line for line in lines if line["kind"] == "fault"]
        self.notes = [line for line in lines if line["kind"] == "note"]
        self.figures = next((line for line in lines if line["kind"] == "verdict"), {})

    def fault(self, what, *words):
        """One fault of this kind whose file or sentence has all the words."""
        for f in self.faults:
            if f["what"] == what and all(w in f["file"] + " " + f["text"] for w in words):
                return f
        raise AssertionError(f"no fault {what} with {words} in\n{self.output}")

    def note(self, what, *words):
        assert any(n["what"] == what and all(w in n["file"] + n["text"] for w in words)
                   for n in self.notes), f"no note {what} with {words} in\n{self.output}"


def verify(binary, folder, *arguments, lake="lake"):
    return Verdict(subprocess.run(
        [str(a) for a in (binary, "verify", "--json", "--data", folder / "data",
                          "--lake", folder / lake, *arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120))


def clean(verdict):
    assert verdict.status == OK and not verdict.faults, verdict.output
    return verdict


@functools.cache
def filled(world):
    """A folder with three closed segments, two tables in Delta, ledgers of all rows; stopped."""
    server = LocalServer(world.folder / "verify", freshness_ms=200, segment_bytes=16 << 20,
                         log_keep_bytes=1 << 30)
    ledgers = [server.folder / "load.ledger", server.folder / "example.ledger"]
    with server_process(server):
        server.prepare()
        server.start()
        example(server, ledgers[1], 700)
        server.wait_committed([EXAMPLE_TABLE])
        assert server.stop() == 0
        # From here on rows reach Delta at the stop only, so the log keeps its closed segments.
        server.write_config(freshness_ms=3_600_000)
        server.start()
        table = load(server, ledgers[0], ROWS)
        assert server.stop() == 0
    return server, table, ledgers


@contextlib.contextmanager
def server_process(server):
    try:
        yield
    finally:
        server.kill()


def example(server, ledger, rows):
    subprocess.run([sys.executable, EXAMPLE, "--endpoint", server.endpoint, "--ca", server.ca,
                    "--token-file", server.admin_token_file, "--ledger", ledger,
                    "--rows", str(rows)], check=True, timeout=60, stdout=subprocess.DEVNULL)


def load(server, ledger, rows):
    ddl = server.command("ddl", "--rows", "1kb", program="sluice-loadgen").stdout
    name, columns, _ = ddl.rstrip("\n").split("\t")
    with server.connect() as admin:
        admin.create_table(name, columns)
    server.command("run", "--endpoint", server.endpoint, "--ca", server.ca, "--token-file",
                   server.admin_token_file, "--rows", "1kb", "--streams", "2", "--count", rows,
                   "--batch", "3", "--quiet", "--ledger", ledger, program="sluice-loadgen")
    return name


@contextlib.contextmanager
def copy(world):
    """A copy to damage, with everything a verdict needs."""
    server, table, ledgers = filled(world)
    folder = world.folder / "verify-copy"
    shutil.copytree(server.folder / "data", folder / "data")
    shutil.copytree(server.folder / "lake", folder / "lake")
    options = [a for ledger in ledgers for a in ("--ledger", ledger)]
    try:
        yield folder, table, lambda *more: verify(server.bin / "sluice", folder, *options, *more)
    finally:
        shutil.rmtree(folder)


def table_folder(folder, table):
    return folder / "lake" / table.replace(".", "/")


def commits(folder, table):
    return sorted((table_folder(folder, table) / "_delta_log").glob("*.json"))


def used_segments(folder):
    """Not those that were only prepared."""
    return [f for f in sorted((folder / "data" / "log").glob("*.log"))
            if f.open("rb").read(8) == b"SLUICSEG"]


def adds(commit):
    return [json.loads(line)["add"] for line in commit.read_text().splitlines()
            if '"add"' in line]


# -- healthy

def test_rows_in_quarantine_are_where_they_belong(world):
    ledger = world.folder / "quarantine.ledger"
    server = world.server
    ddl = server.command("ddl", "--rows", "200b", program="sluice-loadgen").stdout.split("\t")[1]
    table = world.table(ddl, properties={"on_error": "quarantine"})
    server.command("run", "--endpoint", server.endpoint, "--ca", server.ca, "--token-file",
                   server.admin_token_file, "--rows", "200b", "--streams", "2", "--count", 3000,
                   "--table", table, "--batch", "7", "--bad-share", "3", "--quiet",
                   "--ledger", ledger, program="sluice-loadgen")
    command = [server.bin / "sluice", server.folder, "--ledger", ledger]

    fresh = clean(verify(*command))
    world.committed(table)
    world.committed(f"{table}__quarantine")
    settled = clean(verify(*command))

    for verdict in (fresh, settled):
        assert verdict.figures["ledger_acknowledged"] == 3000, verdict.figures
        assert verdict.figures["ledger_quarantined"] == 90, verdict.figures


def test_a_server_at_work_is_well(world):
    ledger = world.folder / "at-work.ledger"
    example(world.server, ledger, 500)

    verdict = clean(verify(world.server.bin / "sluice", world.server.folder, "--ledger", ledger))

    assert verdict.figures["live"] and verdict.figures["ledger_acknowledged"] >= 500


def test_a_server_under_load_is_well(world):
    ledger = world.folder / "load.ledger"
    ddl = world.server.command("ddl", "--rows", "keyed", program="sluice-loadgen").stdout
    name, columns, key = ddl.rstrip("\n").split("\t")
    world.admin.create_table(name, columns, key.split(","))
    running = subprocess.Popen(
        [str(a) for a in (world.server.bin / "sluice-loadgen", "run", "--endpoint",
                          world.server.endpoint, "--ca", world.server.ca, "--token-file",
                          world.server.admin_token_file, "--rows", "keyed", "--rate", 20_000,
                          "--seconds", 6, "--quiet", "--ledger", ledger)],
        stdout=subprocess.DEVNULL)
    try:
        for _ in range(3):
            clean(verify(world.server.bin / "sluice", world.server.folder, "--ledger", ledger))
        assert running.wait(60) == 0
    finally:
        running.kill()
    clean(verify(world.server.bin / "sluice", world.server.folder, "--ledger", ledger))


def test_a_stopped_server_is_well(world):
    with copy(world) as (_, _, verdict_of):
        verdict = clean(verdict_of("--stopped-well"))

    assert not verdict.figures["live"] and verdict.figures["segments"] >= 3
    assert verdict.figures["ledger_acknowledged"] == ROWS + 700, verdict.output
    assert verdict.figures["rows_compared"] >= ROWS, verdict.output
    assert verdict.figures["unrecorded_commits"] == 0, verdict.output


def test_a_killed_server_is_well(world):
    server = LocalServer(world.folder / "killed", freshness_ms=100, segment_bytes=16 << 20)
    with server_process(server):
        server.prepare()
        server.start()
        ledger = server.folder / "example.ledger"
        example(server, ledger, 2000)
        server.kill()
        verdict = clean(verify(server.bin / "sluice", server.folder, "--ledger", ledger))
        assert verdict.figures["ledger_acknowledged"] == 2000
        server.start()
        server.wait_committed([EXAMPLE_TABLE])
        assert server.stop() == 0
        verdict = clean(verify(server.bin / "sluice", server.folder, "--stopped-well", "--ledger",
                               ledger))
        assert verdict.figures["unrecorded_commits"] == 0, verdict.output


def test_a_verdict_changes_nothing(world):
    with copy(world) as (folder, _, verdict_of):
        def state():
            return {f: (f.stat().st_mtime_ns, f.stat().st_size)
                    for f in sorted(folder.rglob("*"))}
        before = state()
        clean(verdict_of())
        assert state() == before


# -- rows

def test_a_row_that_was_acknowledged_and_is_not_there_is_named(world):
    with copy(world) as (folder, _, verdict_of):
        ledger = folder / "more.ledger"
        ledger.write_text(f"S\ts\t{EXAMPLE_TABLE}\tnumber\tcrc32\nR\ts\t0\t700\t0123abcd\n"
                          "R\ts\t1\t701\t00000000\nA\ts\t0\n")
        verdict = verdict_of("--ledger", ledger)

    assert verdict.status == FAULTS and verdict.figures["ledger_missing"] == 1, verdict.output
    fault = verdict.fault("missing", "stream s offset 0 key 700")
    assert fault["table"] == EXAMPLE_TABLE and fault["file"].endswith("more.ledger")


def test_a_row_with_other_content_is_told_as_different(world):
    with copy(world) as (folder, _, verdict_of):
        ledger = folder / "more.ledger"
        ledger.write_text(f"S\ts\t{EXAMPLE_TABLE}\tnumber\tcrc32\nR\ts\t0\t44\t0123abcd\nA\ts\t0\n")
        verdict = verdict_of("--ledger", ledger)

    assert verdict.status == FAULTS and verdict.figures["ledger_different"] == 1, verdict.output
    verdict.fault("different", "key 44", ".parquet row 44")


def test_rows_in_delta_twice_are_named(world):
    with copy(world) as (folder, _, verdict_of):
        newest = commits(folder, EXAMPLE_TABLE)[-1]
        add, = adds(newest)
        file = table_folder(folder, EXAMPLE_TABLE) / add["path"]
        twin = add["path"].replace(".zstd", "-again.zstd")
        shutil.copy(file, file.with_name(twin))
        again = newest.read_text().replace(add["path"], twin)
        version = f"{int(newest.stem) + 1:020d}.json"
        newest.with_name(version).write_text(again)
        verdict = verdict_of()

    assert verdict.status == FAULTS, verdict.output
    verdict.fault("doubled", "another file of the table too")
    verdict.fault("doubled", "found 2", twin)
    verdict.note("unrecorded", version)


def test_a_data_file_that_is_gone_takes_its_rows_along(world):
    with copy(world) as (folder, table, verdict_of):
        file, = table_folder(folder, table).glob("*.parquet")
        file.unlink()
        verdict = verdict_of()

    assert verdict.status == FAULTS and verdict.figures["ledger_missing"] == ROWS, verdict.output
    verdict.fault("missing", file.name, "data file is missing")
    verdict.fault("missing", "the log has it at position")


# -- order and chain

def test_a_lake_that_was_rolled_back_is_named(world):
    with copy(world) as (folder, table, verdict_of):
        newest = commits(folder, table)[-1]
        newest.unlink()
        verdict = verdict_of("--stopped-well")

    assert verdict.status == FAULTS, verdict.output
    verdict.fault("missing", newest.name)
    verdict.fault("order", "watermark is above the txn")


def test_a_log_that_was_rolled_back_is_named(world):
    with copy(world) as (folder, _, verdict_of):
        for segment in used_segments(folder)[-2:]:
            segment.unlink()
        verdict = verdict_of()

    assert verdict.status == FAULTS, verdict.output
    verdict.fault("order", "lake is ahead of the log")
    verdict.fault("order", "store is ahead of the log")


def test_a_missing_segment_is_named(world):
    with copy(world) as (folder, _, verdict_of):
        segments = used_segments(folder)
        segments[1].unlink()
        verdict = verdict_of()

    assert verdict.status == FAULTS, verdict.output
    verdict.fault("damaged", segments[0].name, "whole segments")


def test_a_log_that_lost_its_beginning_is_named(world):
    with copy(world) as (folder, _, verdict_of):
        used_segments(folder)[0].unlink()
        verdict = verdict_of()

    assert verdict.status == FAULTS, verdict.output
    verdict.fault("missing", "no complete snapshot")


def test_a_torn_checkpoint_of_the_store_is_named(world):
    with copy(world) as (folder, _, verdict_of):
        file = next((folder / "data" / "store").glob("MANIFEST-*"))
        os.truncate(file, file.stat().st_size - 1)
        verdict = verdict_of()

    assert verdict.status == FAULTS, verdict.output
    verdict.fault("damaged", f"store/{file.name}")


# -- what is not ours

def test_files_of_others_and_orphans_are_named_and_no_fault(world):
    with copy(world) as (folder, table, verdict_of):
        place = table_folder(folder, table)
        file, = place.glob("*.parquet")
        orphan = f"{file.name[:28]}00000000{file.name[36:]}"  # another attempt's
        shutil.copy(file, place / orphan)
        (place / "part-00000.snappy.parquet").write_bytes(b"PAR1")
        (place / "_delta_log" / "notes.txt").write_text("hello")
        verdict = clean(verdict_of("--stopped-well"))

    verdict.note("orphan", orphan)
    verdict.note("foreign", "part-00000", "not ours")
    verdict.note("foreign", "notes.txt", "not ours")
    assert verdict.figures["orphan_files"] == 1


# -- what cannot be verified

def test_what_is_not_there_is_said(world):
    server, _, _ = filled(world)
    binary, folder = server.bin / "sluice", server.folder
    assert verify(binary, folder, lake="elsewhere").status == NOT_FOUND
    assert verify(binary, folder / "nowhere").status == NOT_FOUND
    assert verify(binary, folder, "--ledger", folder / "no.ledger").status == NOT_FOUND
    assert verify(binary, folder, "--log-only").status == USAGE
    bad = folder / "bad.ledger"
    bad.write_text("S\ts\texample.shop.weighed\tnumber\tcrc32\nX\n")
    verdict = verify(binary, folder, "--ledger", bad)
    assert verdict.status == NOT_TO_THE_END and "at byte 38" in verdict.output, verdict.output


def test_the_lake_is_found_by_itself_and_may_be_left_out(world):
    server, _, ledgers = filled(world)
    for arguments in ([], ["--log-only"], ["--no-rows"]):
        done = server.command("verify", "--data", server.folder / "data", *arguments, check=False)
        assert done.returncode == OK, done.stdout + done.stderr
        assert done.stdout.splitlines()[-1].startswith("all is well")


def test_what_was_dropped_is_told_as_not_checked(world):
    server = LocalServer(world.folder / "verify-dropped", freshness_ms=200)
    with server_process(server):
        server.prepare()
        server.start()
        with server.connect() as admin:
            for name in ("a.b.dropped", "a.b.stays"):
                admin.create_table(name, "id BIGINT NOT NULL")
                with admin.producer(name) as producer:
                    producer.append_batch(['{"id": 1}', '{"id": 2}'])
            server.wait_committed(["a.b.dropped", "a.b.stays"])
            before = verify(server.bin / "sluice", server.folder)
            admin.drop_table("a.b.dropped")
        assert server.stop() == 0, server.log_tail()

        after = clean(verify(server.bin / "sluice", server.folder, "--stopped-well"))

    assert not [n for n in before.notes if "not checked" in n["text"]], before.output
    after.note("unchecked", "lake/dropped", "not checked", "2 of their rows")
