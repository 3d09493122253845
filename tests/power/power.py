# SPDX-License-Identifier: Apache-2.0
"""A disk whose power can be cut: drives sluice-powerfs (README.md) from Python."""
import json
import os
import pathlib
import queue
import subprocess
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
ANSWER_TIMEOUT_S = 60


def program(preset="release"):
    if "SLUICE_BIN" in os.environ:
        return pathlib.Path(os.environ["SLUICE_BIN"]).parent / "tests" / "sluice-powerfs"
    return ROOT / "build" / preset / "tests" / "sluice-powerfs"


def why_missing(preset="release"):
    """Why no such disk can be mounted here; None when it can."""
    if not os.path.exists("/dev/fuse"):
        return "there is no /dev/fuse here"
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse may not be opened by this user"
    if not program(preset).exists():
        return f"{program(preset)} is not built (libfuse3-dev and fuse3 come with ./dev setup)"
    return None


class PowerDisk:
    """Mounted while it is open; its content is memory of the program."""

    def __init__(self, place, preset="release", lie=None):
        """lie: (kind, part of a path); from mount to mount these syncs (sync, syncdir) or O_DSYNC
        writes (write) are answered and not done."""
        self.place = pathlib.Path(place)
        self._lie = lie
        self._preset = preset
        self._process = None

    def __enter__(self):
        missing = why_missing(self._preset)
        if missing:
            raise RuntimeError(missing)
        self.place.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [program(self._preset), self.place], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, bufsize=1)
        self._answers = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        self._expect_mounted()
        return self

    def __exit__(self, *_):
        try:
            self._process.stdin.close()
            self._process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        subprocess.run(["umount", "-l", self.place], stderr=subprocess.DEVNULL)

    def cut(self, seed, at=None, within_s=0.5, part=""):
        """The power goes now, or at the next operation of a kind (write, sync, syncdir, rename,
        create, remove, any) on a path that contains part, but at the latest after within_s.
        Returns what was lost and kept, once the survivors are mounted."""
        order = f"cut {seed}" + (f" {at} {int(within_s * 1000)} {part}" if at else "")
        answer = self._ask(order)
        self._expect_mounted()
        return answer

    def fault(self, kind, error, count=0, part=""):
        """Operations of this kind fail with EIO or ENOSPC: count times, 0 = until heal()."""
        return self._ask(f"fault {kind} {error} {count} {part}")

    def heal(self):
        return self._ask("heal")

    def stats(self):
        return self._ask("stats")

    def _ask(self, order):
        self._process.stdin.write(order + "\n")
        line = self._answer()
        if not line.startswith("{"):
            raise RuntimeError(f"sluice-powerfs: {line!r} to {order!r}")
        return json.loads(line)

    def _answer(self):
        try:
            return self._answers.get(timeout=ANSWER_TIMEOUT_S)
        except queue.Empty:
            raise RuntimeError("sluice-powerfs does not answer") from None

    def _expect_mounted(self):
        line = self._answer()
        if line != "mounted":
            raise RuntimeError(f"sluice-powerfs: {line or 'it ended'}")
        if self._lie:
            self.fault(self._lie[0], "LIE", 0, self._lie[1])

    def _read(self):
        for line in self._process.stdout:
            self._answers.put(line.rstrip("\n"))
        self._answers.put("")
