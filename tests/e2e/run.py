#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""End-to-end tests against the release binaries: run.py [WORD …] runs tests whose name has a WORD.

Every function test_* of every test_*.py here gets a World: one running server, and help to make
tables, tokens and streams of one's own. WORKERS processes share the tests, each with a World of its
own: most tests wait for something most of the time. Tests that measure how long something takes
(@alone, or a file's ALONE = True) come last and by themselves. Last line: N passed, N failed.
"""
import contextlib
import importlib
import inspect
import io
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from world import World  # noqa: E402

WORKERS = 3


def tests(words, alone):
    for file in sorted(HERE.glob("test_*.py")):
        module = importlib.import_module(file.stem)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            full = f"{file.stem[5:]}.{name[5:]}"
            if name.startswith("test_") and function.__module__ == file.stem and (
                    any(w in full for w in words) or not (words or hasattr(function, "heavy"))):
                if (hasattr(function, "alone") or hasattr(module, "ALONE")) == alone:
                    yield full, function


# -- a worker: takes what no other has taken


def take(folder, name):
    try:
        (folder / "taken" / name).mkdir()
    except FileExistsError:
        return False
    return True


def run_one(world, name, function):
    """Returns whether it passed; what it says comes out at once, with its verdict."""
    said, verdict, begun = io.StringIO(), "FAIL", time.monotonic()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                world.revive()
                function(world)
                verdict = "ok  "
            except Exception:
                traceback.print_exc()
    finally:
        sys.stdout.write(f"{said.getvalue()}{verdict} {name} ({time.monotonic() - begun:.2f} s)\n")
        sys.stdout.flush()
    return verdict != "FAIL"


def work(folder, number, alone, words):
    passed, failed, world = 0, [], None
    with contextlib.ExitStack() as stack:
        for name, function in tests(words, alone):
            if not take(folder, name):
                continue
            if world is None:
                world = stack.enter_context(World(folder / f"world{number}"))
            if run_one(world, name, function):
                passed += 1
            else:
                failed.append(name)
    (folder / f"result{number}").write_text(json.dumps({"passed": passed, "failed": failed}))


# -- who starts the workers


def run_workers(folder, first, count, alone, words):
    workers = [subprocess.Popen([sys.executable, __file__, "--worker", folder, str(n),
                                 str(int(alone)), *words]) for n in range(first, first + count)]
    passed, failed = 0, []
    try:
        for n, worker in enumerate(workers, first):
            status, result = worker.wait(), folder / f"result{n}"
            if result.exists():
                report = json.loads(result.read_text())
                passed += report["passed"]
                failed += report["failed"]
            if status != 0 or not result.exists():
                failed.append(f"worker {n} (it ended with {status})")
    finally:
        for worker in workers:
            worker.terminate()  # nothing, when it has ended
            worker.wait()
    return passed, failed


def main():
    words = sys.argv[1:]
    if words[:1] == ["--worker"]:
        work(pathlib.Path(words[1]), int(words[2]), words[3] == "1", words[4:])
        return 0
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-e2e-"))
    (folder / "taken").mkdir()
    passed, failed = run_workers(folder, 0, WORKERS, False, words)
    passed_alone, failed_alone = run_workers(folder, WORKERS, 1, True, words)
    passed, failed = passed + passed_alone, failed + failed_alone
    if failed:
        print(f"failed: {', '.join(failed)}\nthe servers' folders are kept: {folder}")
    else:
        shutil.rmtree(folder)
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
