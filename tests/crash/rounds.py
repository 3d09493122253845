# SPDX-License-Identifier: Apache-2.0
"""One server in one place, and the kinds of round it goes through. A round: producers run; the
server dies in the kind's own way; it starts again; the producers go on and end; everything is
compared with what was acknowledged."""
import contextlib
import pathlib
import re
import signal
import subprocess
import time

from sluice_local import LocalServer

import check
from loads import (DDL, KEYED, SDK_TABLE, TOOL_TABLE, BatchLoad, Ledger, SdkLoad, TablesLoad,
                   ToolLoad)

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROWS_ACKED_MIN = 10_000
ACKS_TIMEOUT_S = 60
POINT_WAIT_S = 1.0
POINT_TRIES = 3
FULL_LEFT_BYTES = 8 << 20
FREQUENT = ("log.append.", "apply.before_write", "apply.after_write")
# The next life meets these before it serves: its death lies in the restart.
AT_START = ("log.recover.", "log.epoch.")

# Kind of round -> how often, by place.
KINDS = {
    "folder": {"kill": 3, "point": 6, "restart": 2, "stop": 2, "term": 1},
    "ext4": {"kill": 3, "point": 5, "restart": 2, "stop": 2, "term": 1},
    "full": {"full": 4, "kill": 1},
    "power": {"cut": 4, "cut-at": 6, "point": 4, "recovery-cut": 2, "log-fault": 1,
              "lake-fault": 1, "store-fault": 1},
}
CUT_KINDS = ("write", "sync", "syncdir", "rename", "create", "remove", "any")
CUT_PARTS = ("", "/log", "/store", "/lake", "_delta_log")


def point_names():
    """Every named point, from the list that sluiced is built with (src/sys/point.h)."""
    text = (ROOT / "src/sys/point.h").read_text()
    steps = re.findall(r'"lake\." kind "(\.\w+)"', text)
    put_kinds = re.findall(r'SYS_POINTS_OF_PUT\(X, \w+, "(\w+)"\)', text)
    return (re.findall(r'X\(\w+, "([a-z_.]+)"\)', text)
            + [f"lake.{kind}{step}" for kind in put_kinds for step in steps])


class World:
    """One server in one place for some rounds; everything is drawn from its random."""

    def __init__(self, place, folder, random, points, commit_s):
        """points: how often each named point was drawn, over all worlds."""
        self._commit_s = commit_s
        self.place, self.random = place, random
        self.ledger = Ledger(folder / "ledgers")
        self.server = LocalServer(
            folder, freshness_ms=random.choice((100, 150, 300)), grace_ms=300,
            segment_bytes=random.choice((16 << 20, 32 << 20)), log_bytes_max=256 << 20,
            data_dir=place.folder / "data", lake_dir=place.folder / "lake")
        self._points = points
        self._loads, self._tool = [], None
        self.facts = None

    def prepare(self):
        self.server.prepare()
        self.server.start()
        with self.server.connect() as admin:
            admin.create_table(SDK_TABLE, DDL)
            admin.create_table(KEYED, DDL, ["id"])
            ddl = self.server.command("ddl", "--rows", "200b", program="sluice-loadgen").stdout
            admin.create_table(TOOL_TABLE, ddl.split("\t")[1])

    def draw_kind(self, only=()):
        kinds = {k: n for k, n in KINDS[self.place.kind].items() if not only or k in only}
        return self.random.choices(list(kinds), list(kinds.values()))[0]

    def run_round(self, number, kind):
        """(faults, facts)"""
        self.facts = dict(kind=kind, place=self.place.kind, acked=0, in_flight=0)
        faults = []
        try:
            self._start_loads(number)
            getattr(self, "_die_" + kind.replace("-", "_"))()
            faults += self._finish()
        finally:
            self._abandon_loads()
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
        begun = time.monotonic()
        self.server.start(**environment)
        self.facts["restart_s"] = round(time.monotonic() - begun, 3)
        for load in self._loads:
            load.again.set()
        if tool:
            self._tool = ToolLoad(self.server, self.ledger, self.random)

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
        """kill -9 at a named point: of a running life, or of its start."""
        least = min(self._points.values())
        name = self.random.choice([p for p, n in self._points.items() if n == least])
        self._points[name] += 1
        count = self.random.choice((1, 1, 2, 3))
        if name.startswith(FREQUENT):
            count = self.random.randint(50, 2000)
        if name.startswith(AT_START):
            count = 1
        self.facts["point"] = name
        if name.startswith(AT_START):
            self._wait_for_acks()
        self._end_life()
        for _ in range(POINT_TRIES):
            if not self._live_until_point(name, count):
                break
            if self._batch.acked_rows >= ROWS_ACKED_MIN:
                break
            count *= 8  # too early for a round: a later time in the next life
        else:
            self._start_again(tool=True)
        if self.server.process is not None:
            self._wait_for_acks()
            self._end_life()
        self._start_again()

    def _live_until_point(self, name, count):
        """Start a life that dies there. False: it did not get there in time, and lives."""
        try:
            self._start_again(tool=True, SLUICE_CRASH_AT=f"{name}:{count}")
        except RuntimeError:
            if self.server.process.returncode != -signal.SIGKILL:
                raise
        else:
            if self._wait_for_acks():
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.server.process.wait(POINT_WAIT_S)
            if self.server.process.poll() is None:
                return False
        if self.server.process.returncode != -signal.SIGKILL:
            raise RuntimeError(f"sluiced ended with {self.server.process.returncode}:\n"
                               f"{self.server.log_tail()}")
        self.facts["point_hit"] = self.facts.get("point_hit", 0) + 1
        self._end_life()
        return True

    def _end_life(self):
        """The end of a life: kill -9, and on such a disk the power goes."""
        if self.place.kind == "power":
            self._cut_now()
        else:
            self._kill()

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
