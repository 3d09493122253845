# SPDX-License-Identifier: Apache-2.0
"""One server in one place, and the kinds of round it goes through. A round: producers run; the
server dies in the kind's own way; it starts again; the producers go on and end; everything is
compared with what was acknowledged."""
import contextlib
import random
import re
import signal
import subprocess
import time

from sluice_local import LocalServer

import check
import points
from loads import (DDL, KEYED, SDK_TABLE, TOOL_TABLE, BatchLoad, Ledger, SdkLoad, TablesLoad,
                   ToolLoad)

TABLES = (SDK_TABLE, KEYED, TOOL_TABLE)
ROWS_ACKED_MIN = 10_000
ACKS_TIMEOUT_S = 60
POINT_WAIT_S = 1.0
AWAY_TIMEOUT_S = 20
NEAR_TIMEOUT_S = 60
FULL_LEFT_BYTES = 8 << 20
NAME_LOST = re.compile("store: cannot open it: .*No such file.*`sluice store rebuild")
# Each round with this divisor dies at named points.
POINT_ROUNDS = 3

# Kind of round -> how often, by place.
KINDS = {
    "folder": {"kill": 3, "lake-away": 2, "restart": 2, "stop": 2, "term": 1},
    "ext4": {"kill": 3, "lake-away": 2, "restart": 2, "stop": 2, "term": 1},
    "full": {"full": 4, "kill": 1},
    "power": {"cut": 4, "cut-at": 6, "lake-away": 1, "recovery-cut": 2, "log-fault": 1,
              "lake-fault": 1, "store-fault": 1},
}
CUT_KINDS = ("write", "sync", "syncdir", "rename", "create", "remove", "any")
CUT_PARTS = ("", "/log", "/store", "/lake", "_delta_log")


class World:
    """One server in one place for some rounds; everything is drawn from its seed."""

    def __init__(self, place, folder, seed, named, commit_s):
        """named: the points.Points of the run."""
        self._seed, self._commit_s = seed, commit_s
        self.place, self.random = place, random.Random(seed)
        self.ledger = Ledger(folder / "ledgers")
        self.server = LocalServer(
            folder, freshness_ms=self.random.choice((100, 150)), grace_ms=300,
            segment_bytes=self.random.choice((16 << 20, 32 << 20)), log_bytes_max=256 << 20,
            table_log_bytes=1,  # a table that is a segment behind is spilled
            data_dir=place.folder / "data", lake_dir=place.folder / "lake")
        self._points = named
        self._loads, self._tool = [], None
        self.left_wrong = []  # what `sluice verify` found in folders that a death had left
        self._away = None  # the table that the lake does not take
        self.facts = None

    def prepare(self):
        self.server.prepare()
        self.server.start()
        with self.server.connect() as admin:
            admin.create_table(SDK_TABLE, DDL)
            admin.create_table(KEYED, DDL, ["id"])
            ddl = self.server.command("ddl", "--rows", "200b", program="sluice-loadgen").stdout
            admin.create_table(TOOL_TABLE, ddl.split("\t")[1])

    def draw_kind(self, number, only=()):
        """What the round with this number is, the same for each run of the seed."""
        self.random = random.Random(f"{self._seed} {number}")
        if not only and number % POINT_ROUNDS == 0:
            return "point"
        kinds = {k: n for k, n in KINDS[self.place.kind].items() if not only or k in only}
        return self.random.choices(list(kinds), list(kinds.values()))[0]

    def run_round(self, number, kind):
        """(faults, facts)"""
        self.facts = dict(kind=kind, place=self.place.kind, acked=0, in_flight=0, left_verified=0,
                          verify_s=0)
        faults, self.left_wrong = [], []
        try:
            self._start_loads(number)
            getattr(self, "_die_" + kind.replace("-", "_"))()
            faults += self._finish()
            faults += self.left_wrong
        finally:
            self._abandon_loads()
            self._give_lake_back()
        if self.facts["acked"] < ROWS_ACKED_MIN:
            faults.append(f"only {self.facts['acked']:,} rows were acknowledged")
        if self.facts["in_flight"] <= 0:
            faults.append("nothing was in flight at the cut")
        return faults, self.facts

    def end(self):
        """A clean stop, a start that finds everything; returns what is wrong."""
        status = self.server.stop()
        if status != 0:
            return [f"the clean stop ended with {status}"]
        stopped = check.verify_faults(self.server, self.ledger, "--stopped-well")
        if stopped:
            return stopped
        self.server.start()
        faults = check.faults(self.server, self.ledger, self.random, self._commit_s)
        self.server.kill()
        return faults

    def _folder(self, table):
        return self.server.lake.joinpath(*table.split("."))

    # -- the producers

    def _start_loads(self, number):
        self._batch = BatchLoad(self.server, self.ledger, number)
        self._tables = TablesLoad(self.server, self.ledger, number)
        self._loads = [self._batch, self._tables, SdkLoad(self.server, self.ledger, number)]
        self._tool = ToolLoad(self.server, self.ledger, self.random)
        for load in self._loads:
            load.start()

    def _wait_for_acks(self):
        """Until enough rows are acknowledged; False: the server died before."""
        end = time.monotonic() + ACKS_TIMEOUT_S
        while self._batch.acked_rows < ROWS_ACKED_MIN:
            if self.server.process.poll() is not None:
                return False
            if time.monotonic() > end:
                raise TimeoutError(f"{self._batch.acked_rows:,} rows acknowledged after "
                                   f"{ACKS_TIMEOUT_S} s: {[w.wrong for w in self._loads]}")
            time.sleep(0.005)
        time.sleep(self.random.uniform(0, 0.4))
        return True

    def _died(self):
        """Note what was in flight; the load tool's streams have ended."""
        for load in self._loads:
            load.server_died()
        self._note_in_flight(self._batch.in_flight() + self._finish_tool())

    def _note_in_flight(self, rows):
        self.facts["in_flight"] = max(self.facts["in_flight"], rows)

    def _finish_tool(self):
        """The load tool's rows without an answer."""
        if self._tool is None:
            return 0
        acked, sent, wrong = self._tool.finish()
        self._tool = None
        self.facts["acked"] += acked
        if wrong:
            raise RuntimeError(wrong)
        return sent - acked

    def _start_again(self, tool=False, **environment):
        self._start_or_rebuild(environment)
        for load in self._loads:
            load.again.set()
        if tool:
            self._tool = ToolLoad(self.server, self.ledger, self.random)

    def _start_or_rebuild(self, environment):
        """RocksDB trusts that names of one folder become durable in their order, as on ext4 and
        xfs; the disk here does not promise it. Then the server refuses, and says what to do."""
        left_wrong = self._verify_left()
        try:
            self._start(environment)
        except RuntimeError as e:
            is_power = self.place.kind == "power" and not self.place.lies
            if not is_power or not NAME_LOST.search(str(e).splitlines()[-1]):
                self.left_wrong += left_wrong
                raise
            self.server.command("store", "rebuild", "--data", self.server.data)
            self.facts["rebuilt"] = self.facts.get("rebuilt", 0) + 1
            left_wrong = self._verify_left()
            self._start(environment)
        self.left_wrong += left_wrong

    def _start(self, environment):
        begun = time.monotonic()
        self.server.start(**environment)
        self.facts["restart_s"] = round(time.monotonic() - begun, 3)

    def _verify_left(self):
        """What is wrong with the folders as the death left them, before a start mends anything."""
        if self._away is not None:
            return []  # nobody can read that table's files
        if self.place.lies:
            return []  # much is wrong then, telling it takes long; the next start has to find it
        begun = time.monotonic()
        self._batch.file.flush()
        found = check.verify_faults(self.server, self.ledger)
        self.facts["left_verified"] += 1
        self.facts["verify_s"] = round(self.facts["verify_s"] + time.monotonic() - begun, 3)
        return [f"as the death left it: {fault}" for fault in found]

    def _finish(self):
        faults = [wrong for wrong in [load.finish() for load in self._loads] if wrong]
        self._finish_tool()
        self.facts["acked"] += self._batch.acked_rows
        with self.server.connect() as admin:
            faults += self._tables.faults(admin)
        return faults + check.faults(self.server, self.ledger, self.random, self._commit_s)

    def _abandon_loads(self):
        for load in self._loads:
            load.over.set()
            load.again.set()
        if self._tool is not None:
            self._tool.finish()
            self._tool = None

    def _kill(self):
        self.server.kill()
        self._died()

    # -- kinds of round without a power cut

    def _die_kill(self):
        self._wait_for_acks()
        self._kill()
        self._start_again()

    def _die_stop(self):
        """Stopped for a while, as a machine that swaps or migrates is, then killed."""
        self._wait_for_acks()
        process = self.server.process
        for _ in range(self.random.randint(1, 2)):
            process.send_signal(signal.SIGSTOP)
            time.sleep(self.random.uniform(0.1, 0.8))
            process.send_signal(signal.SIGCONT)
            time.sleep(self.random.uniform(0, 0.2))
        if self.random.random() < 0.5:
            process.send_signal(signal.SIGSTOP)
        self._kill()
        self._start_again()

    def _die_restart(self):
        """Killed, and killed again while it starts."""
        self._wait_for_acks()
        self._kill()
        for _ in range(self.random.randint(1, 3)):
            self._die_starting(self.random.uniform(0, 0.3))
        self._start_again()

    def _die_starting(self, after_s):
        process = self.server.spawn()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(after_s)
            raise RuntimeError(f"sluiced ended with {process.returncode} while it started:\n"
                               f"{self.server.log_tail()}")
        self.server.kill()

    def _die_term(self):
        """Told to end under load, it acknowledges what it took and says 0."""
        self._wait_for_acks()
        self._note_in_flight(self._batch.in_flight())
        status = self.server.stop()
        if status != 0:
            raise RuntimeError(f"the clean stop ended with {status}:\n{self.server.log_tail()}")
        self._died()
        self._start_again()

    def _die_point(self):
        """kill -9 at named points, one after the other: of running lives, then of a start."""
        drawn = self._points.draw(self.place.kind, self.random)
        # A spill file is there before it can go.
        drawn.sort(key=lambda name: (name.startswith(points.STARTING), name in points.UNSPILLING))
        if any(name.startswith(points.SPILLING) for name in drawn):
            self._take_lake_away()
            self._wait_for_acks()
        if any(name.startswith(points.CHECKPOINT) for name in drawn):
            self._come_near_a_checkpoint()
        self._end_life()
        for name in drawn:
            if name in points.UNSPILLING and self._away is not None:
                self._spill()
            count = points.count_for(name, self.random)
            hit = self._live_until_point(name, count)
            self._points.hit[name] += hit
            self.facts.setdefault("points", []).append({"point": name, "count": count, "hit": hit})
        self._give_lake_back()
        if self._batch.acked_rows < ROWS_ACKED_MIN:  # it all went fast: once more, as any round
            self._start_again(tool=True)
            self._wait_for_acks()
            self._end_life()
        self._start_again()

    def _come_near_a_checkpoint(self):
        """Commit few rows at a time until one of the tables has nearly a hundred commits since its
        last checkpoint, as far as time allows."""
        end = time.monotonic() + NEAR_TIMEOUT_S
        self._wait_for_acks()
        self._finish_tool()
        for load in self._loads:
            load.trickle.set()
        while (not any(map(points.is_checkpoint_near, map(self._folder, TABLES)))
               and time.monotonic() < end):
            time.sleep(0.05)
        for load in self._loads:
            load.trickle.clear()

    def _live_until_point(self, name, count):
        """A life that dies there. False: it did not get there in time, and died another way."""
        try:
            self._start_again(tool=True, SLUICE_CRASH_AT=f"{name}:{count}")
            if name in points.HEALING:
                self.place.disk.fault("write", "EIO", 1, "/data/store")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.server.process.wait(POINT_WAIT_S * points.patience(name))
        except RuntimeError:
            if self.server.process.poll() is None:
                raise
        status = self.server.process.poll()
        if status not in (None, -signal.SIGKILL):
            raise RuntimeError(f"sluiced ended with {status}:\n{self.server.log_tail()}")
        self._end_life()
        return status is not None

    # -- the lake refuses one table for a while

    def _take_lake_away(self):
        table = self.random.choice(TABLES)
        self.facts["away"] = table
        folder = self._folder(table)
        self._wait_until(lambda: (folder / "_delta_log").exists(),
                         f"{table}: its Delta table is not made")
        self.place.take_away(folder)
        self._away = table

    def _wait_until(self, is_so, what_else):
        end = time.monotonic() + AWAY_TIMEOUT_S
        while not is_so():
            if time.monotonic() > end:
                raise TimeoutError(f"{what_else}:\n{self.server.log_tail()}")
            time.sleep(0.01)

    def _give_lake_back(self):
        if self._away is not None:
            self.place.give_back()
            self._away = None

    def _spill(self):
        """Its rows are in spill files, and the lake is there again; nobody lives."""
        self._start_again(tool=True)
        self._wait_until(lambda: list(self.server.data.glob("spill/*.spill")),
                         f"{self._away}: its rows are not spilled")
        self._end_life()
        self._give_lake_back()

    def _die_lake_away(self):
        """The lake takes nothing of a table, which is spilled; kill -9; then it takes all."""
        self._take_lake_away()
        self._wait_for_acks()
        self._end_life()
        self._spill()
        if self.random.random() < 0.5:
            self._start_again(tool=True)
            time.sleep(self.random.uniform(0, 0.5))
            self._end_life()
        self._start_again()

    def _end_life(self):
        """The end of a life: kill -9, and on such a disk the power goes."""
        if self.place.kind != "power":
            self._kill()
            return
        self._cut_now()
        self.place.still_away()

    def _die_full(self):
        """The disk fills up; the server dies on it, starts on it or says why not, and heals."""
        self._wait_for_acks()
        self.place.fill(FULL_LEFT_BYTES)
        try:
            time.sleep(self.random.uniform(0.5, 2.0))
            if self.server.process.poll() is not None:
                raise RuntimeError(f"a full disk ended sluiced:\n{self.server.log_tail()}")
            self._kill()
            try:
                self._start_again()
                self.facts["on_full"] = "started"
            except RuntimeError as e:
                if "space" not in str(e):
                    raise
                self.facts["on_full"] = "refused"
        finally:
            self.place.empty()
        if self.server.process.poll() is not None:
            self._start_again()

    # -- kinds of round with a power cut

    def _note_cut(self, report):
        self.facts.setdefault("cuts", []).append(report)

    def _cut_now(self):
        if self.random.random() < 0.3:
            self.server.kill()
        self._note_cut(self.place.disk.cut(self.random.getrandbits(40)))
        self._kill()

    def _cut_at(self, within_s, seldom_s=None):
        kind, part = self.random.choice(CUT_KINDS), self.random.choice(CUT_PARTS)
        if seldom_s and part in ("/log", "/store") and kind not in ("write", "any"):
            within_s = seldom_s  # when the log goes on in a new segment
        self.facts["cut_at"] = f"{kind} {part}".strip()
        self._note_cut(self.place.disk.cut(self.random.getrandbits(40), kind, within_s, part))

    def _die_cut(self):
        self._wait_for_acks()
        self._cut_now()
        self._start_again()

    def _die_cut_at(self):
        """The power goes in the middle of an operation on the disk."""
        self._wait_for_acks()
        self._cut_at(0.6, seldom_s=2.5)
        self._kill()
        self._start_again()

    def _die_recovery_cut(self):
        """The power goes, and again while the next life starts."""
        self._wait_for_acks()
        self._cut_now()
        for _ in range(self.random.randint(1, 2)):
            self.server.spawn()
            self._cut_at(0.25)
            self.server.kill()
        self._start_again()

    def _die_log_fault(self):
        """A write of the log fails: the server ends before it acknowledges anything more."""
        self._wait_for_acks()
        self.place.disk.fault(self.random.choice(("write", "any")), "EIO", 0, "/data/log")
        try:
            status = self.server.process.wait(10)
        except subprocess.TimeoutExpired:
            raise RuntimeError("sluiced goes on after a failed write of the log") from None
        self.facts["ended"] = status
        self._cut_now()
        self._start_again()

    def _die_lake_fault(self):
        self._fault_and_heal("/lake")

    def _die_store_fault(self):
        self._fault_and_heal("/data/store")

    def _fault_and_heal(self, part):
        """Failing writes behind the log hold up the followers, not the producers."""
        self._wait_for_acks()
        kind = self.random.choice(("write", "sync", "create", "rename", "syncdir", "any"))
        error = self.random.choice(("EIO", "ENOSPC"))
        self.facts["fault"] = f"{kind} {error}"
        self.place.disk.fault(kind, error, 0, part)
        time.sleep(self.random.uniform(0.3, 1.2))
        self.facts["faults"] = self.place.disk.heal()["faults"]
        if self.server.process.poll() is not None:
            raise RuntimeError(f"a fault in {part} ended sluiced:\n{self.server.log_tail()}")
        time.sleep(self.random.uniform(0, 0.5))
        self._cut_now()
        self._start_again()
