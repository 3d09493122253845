# SPDX-License-Identifier: Apache-2.0
"""A full disk slows or refuses producers, loses nothing, and heals when space returns."""
import contextlib
import json
import os
import secrets
import subprocess
import time

import grpc
from sluice_client import StreamFailed
from sluice_local import LocalServer, lake

DDL = "id BIGINT NOT NULL, filler STRING"
IMAGE_BYTES = 384 << 20
LEFT_BYTES = 40 << 20
WAIT_S = 45  # a full log is slowed for up to 30 s before it refuses


@contextlib.contextmanager
def small_disk(folder):
    """A file system of its own in a file; needs root or sudo, as ./dev setup does."""
    root = [] if os.geteuid() == 0 else ["sudo"]
    image, place = folder / "disk.img", folder / "disk"
    place.mkdir(exist_ok=True)
    with open(image, "wb") as f:
        f.truncate(IMAGE_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
    subprocess.run([*root, "mount", "-o", "loop", image, place], check=True)
    try:
        subprocess.run([*root, "chown", str(os.geteuid()), place], check=True)
        yield place
    finally:
        subprocess.run([*root, "umount", "-l", place], check=True)
        image.unlink()


def fill(place):
    """Leave only LEFT_BYTES; returns the file to remove."""
    state = os.statvfs(place)
    size = state.f_bavail * state.f_frsize - LEFT_BYTES
    with open(place / "ballast", "wb") as f:
        os.posix_fallocate(f.fileno(), 0, size)
    return place / "ballast"


def pump(admin, table, first, seconds):
    """Send rows until the server refuses or time is up, then wait up to WAIT_S for the answers;
    returns (sent, acknowledged, failure)."""
    sent, failure = 0, None
    producer = admin.producer(table, inflight_max=2000)
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            rows = [json.dumps({"id": first + sent + i, "filler": secrets.token_hex(500)})
                    for i in range(20)]
            producer.append_batch(rows)
            sent += 20
            if sent % 4000 == 0:
                producer.wait(sent // 20 - 1, WAIT_S)
        producer.close(WAIT_S)
    except StreamFailed as e:
        failure = e
        producer.__exit__(type(e), e, None)
    return sent, (producer.acked + 1) * 20, failure


def test_full_disk_is_survived(world):
    with small_disk(world.folder) as place:
        with LocalServer(place / "server", freshness_ms=500, segment_bytes=16 << 20,
                         log_bytes_max=128 << 20) as server:
            server.prepare()
            server.start()
            with server.connect() as admin:
                admin.create_table("e2e.disk.full", DDL)
                ballast = fill(place)
                sent, acked, failure = pump(admin, "e2e.disk.full", 0, 60)
                assert failure is not None, f"{sent} rows were taken on a full disk"
                assert failure.code is grpc.StatusCode.RESOURCE_EXHAUSTED, failure
                assert server.process.poll() is None, server.log_tail()
                ballast.unlink()
                time.sleep(2)
                more, more_acked, failure = pump(admin, "e2e.disk.full", sent, 3)
                assert failure is None and more_acked == more, failure
                server.wait_committed(["e2e.disk.full"])
            folder = place / "server/lake/e2e/disk/full"
            ids = lake.read_delta_rs(folder, ["id"])["id"].to_pylist()
            assert lake.position_faults(folder) == []
            assert len(ids) == len(set(ids)), "rows stand twice"
            lost = (set(range(acked)) | set(range(sent, sent + more))) - set(ids)
            assert not lost, f"{len(lost)} acknowledged rows are lost"
            server.stop()
