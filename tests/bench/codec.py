#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How fast rows are checked and decoded, against other libraries on the same bytes:
./dev bench --codec [--seconds S] [--json FILE]

Runs the measuring programs of the release build (bench_protobuf, bench_json). Each prints lines
"set, way, ns per row, MB/s, bytes per row", and of each set our way is compared with the library's.
Times are of the thread's own on a core. Exit status 0, whatever the speed.
"""
import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build/release/bench"
# Program -> (way of ours, the library's, how often as fast it shall be).
PROGRAMS = {"bench_protobuf": ("check", "protobuf_c", 5.0),
            "bench_json": ("json_to_row", "jansson_parse", 2.0)}
SECONDS = 1.0


def lines(program, seconds):
    done = subprocess.run([FOLDER / program, str(seconds)], stdout=subprocess.PIPE, text=True,
                          check=True)
    for line in done.stdout.splitlines():
        rows, way, ns, speed, size = line.split("\t")
        yield rows, way, float(ns), float(speed), float(size)


def measure(seconds=SECONDS):
    """{"figures": [{rows, way, ns_per_row, bytes_per_row, mb_per_s}], "targets": [{what, …}]}"""
    figures, targets = [], []
    for program, (ours, theirs, target) in PROGRAMS.items():
        sets = {}
        for rows, way, ns, speed, size in lines(program, seconds):
            figures.append({"rows": rows, "way": way, "ns_per_row": ns, "bytes_per_row": size,
                            "mb_per_s": speed})
            sets.setdefault(rows, {})[way] = ns
        for rows, ways in sets.items():
            ratio = ways[theirs] / ways[ours]
            targets.append({"what": f"{rows}: {ours} against {theirs}", "figure": round(ratio, 2),
                            "target": target, "reached": ratio >= target})
    return {"figures": figures, "targets": targets}


def show(report, out=sys.stdout):
    for f in report["figures"]:
        print("{rows:<8} {way:<14} {ns_per_row:>9.1f} ns/row {bytes_per_row:>6.0f} bytes "
              "{mb_per_s:>6.0f} MB/s".format(**f), file=out)
    for t in report["targets"]:
        print(f"{t['what']:<38} {t['figure']:>10} target {t['target']:>6} "
              f"{'reached' if t['reached'] else 'MISSED'}", file=out)


def main():
    options = argparse.ArgumentParser(prog="./dev bench --codec",
                                      description=__doc__.split("\n")[0])
    options.add_argument("--codec", action="store_true", help=argparse.SUPPRESS)
    options.add_argument("--seconds", type=float, default=SECONDS, help="per figure")
    options.add_argument("--json", metavar="FILE", help="write the report as JSON")
    options = options.parse_args()
    report = measure(options.seconds)
    show(report)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(report, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
