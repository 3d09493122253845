# SPDX-License-Identifier: Apache-2.0
"""A Sluice server in a folder of its own, driven from Python: for the demo, tests and the bench."""
from .console import Progress
from .server import LocalServer, free_port

__all__ = ["LocalServer", "Progress", "free_port"]
