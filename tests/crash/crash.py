#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Crashes under load: crash.py [--rounds N] [--power | --ext4 | --prove] [--seed S] [--json FILE]

Each round streams rows over TLS from the load tool, the official SDK and a producer of batches;
ends the server in one of many ways, after at least 10,000 rows were acknowledged and with rows in
flight; starts it again; lets the producers go on; and compares everything with what was
acknowledged. What the kinds of round are, and where they take place: README.md.

  (nothing)  kill -9 at random moments and named points, SIGSTOP, SIGTERM, deaths while starting,
             on a plain folder, on an ext4 of its own and on one that is full
  --ext4     the same on an ext4 of its own only
  --power    data folder and lake on a disk whose power is cut (tests/power)
  --prove    the same on a disk that lies about one kind of sync: a round must fail for each

Last line: N passed, N failed (rounds).
"""
import argparse
import collections
import contextlib
import json
import os
import pathlib
import random
import shutil
import sys
import tempfile
import time

from sluice_local import Progress

from places import open_place, why_not
from points import Points
from points import told as points_told
from rounds import World

ROUNDS_OF_PLACE = {"folder": 5, "ext4": 5, "full": 3, "power": 6}
KEPT_MAX = 3
# Syncs whose lack must be found: kind of operation, part of the path, and what it is.
LIES = [("write", "/data/log", "blocks of the log"),
        ("syncdir", "/data/log", "names of segments"),
        ("sync", "/lake", "files of the lake"),
        ("syncdir", "/lake", "names in the lake"),
        ("sync", "/data/store", "files of the store")]
LIE_ROUNDS = 12
# Seconds to commit everything durable: a table with a damaged log never does.
COMMIT_S, LIE_COMMIT_S = 120, 15
LIE_KINDS = ("cut", "cut-at", "recovery-cut")


def places_of(options):
    """Where rounds take place; ends the program where that cannot be."""
    wanted = (["power"] if options.power or options.prove
              else ["ext4"] if options.ext4 else ["folder", "ext4", "full"])
    missing = {place: why for place in wanted if (why := why_not(place))}
    if missing and not options.where_possible:
        sys.exit("".join(f"crash: no rounds on {place}: {why}\n"
                         for place, why in missing.items()))
    for place, why in missing.items():
        print(f"NOT RUN: rounds on {place}: {why}", flush=True)
    return [place for place in wanted if place not in missing]


class Run:
    def __init__(self, options, folder, progress):
        self.options, self.folder, self.progress = options, folder, progress
        self.rounds_of_world = options.rounds
        self.rounds = []      # facts of each, with its faults
        self.kept = []
        self.points = Points()
        self.places = []
        self._world_number = 0

    def run(self, places):
        """(rounds passed, rounds failed); in cycles through the places."""
        self.progress.add("rounds", self.options.rounds, "rounds")
        self.places = places
        # Few rounds in all: still some of them on each.
        self.rounds_of_world = -(-self.options.rounds // max(1, len(places)))
        while len(self.rounds) < self.options.rounds:
            cycle = random.Random(f"{self.options.seed} {len(self.rounds)}")
            for place in cycle.sample(places, len(places)):
                if len(self.rounds) < self.options.rounds:
                    self.run_world(place)
        failed = sum(bool(f["faults"]) for f in self.rounds)
        return len(self.rounds) - failed, failed

    @contextlib.contextmanager
    def world(self, place_kind, lie=None):
        self._world_number += 1
        seed = f"{self.options.seed} {self._world_number} {place_kind}"
        folder = self.folder / f"world-{self._world_number}"
        with open_place(place_kind, folder / "place", lie) as place:
            world = World(place, folder / "server", seed, self.points,
                          LIE_COMMIT_S if lie else COMMIT_S)
            with world.server:
                world.prepare()
                os.environ["SSL_CERT_FILE"] = str(world.server.ca)
                yield world
        shutil.rmtree(folder)

    def run_world(self, place_kind):
        """Some rounds on one folder, until one of them fails."""
        count = min(ROUNDS_OF_PLACE[place_kind], self.rounds_of_world,
                    self.options.rounds - len(self.rounds))
        with self.world(place_kind) as world:
            for i in range(count):
                if not self.run_round(world, is_last=i == count - 1):
                    self.keep(world)
                    return

    def prove(self):
        """Each lie must be found by a round: (found, missed)."""
        self.progress.add("rounds", len(LIES) * LIE_ROUNDS, "rounds")
        found = 0
        for kind, part, what in LIES:
            with self.world("power", (kind, part)) as world:
                for _ in range(LIE_ROUNDS):
                    if not self.run_round(world, False, LIE_KINDS):
                        break
                caught = bool(self.rounds[-1]["faults"])
            found += caught
            print(f"{'ok  ' if caught else 'FAIL'} {what} not synced: "
                  f"{'found' if caught else 'not found'}", flush=True)
        return found, len(LIES) - found

    def run_round(self, world, is_last, only=()):
        number = len(self.rounds) + 1
        kind = world.draw_kind(number, only)
        begun = time.monotonic()
        faults, facts = [], {"kind": kind, "place": world.place.kind}
        try:
            faults, facts = world.run_round(number, kind)
            if is_last and not faults:
                faults += [f"at the end: {fault}" for fault in world.end()]
        except Exception as e:  # the round's verdict
            faults += [f"{type(e).__name__}: {e}", *world.left_wrong]
            facts = world.facts or facts
        facts |= {"round": number, "seconds": round(time.monotonic() - begun, 2),
                  "faults": faults}
        self.rounds.append(facts)
        for fault in faults:
            self.progress.say(f"  round {number}: {fault}")
        self.progress.say(f"{'FAIL' if faults else 'ok  '} {told(facts)}")
        self.progress.update("rounds", number)
        return not faults

    def keep(self, world):
        """What a failed round left, for who looks into it."""
        world.server.kill()
        if len(self.kept) < KEPT_MAX:
            kept = self.folder / f"kept-{self._world_number}"
            shutil.copytree(world.server.folder, kept)
            for part in (world.server.data, world.server.lake):
                if part.exists():
                    shutil.copytree(part, kept / part.name, dirs_exist_ok=True)
            self.kept.append(kept)
            self.progress.say(f"  kept: {kept}")

    def report(self):
        cuts = [cut for f in self.rounds for cut in f.get("cuts", [])]
        restarts = sorted(f["restart_s"] for f in self.rounds if "restart_s" in f)
        return {
            "seed": self.options.seed, "rounds": len(self.rounds),
            "failed": sum(bool(f["faults"]) for f in self.rounds),
            "kinds": collections.Counter(f"{f['place']} {f['kind']}" for f in self.rounds),
            "rows_acked": sum(f.get("acked", 0) for f in self.rounds),
            "rows_in_flight": sum(f.get("in_flight", 0) for f in self.rounds),
            "restart_s_p50": restarts[len(restarts) // 2] if restarts else None,
            "restart_s_max": restarts[-1] if restarts else None,
            "left_verified": sum(f.get("left_verified", 0) for f in self.rounds),
            "verify_s": round(sum(f.get("verify_s", 0) for f in self.rounds), 1),
            "points": self.points.report(self.places),
            "stores_rebuilt": sum(f.get("rebuilt", 0) for f in self.rounds),
            "cuts": len(cuts),
            "sectors_lost": sum(c["sectors"] - c["sectors_kept"] for c in cuts),
            "names_lost": sum(c["names"] - c["names_kept"] for c in cuts),
            "every_round": self.rounds}


def told(facts):
    text = (f"round {facts['round']}: {facts['place']} {facts['kind']}"
            f" {facts.get('cut_at') or facts.get('fault') or facts.get('away') or ''}").rstrip()
    for p in facts.get("points", []):
        text += f" {p['point']}:{p['count']}{'' if p['hit'] else ' (not met)'}"
    text += f": {facts.get('acked', 0):,} acknowledged, {facts.get('in_flight', 0):,} in flight"
    if "restart_s" in facts:
        text += f", back in {facts['restart_s']:.2f} s"
    if "rebuilt" in facts:
        text += ", store rebuilt"
    for cut in facts.get("cuts", []):
        text += (f", cut at {cut['at']}: {cut['sectors'] - cut['sectors_kept']:,} of "
                 f"{cut['sectors']:,} sectors and {cut['names'] - cut['names_kept']} of "
                 f"{cut['names']} names lost")
    return f"{text} ({facts['seconds']:.1f} s)"


def parse():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--rounds", type=int, default=20)
    where = options.add_mutually_exclusive_group()
    where.add_argument("--power", action="store_true", help="on a disk whose power is cut")
    where.add_argument("--ext4", action="store_true", help="on an ext4 of its own only")
    where.add_argument("--prove", action="store_true", help="that a missing sync is found")
    options.add_argument("--seed", type=int, default=random.randrange(1 << 32),
                         help="the same seed draws the same rounds")
    options.add_argument("--json", type=pathlib.Path, help="write the report here")
    options.add_argument("--keep", action="store_true", help="keep the folder")
    options.add_argument("--where-possible", action="store_true",
                         help="leave out, and say so, what this machine cannot mount")
    return options.parse_args()


def main():
    options = parse()
    places = places_of(options)
    if not places:
        print("0 passed, 0 failed")
        return 0
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-crash-"))
    print(f"seed {options.seed}, folder {folder}", flush=True)
    os.environ["no_proxy"] = "localhost,127.0.0.1"
    os.environ.setdefault("RUST_LOG", "off")
    run = Run(options, folder, Progress(sys.stdout))
    try:
        passed, failed = run.prove() if options.prove else run.run(places)
    except BaseException:
        print(f"kept: {folder}")
        raise
    report = run.report()
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))
    if not run.kept and not options.keep:
        shutil.rmtree(folder)
    print(f"{report['rows_acked']:,} rows acknowledged, {report['rows_in_flight']:,} in flight; "
          f"{report['cuts']} power cuts; back in "
          f"{report['restart_s_p50']} s (median), {report['restart_s_max']} s (longest)")
    print(f"{report['left_verified']} times what a death had left was verified before the next "
          f"start, in {report['verify_s']} s")
    if report["stores_rebuilt"]:
        print(f"{report['stores_rebuilt']} times the store had lost a name, and was rebuilt")
    if not options.prove:
        print(points_told(report["points"]))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    ended = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ended)  # native threads of killed clients may bring the interpreter down at its end
