#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does the disk lose what was not synced, and only that? selftest.py [--preset P]

Each check makes the same steps and cuts the power under many seeds, and looks at the set of
outcomes: what was synced has one, what was not has several. Last line: N passed, N failed.
"""
import argparse
import errno
import fcntl
import mmap
import os
import pathlib
import sys
import tempfile
import threading

from power import PowerDisk, why_missing

SEEDS = 48
OLD, NEW = b"o" * 8192, b"n" * 8192


def write(path, data, flags=0, sync=False):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o600)
    try:
        os.pwrite(fd, data, 0)
        if sync:
            os.fsync(fd)
    finally:
        os.close(fd)


def sync_folder(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def content(path):
    return path.read_bytes() if path.exists() else None


def outcomes(disk, prepare, act, look):
    """Every outcome that SEEDS cuts after act() leave, each in a folder of its own."""
    found = []
    for seed in range(SEEDS):
        folder = disk.place / f"{act.__name__}-{seed}"
        folder.mkdir()
        prepare(folder)
        for _, folders, _ in os.walk(folder):
            for name in folders:
                sync_folder(folder / name)
        sync_folder(folder)
        sync_folder(disk.place)
        act(folder)
        disk.cut(seed)
        found.append(look(folder))
    return found


def old_file(folder):
    write(folder / "a", OLD, sync=True)


def nothing(_):
    pass


def check_synced_is_kept(disk):
    def synced(folder):
        write(folder / "a", NEW, sync=True)
        sync_folder(folder)
    assert set(outcomes(disk, nothing, synced, lambda f: content(f / "a"))) == {NEW}


def check_unsynced_bytes_are_lost_torn_and_kept(disk):
    def unsynced(folder):
        write(folder / "a", NEW)
    found = outcomes(disk, old_file, unsynced, lambda f: content(f / "a"))
    assert OLD in found and NEW in found, "never wholly lost, or never kept"
    torn = [c for c in found if c not in (OLD, NEW)]
    assert torn, "never torn"
    for c in torn:
        sectors = [c[i:i + 512] for i in range(0, len(c), 512)]
        assert all(s in (OLD[:512], NEW[:512]) for s in sectors), "torn within a sector"
    assert any(c[:512] == OLD[:512] and NEW[:512] in c for c in torn), "always in order"


def check_a_name_needs_its_folder_synced(disk):
    def nameless(folder):
        write(folder / "b", NEW, sync=True)
    assert set(outcomes(disk, nothing, nameless, lambda f: content(f / "b"))) == {None, NEW}


def check_a_new_folder_needs_its_parent_synced(disk):
    def orphaned(folder):
        (folder / "d").mkdir()
        write(folder / "d/a", NEW, sync=True)
        sync_folder(folder / "d")
    assert set(outcomes(disk, nothing, orphaned, lambda f: content(f / "d/a"))) == {None, NEW}


def check_a_rename_is_whole(disk):
    def renamed(folder):
        write(folder / "t", NEW, sync=True)
        sync_folder(folder)
        os.rename(folder / "t", folder / "a")
    found = outcomes(disk, old_file, renamed, lambda f: (content(f / "t"), content(f / "a")))
    assert set(found) == {(NEW, OLD), (None, NEW)}


def check_a_synced_rename_is_kept(disk):
    def renamed_synced(folder):
        write(folder / "t", NEW, sync=True)
        os.rename(folder / "t", folder / "a")
        sync_folder(folder)
    found = outcomes(disk, old_file, renamed_synced,
                     lambda f: (content(f / "t"), content(f / "a")))
    assert set(found) == {(None, NEW)}


def check_a_move_leads_to_one_place(disk):
    def moved(folder):
        os.rename(folder / "x/a", folder / "y/a")
        sync_folder(folder / "x")

    def two_folders(folder):
        for name in "xy":
            (folder / name).mkdir()
        write(folder / "x/a", OLD, sync=True)
    found = outcomes(disk, two_folders, moved, lambda f: (content(f / "x/a"), content(f / "y/a")))
    assert set(found) == {(OLD, None), (None, OLD)}


def check_a_removed_file_may_come_back(disk):
    def removed(folder):
        os.unlink(folder / "a")
    assert set(outcomes(disk, old_file, removed, lambda f: content(f / "a"))) == {None, OLD}

    def removed_synced(folder):
        os.unlink(folder / "a")
        sync_folder(folder)
    assert set(outcomes(disk, old_file, removed_synced, lambda f: content(f / "a"))) == {None}


def check_a_truncation_needs_a_sync(disk):
    def truncated(folder):
        os.truncate(folder / "a", 100)
    found = outcomes(disk, old_file, truncated, lambda f: content(f / "a"))
    assert OLD in found and OLD[:100] in found
    assert all(c[:100] == OLD[:100] for c in found)

    def truncated_synced(folder):
        os.truncate(folder / "a", 100)
        write(folder / "a", b"", sync=True)
    assert set(outcomes(disk, old_file, truncated_synced,
                        lambda f: content(f / "a"))) == {OLD[:100]}


def check_dsync_writes_are_kept(disk):
    block = mmap.mmap(-1, 4096)  # aligned, as O_DIRECT wants it
    block.write(NEW[:4096])

    def direct(folder):
        fd = os.open(folder / "a", os.O_RDWR | os.O_DIRECT | os.O_DSYNC)
        os.pwrite(fd, block, 4096)
        os.close(fd)
    assert set(outcomes(disk, old_file, direct,
                        lambda f: content(f / "a"))) == {OLD[:4096] + NEW[:4096]}


def check_a_write_met_half_way_is_torn(disk):
    blocks = [mmap.mmap(-1, 8192), mmap.mmap(-1, 8192)]
    blocks[0].write(NEW)
    blocks[1].write(OLD)
    found = set()
    for seed in range(SEEDS):
        path = disk.place / f"half-{seed}"
        write(path, OLD, sync=True)
        sync_folder(disk.place)
        fd = os.open(path, os.O_RDWR | os.O_DIRECT | os.O_DSYNC)
        cutter = threading.Thread(target=disk.cut, args=(seed, "write", 5, f"half-{seed}"))
        cutter.start()
        try:
            while True:  # the cut comes at one of these
                for block in blocks:
                    os.pwrite(fd, block, 0)
        except OSError:
            pass
        finally:
            cutter.join()
            try:
                os.close(fd)
            except OSError:
                pass
        found.add(content(path))
    torn = found - {OLD, NEW}
    assert torn, "never torn"
    assert all(c[i:i + 512] in (OLD[:512], NEW[:512]) for c in torn for i in range(0, 8192, 512))


def check_the_dead_disk_is_dead(disk):
    fd = os.open(disk.place / "dead", os.O_RDWR | os.O_CREAT)
    disk.cut(1)
    try:
        os.pwrite(fd, NEW, 0)
        raise AssertionError("a write to the dead disk was taken")
    except OSError as e:
        assert e.errno in (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO), e
    finally:
        try:
            os.close(fd)
        except OSError:
            pass


def check_faults_on_order(disk):
    for error in (errno.EIO, errno.ENOSPC):
        disk.fault("write", errno.errorcode[error], 1, "faulty")
        try:
            write(disk.place / "faulty", NEW)
            raise AssertionError("the ordered fault did not come")
        except OSError as e:
            assert e.errno == error, e
        write(disk.place / "sound", NEW)
        write(disk.place / "faulty", NEW)
    disk.fault("sync", "EIO", 0, "faulty")
    for _ in range(3):
        try:
            write(disk.place / "faulty", NEW, sync=True)
            raise AssertionError("the ordered fault did not come")
        except OSError as e:
            assert e.errno == errno.EIO, e
    disk.heal()
    write(disk.place / "faulty", NEW, sync=True)


def check_lies_on_order(disk):
    def lied(folder):
        disk.fault("sync", "LIE", 0, "/a")
        write(folder / "a", NEW, sync=True)
    assert OLD in outcomes(disk, old_file, lied, lambda f: content(f / "a"))

    def lied_folder(folder):
        disk.fault("syncdir", "LIE", 0, "lied_folder")
        write(folder / "b", NEW, sync=True)
        sync_folder(folder)
    assert set(outcomes(disk, nothing, lied_folder, lambda f: content(f / "b"))) == {None, NEW}


def check_what_databases_need(disk):
    fd = os.open(disk.place / "db", os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.posix_fallocate(fd, 0, 1 << 20)
    assert os.fstat(fd).st_size == 1 << 20
    with mmap.mmap(fd, 8192) as m:
        m[:8192] = NEW
        m.flush()
    assert os.pread(fd, 8192, 0) == NEW
    os.fsync(fd)
    os.close(fd)
    names = {f"file-{i}" for i in range(500)}
    folder = disk.place / "many"
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    assert set(os.listdir(folder)) == names
    for entry in os.scandir(folder):
        os.unlink(entry.path)
    os.rmdir(folder)


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--preset", default="release")
    options.add_argument("--where-possible", action="store_true",
                         help="do nothing, and say so, where no such disk can be mounted")
    options = options.parse_args()
    missing = why_missing(options.preset)
    if missing and options.where_possible:
        print(f"NOT RUN: the disk whose power is cut: {missing}\n0 passed, 0 failed")
        return 0
    checks = [f for name, f in globals().items() if name.startswith("check_")]
    passed = 0
    with tempfile.TemporaryDirectory(prefix="sluice-power-") as folder:
        for check in checks:
            try:
                with PowerDisk(pathlib.Path(folder) / "disk", options.preset) as disk:
                    check(disk)
                passed += 1
            except (AssertionError, OSError) as e:
                print(f"FAIL power {check.__name__}: {e!r}")
    print(f"{passed} passed, {len(checks) - passed} failed")
    return 0 if passed == len(checks) else 1


if __name__ == "__main__":
    sys.exit(main())
