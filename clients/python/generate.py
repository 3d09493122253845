#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make the Python stubs from proto/ with grpcio-tools: generate.py OUT_FOLDER

The stubs are never kept in the repository. `./dev setup` writes them to clients/python/generated
and puts that folder and this one on the path of .venv.
"""
import pathlib
import sys

import grpc_tools
from grpc_tools import protoc

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONTRACTS = ["databricks/zerobus_service.proto", "sluice/v1/sluice.proto"]


def generate(out: pathlib.Path) -> None:
    """Write the stubs of every contract below out."""
    out.mkdir(parents=True, exist_ok=True)
    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    arguments = ["protoc", f"-I{ROOT / 'proto'}", f"-I{well_known}", f"--python_out={out}"]
    code = protoc.main(arguments + [f"--grpc_python_out={out}"] + CONTRACTS)
    if code != 0:
        raise SystemExit(f"generate.py: protoc ended with {code}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    generate(pathlib.Path(sys.argv[1]))
