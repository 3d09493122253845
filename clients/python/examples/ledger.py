#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A producer that keeps a ledger: what it sent, and what was acknowledged (docs/formats/ledger.md).

    ledger.py --endpoint localhost:50051 --ca ca.pem --token-file admin.token --ledger my.ledger
    sluice verify --data DIR --ledger my.ledger
"""
import argparse
import pathlib
import zlib

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from sluice_client import Server

TABLE = "example.shop.weighed"
DDL = "number BIGINT NOT NULL, sku STRING, grams BIGINT, fresh BOOLEAN"


def row_class(table):
    """A message class from the table's own descriptor: the ledger's hash is of its bytes."""
    file = descriptor_pb2.FileDescriptorProto(name="weighed.proto", syntax="proto2")
    file.message_type.add().ParseFromString(table.descriptor_proto)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(file.message_type[0].name))


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--endpoint", default="localhost:50051")
    options.add_argument("--ca", help="the CA's certificate, PEM")
    options.add_argument("--token-file", required=True, help="an admin token")
    options.add_argument("--ledger", required=True, help="the file to write")
    options.add_argument("--rows", type=int, default=1000)
    options = options.parse_args()
    token = pathlib.Path(options.token_file).read_text().strip()

    with Server(options.endpoint, token, ca=options.ca) as server:
        try:
            table = server.create_table(TABLE, DDL)
        except grpc.RpcError as e:
            if e.code() is not grpc.StatusCode.ALREADY_EXISTS:
                raise
            table = server.table(TABLE)
        row = row_class(table)

        with open(options.ledger, "a", buffering=1) as ledger:
            def on_ack(first, last):
                ledger.write(f"A\t{producer.stream_id}\t{last}\n")

            with server.producer(TABLE, row, on_ack=on_ack) as producer:
                ledger.write(f"S\t{producer.stream_id}\t{TABLE}\tnumber\tcrc32\n")
                for i in range(options.rows):
                    data = row(number=i, sku=f"sku-{i % 50}", grams=i * 3,
                               fresh=i % 2 == 0).SerializeToString()
                    ledger.write(f"R\t{producer.stream_id}\t{i}\t{i}\t{zlib.crc32(data):08x}\n")
                    producer.append(data)
    print(f"{options.rows} rows are durable; {options.ledger} says so")


if __name__ == "__main__":
    main()
