#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One flipped bit at a time: flip.py [--bits N] [--seed N] [--kind KIND] [--jobs N] [--keep]

A real server fills a data folder and a lake, and is stopped in good order. Then, N times for each
kind of file, one random bit is flipped, `sluice verify` must end with 1 and name that file, and
the bit is flipped back. Kinds: closed segments up to their recorded end, Parquet data pages,
Parquet footers and indexes, commit files, checkpoints, store files. Before and after, verify must
find nothing. Last line: N passed, N failed (flips).
"""
import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time

import pyarrow.parquet as pq
from sluice_local import LocalServer

TABLE = "flip.test.rows"
KEYED = "flip.test.keyed"
DDL = "id BIGINT NOT NULL, word STRING, filler STRING, size DOUBLE"
VERSIONS_MIN = 102  # a checkpoint stands behind version 100
BLOCK = 4096
KINDS = ("segments", "pages", "footers", "commits", "checkpoints", "store")


@dataclasses.dataclass
class Span:
    """Bytes [begin, end) of a file, which all count."""
    file: pathlib.Path  # relative to the folder
    begin: int
    end: int


# -- making the folder

class Filling:
    def __init__(self, folder):
        self.server = LocalServer(folder, freshness_ms=100, segment_bytes=16 << 20,
                                  log_keep_bytes=1 << 30)

    def run(self):
        with self.server:
            self.server.prepare()
            self.server.start()
            with self.server.connect() as admin:
                admin.create_table(TABLE, DDL)
                admin.create_table(KEYED, DDL, ["id"])
                self.many_commits(admin)
            self.stop()
            # Nothing is committed before the stop, so the log keeps its closed segments.
            self.server.write_config(freshness_ms=3_600_000)
            self.server.start()
            with self.server.connect() as admin:
                self.rows(admin, TABLE, 1_000_000, 40_000, 1000)
                self.rows(admin, KEYED, 1_000_000, 10_000, 200)
            self.stop()

    def many_commits(self, admin):
        first, end = 0, time.monotonic() + 120
        while min(t.delta_version for t in admin.status().tables) < VERSIONS_MIN:
            self.rows(admin, TABLE, first, 20, 50)
            self.rows(admin, KEYED, first, 20, 50)
            first += 20
            if time.monotonic() > end:
                raise TimeoutError("too few commits after 120 s")
            time.sleep(0.02)

    @staticmethod
    def rows(admin, table, first, count, filler):
        with admin.producer(table) as producer:
            for i in range(first, first + count):
                producer.append(json.dumps({
                    "id": i, "word": f"word {i % 97}", "size": i / 7,
                    "filler": random.Random(i).randbytes(filler // 2).hex()}))

    def stop(self):
        status = self.server.stop()
        if status != 0:
            raise RuntimeError(f"sluiced ended with {status}:\n{self.server.log_tail()}")


# -- which bytes count

def closed_segments(folder):
    """Every segment but the newest, up to where the next one says it ends."""
    found, files = [], sorted((folder / "data" / "log").glob("*.log"))
    heads = []
    for file in files:
        with open(file, "rb") as f:
            head = f.read(BLOCK)
        if head[:8] == b"SLUICSEG" and struct.unpack_from("<Q", head, 48)[0] == int(file.stem):
            heads.append((file, head))
    for (file, head), (_, after) in zip(heads, heads[1:]):
        same_life = head[40:48] == after[40:48]
        end_ticket = struct.unpack_from("<Q", after, 72 if same_life else 88)[0]
        found.append(Span(file.relative_to(folder), 0, blocks_end(file, end_ticket)))
    return found


def blocks_end(file, end_ticket):
    at = BLOCK
    with open(file, "rb") as f:
        while True:
            f.seek(at)
            head = f.read(128)
            ticket, = struct.unpack_from("<Q", head, 40)
            at += struct.unpack_from("<I", head, 84)[0]
            assert head[:8] == b"SLUICBLK" and ticket < end_ticket, f"{file} at {at}"
            if ticket + 1 == end_ticket:
                return at


def parquet_spans(folder):
    """Pages, and what stands before and behind them, of every data file."""
    pages, footers = [], []
    for file in sorted((folder / "lake").rglob("*.parquet")):
        if file.parent.name == "_delta_log":
            continue
        meta, end = pq.ParquetFile(file).metadata, 4
        for group in range(meta.num_row_groups):
            for column in range(meta.num_columns):
                chunk = meta.row_group(group).column(column)
                begin = chunk.dictionary_page_offset or chunk.data_page_offset
                end = max(end, begin + chunk.total_compressed_size)
        name = file.relative_to(folder)
        pages.append(Span(name, 4, end))
        footers += [Span(name, end, file.stat().st_size)] * 7 + [Span(name, 0, 4)]
    return pages, footers


def whole(folder, files):
    return [Span(f.relative_to(folder), 0, f.stat().st_size) for f in sorted(files)
            if f.is_file() and f.stat().st_size > 0]


def spans_of(folder):
    pages, footers = parquet_spans(folder)
    logs = list((folder / "lake").rglob("_delta_log"))
    return {
        "segments": closed_segments(folder),
        "pages": pages,
        "footers": footers,
        "commits": whole(folder, [f for log in logs for f in log.glob("*.json")]),
        "checkpoints": whole(folder, [f for log in logs for f in log.glob("*checkpoint*")]),
        "store": whole(folder, [*(folder / "data" / "store").iterdir(),
                                folder / "data" / "store.sums"]),
    }


# -- flipping

def flip(file, bit):
    with open(file, "r+b") as f:
        f.seek(bit // 8)
        byte = f.read(1)[0]
        f.seek(bit // 8)
        f.write(bytes([byte ^ 1 << bit % 8]))


def verify(binary, folder):
    """(exit status, files of faults, what was printed)"""
    done = subprocess.run(
        [binary, "verify", "--json", "--stopped-well", "--data", folder / "data",
         "--lake", folder / "lake"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        errors="replace", timeout=300)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    files = {line["file"] for line in lines if line["kind"] == "fault"}
    return done.returncode, files, done.stdout + done.stderr


def one_flip(binary, folder, span, bit):
    """None when it was found, else what went wrong."""
    file = folder / span.file
    flip(file, bit)
    try:
        status, files, output = verify(binary, folder)
    finally:
        flip(file, bit)
    if status == 1 and str(file) in files:
        return None
    return (f"bit {bit} of {span.file} ({span.begin * 8} to {span.end * 8 - 1}): "
            f"verify ended with {status}, faults in {sorted(files)}\n{output[-2000:]}")


def worker(binary, folder, tasks):
    """Flips in a copy of its own; returns the faults found, by kind."""
    results = [(kind, one_flip(binary, folder, span, bit)) for kind, span, bit in tasks]
    status, _, output = verify(binary, folder)
    if status != 0:
        results.append(("the end", f"with every bit back, verify ended with {status}:\n{output}"))
    return results


def plan(spans, kinds, bits, rng):
    tasks = []
    for kind in kinds:
        assert spans[kind], f"there is no file of kind {kind}"
        for _ in range(bits):
            span = rng.choice(spans[kind])
            tasks.append((kind, span, rng.randrange(span.begin * 8, span.end * 8)))
    return tasks


def run(options, folder):
    filling = Filling(folder / "a")
    filling.run()
    binary = filling.server.bin / "sluice"
    status, _, output = verify(binary, folder / "a")
    if status != 0:
        print(f"FAIL before any flip verify ended with {status}:\n{output}")
        return 0, 1
    spans = spans_of(folder / "a")
    for kind in options.kinds:
        print(f"{kind:<12} {len({s.file for s in spans[kind]}):>4} files "
              f"{sum(s.end - s.begin for s in spans[kind]):>12,} bytes", flush=True)
    tasks = plan(spans, options.kinds, options.bits, random.Random(options.seed))
    folders = [folder / "a"]
    for n in range(1, options.jobs):
        folders.append(folder / "abcdefghijklmnopqrstuvwxyz"[n])
        shutil.copytree(folder / "a", folders[-1])
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        parts = list(pool.map(lambda n: worker(binary, folders[n], tasks[n::options.jobs]),
                              range(options.jobs)))
    return report(options, [result for part in parts for result in part])


def report(options, results):
    passed = failed = 0
    for kind in options.kinds:
        found = sum(1 for k, fault in results if k == kind and fault is None)
        print(f"{'ok  ' if found == options.bits else 'FAIL'} {kind:<12} {found} of "
              f"{options.bits} found")
    for kind, fault in results:
        passed, failed = passed + (fault is None), failed + (fault is not None)
        if fault:
            print(f"FAIL {kind}: {fault}")
    return passed, failed


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--bits", type=int, default=200, help="flips of each kind")
    options.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options.add_argument("--kind", choices=KINDS, help="only this kind")
    options.add_argument("--jobs", type=int, default=os.cpu_count())
    options.add_argument("--keep", action="store_true", help="keep the folder")
    options = options.parse_args()
    options.kinds = [options.kind] if options.kind else list(KINDS)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-flip-"))
    print(f"seed {options.seed}, folder {folder}", flush=True)
    passed, failed = run(options, folder)
    if failed or options.keep:
        print(f"kept: {folder}")
    else:
        shutil.rmtree(folder)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
