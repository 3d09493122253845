# SPDX-License-Identifier: Apache-2.0
"""The named points that rounds die at (SLUICE_CRASH_AT, src/sys/point.h): which there are, which a
place can meet, and which are drawn next."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Passed by each start, before it serves or a moment later: the death lies in the restart.
STARTING = ("log.recover.", "log.epoch.", "log.prepare.", "log.roll.")
# Passed while the lake refuses a table, and when it takes its rows again.
SPILLING, UNSPILLING = "spill.", ("spill.before_remove", "spill.after_remove")
# Passed when the store has failed.
HEALING = ("apply.before_reopen", "apply.after_reopen")
# Passed hundreds of times a second.
FREQUENT = ("log.append.", "apply.before_write", "apply.after_write")
# Passed once in a hundred commits of a table: a round that drew one waits until one has come near.
CHECKPOINT = ("lake.checkpoint.", "lake.hint.")
CHECKPOINT_NEAR = 92
# Met more than once in a second.
OFTEN = ("commit.", "lake.data.", "lake.commit.", "lake.folder.")
# Why a place never meets a point.
ONLY_POWER = "a torn end of the log, which only a power cut leaves"
ONLY_STORE = "the store fails, which only a disk does that fails on order"
NO_ROOM = "the small disk has no room for spill files"
NEVER_IN = {
    "log.recover.before_drop": (ONLY_POWER, ("folder", "ext4", "full")),
    "log.recover.after_drop": (ONLY_POWER, ("folder", "ext4", "full")),
    "log.recover.before_sync_dir": (ONLY_POWER, ("folder", "ext4", "full")),
    "log.recover.after_sync_dir": (ONLY_POWER, ("folder", "ext4", "full")),
    "apply.before_reopen": (ONLY_STORE, ("folder", "ext4", "full")),
    "apply.after_reopen": (ONLY_STORE, ("folder", "ext4", "full")),
}


LISTED_MAX = 30


def names():
    """Every named point, from the list that sluiced is built with."""
    text = (ROOT / "src/sys/point.h").read_text()
    steps = re.findall(r'"lake\." kind "(\.\w+)"', text)
    put_kinds = re.findall(r'SYS_POINTS_OF_PUT\(X, \w+, "(\w+)"\)', text)
    return (re.findall(r'X\(\w+, "([a-z_.]+)"\)', text)
            + [f"lake.{kind}{step}" for kind in put_kinds for step in steps])


def why_never(name, place):
    """Why rounds in this place cannot meet the point; None when they can."""
    if place == "full" and name.startswith(SPILLING):
        return NO_ROOM
    why, places = NEVER_IN.get(name, (None, ()))
    return why if place in places else None


def count_for(name, random):
    """At which passing of the point the process dies."""
    if name.startswith(FREQUENT):
        return random.randint(20, 600)
    return random.choice((1, 1, 2, 3)) if name.startswith(OFTEN) and "schema" not in name else 1


def patience(name):
    """How many times the usual a life is waited for to come to the point."""
    return 10 if name.startswith(CHECKPOINT) else 1


def is_checkpoint_near(folder):
    """Has this Delta table nearly as many commits since its last checkpoint as it waits for?"""
    last = {"json": 0, "parquet": 0}
    for file in folder.glob("_delta_log/0*"):
        last[file.suffix[1:]] = max(last.get(file.suffix[1:], 0), int(file.name.split(".")[0]))
    return last["json"] - last["parquet"] >= CHECKPOINT_NEAR


class Points:
    """How often each point was drawn and met, over all rounds of a run."""

    def __init__(self):
        self.drawn = dict.fromkeys(names(), 0)
        self.hit = dict.fromkeys(self.drawn, 0)

    def draw(self, place, random):
        """The points of a round: two of a running life, of the same sort, and one of a start.
        Those drawn least come first."""
        can = [name for name in self.drawn if not why_never(name, place)]
        starting = [name for name in can if name.startswith(STARTING)]
        running = [name for name in can if not name.startswith(STARTING)]
        first, = self._least(running, 1, random)
        same = [name for name in running if name != first
                and name.startswith(SPILLING) == first.startswith(SPILLING)]
        return [first, *self._least(same, 1, random), *self._least(starting, 1, random)]

    def _least(self, among, count, random):
        chosen = []
        for _ in range(count):
            left = [name for name in among if name not in chosen]
            least = min(self.drawn[name] for name in left)
            chosen.append(random.choice([n for n in left if self.drawn[n] == least]))
            self.drawn[chosen[-1]] += 1
        return chosen

    def report(self, places):
        """For machines; missed: drawn, and no process died there; never: not to be met here."""
        never = {name: why_never(name, places[0]) for name in self.drawn
                 if places and all(why_never(name, place) for place in places)}
        return {"all": len(self.drawn),
                "drawn": {name: n for name, n in self.drawn.items() if n},
                "hit": {name: n for name, n in self.hit.items() if n},
                "missed": [name for name, n in self.drawn.items() if n and not self.hit[name]],
                "not_drawn": [name for name, n in self.drawn.items()
                              if not n and name not in never],
                "never": never}


def told(report):
    """The report for people."""
    lines = [f"{len(report['drawn'])} of {report['all']} named points drawn, "
             f"{len(report['hit'])} of them died at ({sum(report['hit'].values())} deaths)"]
    for word, listed in (("drawn, but not met", report["missed"]),
                         ("not drawn", report["not_drawn"])):
        if listed:
            text = ", ".join(listed) if len(listed) <= LISTED_MAX else f"{len(listed)} (--json)"
            lines.append(f"  {word}: {text}")
    for why in sorted(set(report["never"].values())):
        which = [name for name, reason in report["never"].items() if reason == why]
        lines.append(f"  not to be met here ({why}): {', '.join(which)}")
    return "\n".join(lines)
