#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every test, suite by suite: run.py [SUITE …]. Last line: N passed, N failed, over all suites.

  tidy   the house rules
  dev    unit and contract tests under Criterion with address and undefined-behaviour sanitizers
  leak   the same tests in one process each, with leak detection
  sim    the simulation: 30 seeds, some of them twice, every planted bug until it is caught
  e2e    the release binaries, the official SDK, other engines
  crash  deaths under load and power cuts, some rounds of each; what a machine cannot mount is
         named as NOT RUN and not counted
  flip   single bits flipped, 10 in each kind of file: verify names each

Crash and flip run side by side: the seconds told are those of both.
"""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = re.compile(r"Tested: (\d+) \| Passing: (\d+) \| Failing: (\d+) \| Crashing: (\d+)")
PLAIN = re.compile(r"^(\d+) passed, (\d+) failed$", re.M)


def run(command, quiet=False, **more):
    """Run a command, showing what it prints unless quiet; returns (status, output)."""
    process = subprocess.Popen([str(c) for c in command], cwd=ROOT, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, errors="replace", **more)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if not quiet:
            print(line, end="", flush=True)
    return process.wait(), "".join(lines)


def build(preset):
    status, output = run(["./dev", "build", preset], quiet=True)
    if status != 0:
        print(output, flush=True)
        raise RuntimeError(f"preset {preset} does not build")


def python_suite(script, *arguments, quiet=False):
    """What it prints is shown as it comes; all at its end if quiet."""
    status, output = run([sys.executable, ROOT / "tests" / script, *arguments], quiet)
    if quiet:
        print(f"-- {' '.join((script, *arguments))}\n{output}", end="", flush=True)
    found = PLAIN.findall(output)
    if not found:
        return 0, 1
    passed, failed = map(int, found[-1])
    if status != 0 and failed == 0:
        print(f"FAIL {script} ended with {status}")
    return passed, max(failed, int(status != 0))


def ctest_suite(preset):
    """The test programs of a preset, counted test by test: a program that ends with an error
    without naming a failed test (a leak, a crash of the runner) counts as one failed. One more runs
    than there are cores: some wait for the disk."""
    build(preset)
    status, output = run(
        ["ctest", "--test-dir", f"build/{preset}", "--no-tests=error", "-V", "-j",
         os.cpu_count() + 1],
        quiet=True, env={**os.environ, "CRITERION_SHORT_FILENAME": "1", "CRITERION_JOBS": "1"})
    passed = failed = 0
    for tested, passing, failing, crashing in PROGRAM.findall(output):
        passed, failed = passed + int(passing), failed + int(failing) + int(crashing)
    broken = re.findall(r"^\s*\d+/\d+ Test\s+#\d+: (\S+) .*\*\*\*(.*?)\s+[\d.]+ sec$", output, re.M)
    for name, how in broken:
        print(f"FAIL {preset} {name}: {how}")
    if passed + failed == 0:
        print(f"FAIL {preset}: no test was counted in ctest's output")
    if broken or status != 0 or passed + failed == 0:
        failed = max(failed, len(broken), 1)
        print(re.sub(r"^\d+: (Test timeout|Test command).*\n", "", output, flags=re.M)[-20_000:])
    return passed, failed


def e2e_suite():
    build("release")
    return python_suite("e2e/run.py")


# Suites that wait most of the time: two of their parts run at once, the longest first.
WAITING = {"crash": [("crash/crash.py", "--rounds", "20", "--where-possible"),
                     ("crash/crash.py", "--prove", "--where-possible"),
                     ("crash/crash.py", "--power", "--rounds", "5", "--where-possible"),
                     ("power/selftest.py", "--where-possible")],
           "flip": [("flip/flip.py", "--bits", "10")]}


def waiting_suites(names):
    """(passed, failed) of each."""
    build("release")
    with concurrent.futures.ThreadPoolExecutor(2) as lanes:
        running = {name: [lanes.submit(python_suite, *part, quiet=True) for part in WAITING[name]]
                   for name in names}
        return {name: tuple(map(sum, zip(*(part.result() for part in parts))))
                for name, parts in running.items()}


def sim_suite():
    status, output = run(["./dev", "sim", "--self-test"])
    counted = PROGRAM.findall(output)
    if not counted:
        print("FAIL sim: no test was counted")
        return 0, 1
    tested, passing, _, _ = map(int, counted[-1])
    return passing, max(tested - passing, int(status != 0))


SUITES = {
    "tidy": lambda: python_suite("tidy/tidy.py"),
    "dev": lambda: ctest_suite("dev"),
    "leak": lambda: ctest_suite("leak"),
    "sim": sim_suite,
    "e2e": e2e_suite,
}


def groups(names):
    """What runs one after the other: a suite, or all of those that wait."""
    waiting = [name for name in WAITING if name in names]
    return [[name] for name in names if name not in WAITING] + ([waiting] if waiting else [])


def run_group(names):
    try:
        if names[0] in WAITING:
            return waiting_suites(names)
        return {names[0]: SUITES[names[0]]()}
    except Exception as e:
        print(f"{', '.join(names)}: {e}")
        return dict.fromkeys(names, (0, 1))


def main():
    every = [*SUITES, *WAITING]
    wanted = list(dict.fromkeys(sys.argv[1:])) or every
    unknown = [s for s in wanted if s not in every]
    if unknown:
        print(f"no such suite: {', '.join(unknown)}\n{__doc__}")
        return 2
    passed = failed = 0
    summary = []
    for names in groups(wanted):
        begun = time.monotonic()
        print(f"---- {' and '.join(names)}", flush=True)
        for name, result in run_group(names).items():
            passed, failed = passed + result[0], failed + result[1]
            summary.append(f"{name:<6} {result[0]:>5} passed {result[1]:>3} failed "
                           f"{time.monotonic() - begun:>6.0f} s")
    print("----", *summary, sep="\n")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
