# SPDX-License-Identifier: Apache-2.0
"""Where data folder and lake of a round lie: a plain folder, an ext4 of its own behind a loop
device, one that can be filled up, or a disk whose power can be cut (tests/power)."""
import contextlib
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "power"))
from power import PowerDisk, why_missing  # noqa: E402

DISK_BYTES = 2 << 30
SMALL_DISK_BYTES = 640 << 20
PLACES = ("folder", "ext4", "full", "power")


def as_root(*command):
    return [*([] if os.geteuid() == 0 else ["sudo", "-n"]), *command]


def why_not(place):
    """Why this place is not to be had here; None when it is."""
    if place == "power":
        return why_missing()
    if place in ("ext4", "full"):
        if not os.path.exists("/dev/loop-control"):
            return "there are no loop devices here"
        done = subprocess.run(as_root("losetup", "-f"), stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            return f"no loop device can be had: {done.stderr.strip()}"
    return None


@contextlib.contextmanager
def open_place(place, folder, lie=None):
    """A Place for a new folder; it is gone afterwards. lie: of a disk whose power is cut."""
    folder.mkdir(parents=True)
    if place == "power":
        with PowerDisk(folder / "disk", lie=lie) as disk:
            yield Place(place, folder / "disk", disk, lies=lie is not None)
    elif place == "folder":
        yield Place(place, folder, None)
    else:
        with loop_disk(folder, DISK_BYTES if place == "ext4" else SMALL_DISK_BYTES) as mounted:
            yield Place(place, mounted, None)


@contextlib.contextmanager
def loop_disk(folder, size):
    """A journaled ext4, as a machine has it, in a sparse file."""
    image, mounted = folder / "disk.img", folder / "disk"
    mounted.mkdir()
    with open(image, "wb") as f:
        f.truncate(size)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
    subprocess.run(as_root("mount", "-o", "loop", image, mounted), check=True)
    try:
        subprocess.run(as_root("chown", str(os.geteuid()), mounted), check=True)
        yield mounted
    finally:
        subprocess.run(as_root("umount", "-l", mounted), check=True)
        image.unlink()


class Place:
    def __init__(self, kind, folder, disk, lies=False):
        self.kind, self.folder, self.disk, self.lies = kind, folder, disk, lies
        self._ballast = folder / "ballast"
        self._away = None  # a folder that takes nothing

    def fill(self, left_bytes):
        """Leave only this much space."""
        state = os.statvfs(self.folder)
        size = max(1, state.f_bavail * state.f_frsize - left_bytes)
        with open(self._ballast, "wb") as f:
            os.posix_fallocate(f.fileno(), 0, size)

    def empty(self):
        self._ballast.unlink(missing_ok=True)

    def take_away(self, folder):
        """Nothing can be written into this folder until give_back(): each write of the power disk
        fails, elsewhere its name leads nowhere."""
        if self.disk is not None:
            self._away = folder
            self.still_away()
            return
        folder.rename(self._aside())
        folder.symlink_to(folder.name)  # to itself: ELOOP
        self._away = folder

    def still_away(self):
        """The disk was cut, and forgot that it fails."""
        if self._away is not None and self.disk is not None:
            self.disk.fault("any", "EIO", 0, f"/{self._away.relative_to(self.folder)}/")

    def give_back(self):
        folder, self._away = self._away, None
        if self.disk is not None:
            self.disk.heal()
            return
        folder.unlink()
        self._aside().rename(folder)

    def _aside(self):
        return self.folder / "away"
