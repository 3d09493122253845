#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""End-to-end tests against the release binaries: run.py [WORD …] runs tests whose name has a WORD.

Every function test_* of every test_*.py here gets a World: one running server for all of them,
and help to make tables, tokens and streams of one's own. Last line: N passed, N failed.
"""
import importlib
import inspect
import pathlib
import shutil
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from world import World  # noqa: E402


def tests(words):
    for file in sorted(HERE.glob("test_*.py")):
        module = importlib.import_module(file.stem)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            full = f"{file.stem[5:]}.{name[5:]}"
            if name.startswith("test_") and function.__module__ == file.stem and (
                    any(w in full for w in words) or not (words or hasattr(function, "heavy"))):
                yield full, function


def main():
    passed, failed = 0, []
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-e2e-"))
    with World(folder) as world:
        for name, function in tests(sys.argv[1:]):
            begun = time.monotonic()
            try:
                world.revive()
                function(world)
                passed += 1
                verdict = "ok  "
            except Exception:
                failed.append(name)
                verdict = "FAIL"
                traceback.print_exc()
            print(f"{verdict} {name} ({time.monotonic() - begun:.2f} s)", flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}\nthe server's folder is kept: {folder}")
    else:
        shutil.rmtree(folder)
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
