# SPDX-License-Identifier: Apache-2.0
"""Producer and reader for Sluice on plain generated gRPC stubs.

    from sluice_client import Server

    with Server("localhost:50051", token, ca="ca.pem") as server:
        with server.producer("farm.ops.harvest") as producer:   # JSON rows
            producer.append('{"tray": 17, "grams": 412}')
        row = server.get("farm.ops.harvest", {"tray": 17})       # None when unknown
"""
from .producer import Producer, StreamFailed
from .server import Server

__all__ = ["Producer", "Server", "StreamFailed"]
