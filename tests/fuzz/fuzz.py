#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the fuzz targets: ./dev fuzz [--seconds N] [--keep] [TARGET …]

Every target runs N seconds from its corpus, as many at once as there are processors. A finding's
input is written to build/fuzz/findings, and the report says how to replay it. With --keep what was
found on the way is merged into tests/fuzz/corpus, at most CORPUS_FILES a target. Exit status 0
only when every target ran its time without a finding.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests/fuzz"
CORPUS_FILES = 64  # kept per target, seeds not counted: evenly from the smallest to the largest
INPUT_BYTES = 4096
RUN = [f"-max_len={INPUT_BYTES}", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]
FINDING = re.compile(r"Test unit written to (\S+)")
REASON = re.compile(r"(property broken: .*|runtime error: .*|ERROR: \w+: .*|must .*|.* must:.*)")


class Target:
    def __init__(self, name, folder, seconds):
        self.name, self.folder, self.seconds = name, folder, seconds
        self.program = folder / "fuzz" / f"fuzz_{name}"
        self.findings = folder / "findings"
        self.log = folder / "fuzz" / f"{name}.log"
        self.found = folder / "fuzz" / "found" / name
        self.corpus = HERE / "corpus" / name
        self.status, self.runs, self.features = None, 0, 0

    def run(self):
        self.found.mkdir(parents=True, exist_ok=True)
        self.findings.mkdir(parents=True, exist_ok=True)
        command = [self.program, f"-max_total_time={self.seconds}", *RUN,
                   f"-artifact_prefix={self.findings}/{self.name}-"]
        words = HERE / "dict" / f"{self.name}.dict"
        if words.exists():
            command.append(f"-dict={words}")
        environment = {**os.environ, "ASAN_OPTIONS": "quarantine_size_mb=16"}
        with open(self.log, "w") as out:
            try:
                self.status = subprocess.run(
                    [*command, self.found, self.corpus], stdout=out, stderr=out,
                    env=environment, timeout=self.seconds + 120).returncode
            except subprocess.TimeoutExpired:
                self.status = -1
        text = self.log.read_text(errors="replace")
        runs = re.search(r"stat::number_of_executed_units: (\d+)", text)
        features = re.findall(r" ft: (\d+) ", text)
        self.runs = int(runs[1]) if runs else 0
        self.features = int(features[-1]) if features else 0

    def fault(self):
        """What is wrong, in lines; empty when nothing is."""
        if self.status == 0 and self.runs > 0:
            return []
        text = self.log.read_text(errors="replace")
        reason = REASON.search(text)
        finding = FINDING.search(text)
        lines = [f"{self.name}: {reason[1] if reason else f'exit status {self.status}'}"]
        if finding:
            lines.append(f"  replay: {self.program.relative_to(ROOT)} {finding[1]}")
        lines.append(f"  log:    {self.log}")
        return lines

    def keep(self):
        """Merge what was found into the corpus: the smallest set that reaches as much."""
        with tempfile.TemporaryDirectory() as fresh:
            subprocess.run([self.program, "-merge=1", *RUN, fresh, self.corpus, self.found],
                           check=True, capture_output=True, timeout=600)
            for old in self.corpus.iterdir():
                if not old.name.startswith("seed-"):
                    old.unlink()
            seeds = {f.read_bytes() for f in self.corpus.iterdir()}
            new = sorted((f for f in pathlib.Path(fresh).iterdir() if f.read_bytes() not in seeds),
                         key=lambda f: f.stat().st_size)
            for i in range(min(CORPUS_FILES, len(new))):
                file = new[i * len(new) // min(CORPUS_FILES, len(new))]
                shutil.copy(file, self.corpus / file.name[:16])


def show(targets, begun):
    done = [t for t in targets if t.status is not None]
    faults = sum(1 for t in done if t.fault())
    seconds = time.monotonic() - begun
    text = f"{len(done)} of {len(targets)} targets, {faults} findings, {seconds:.0f} s"
    if sys.stderr.isatty():
        print(f"\r{text} ", end="", file=sys.stderr, flush=True)
    return text


def run_all(targets, jobs):
    begun = time.monotonic()
    todo = list(targets)
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                if not todo:
                    return
                target = todo.pop(0)
            target.run()
            if not sys.stderr.isatty():
                print(f"{target.name}: {target.runs} runs; {show(targets, begun)}",
                      file=sys.stderr, flush=True)

    threads = [threading.Thread(target=work) for _ in range(jobs)]
    for t in threads:
        t.start()
    while any(t.is_alive() for t in threads):
        show(targets, begun)
        time.sleep(1)
    if sys.stderr.isatty():
        print(file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--keep", action="store_true", help="merge what is found into the corpus")
    parser.add_argument("--build", default="build/fuzz", help="folder of the preset fuzz")
    o = parser.parse_args()
    folder = ROOT / o.build
    names = sorted(p.stem[5:] for p in HERE.glob("fuzz_*.c"))
    unknown = [t for t in o.targets if t not in names]
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)} (there are {', '.join(names)})")
    targets = [Target(name, folder, o.seconds) for name in o.targets or names]
    run_all(targets, max(1, o.jobs))
    for t in targets:
        print(f"{t.name:<12} {t.runs:>10} runs {t.features:>7} features "
              f"{'FINDING' if t.fault() else 'no finding'}")
    faults = [line for t in targets for line in t.fault()]
    if faults:
        print(*faults, sep="\n")
    elif o.keep:
        for t in targets:
            t.keep()
    failed = sum(1 for t in targets if t.fault())
    print(f"{len(targets) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
