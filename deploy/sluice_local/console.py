# SPDX-License-Identifier: Apache-2.0
"""Progress for people: bars on a terminal, one line per finished piece of work elsewhere."""
import sys
import threading
import time

BAR = 28


class Progress:
    """One bar per named piece of work; update() may come from any thread."""

    def __init__(self, out=sys.stderr):
        self._out = out
        self._live = out.isatty()
        self._bars = {}
        self._drawn = 0
        self._last = 0.0
        self._lock = threading.Lock()

    def say(self, text):
        with self._lock:
            self._erase()
            print(text, file=self._out, flush=True)
            self._draw()

    def add(self, name, total, unit="rows"):
        with self._lock:
            self._bars[name] = [0, total, unit, time.monotonic(), None]

    def update(self, name, done):
        with self._lock:
            bar = self._bars[name]
            bar[0] = done
            if done >= bar[1] and bar[4] is None:
                bar[4] = time.monotonic() - bar[3]
            now = time.monotonic()
            if self._live and (now - self._last > 0.1 or bar[4] is not None):
                self._last = now
                self._erase()
                self._draw()

    def finish(self):
        """Leave the bars as they stand and forget them."""
        with self._lock:
            self._erase()
            for name, bar in self._bars.items():
                print(self._line(name, bar), file=self._out)
            self._out.flush()
            self._bars.clear()

    def _line(self, name, bar):
        done, total, unit, begun, took = bar
        share = min(1.0, done / total) if total else 1.0
        seconds = took if took is not None else time.monotonic() - begun
        drawn = "#" * int(share * BAR)
        return (f"  {name:<12} [{drawn:<{BAR}}] {done:>9,} of {total:,} {unit}, "
                f"{done / max(seconds, 1e-6):>9,.0f}/s")

    def _draw(self):
        if self._live:
            for name, bar in self._bars.items():
                print(self._line(name, bar), file=self._out)
            self._drawn = len(self._bars)
            self._out.flush()

    def _erase(self):
        if self._live and self._drawn:
            self._out.write(f"\x1b[{self._drawn}F\x1b[J")
            self._drawn = 0
