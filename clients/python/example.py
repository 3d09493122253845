#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Create a table, stream rows as JSON and as protobuf, read them back by key."""
import argparse
import json
import pathlib

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from sluice_client import Server

TABLE = "example.shop.stock"
DDL = "sku STRING NOT NULL, shelf INT, grams BIGINT, counted_at TIMESTAMP"


def stock_message(table):
    """A message class from the table's own descriptor (or write a .proto and compile it)."""
    file = descriptor_pb2.FileDescriptorProto(name="stock.proto", syntax="proto2")
    file.message_type.add().ParseFromString(table.descriptor_proto)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(file.message_type[0].name))


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--endpoint", default="localhost:50051")
    options.add_argument("--ca", help="the CA's certificate, PEM")
    options.add_argument("--token-file", required=True, help="an admin token")
    options = options.parse_args()
    token = pathlib.Path(options.token_file).read_text().strip()

    with Server(options.endpoint, token, ca=options.ca) as server:
        try:
            table = server.create_table(TABLE, DDL, primary_key=["sku"])
        except grpc.RpcError as e:
            if e.code() is not grpc.StatusCode.ALREADY_EXISTS:
                raise
            table = server.table(TABLE)

        with server.producer(TABLE) as producer:
            for i in range(1000):
                row = {"sku": f"json-{i}", "shelf": i % 40, "grams": i * 250}
                producer.append(json.dumps(row))

        stock = stock_message(table)
        with server.producer(TABLE, stock) as producer:
            for first in range(0, 1000, 100):
                producer.append_batch(
                    [stock(sku=f"proto-{i}", shelf=i % 40, grams=i * 250,
                           counted_at=1_700_000_000_000_000 + i)
                     for i in range(first, first + 100)])

        print(server.get(TABLE, {"sku": "json-999"}))
        print(server.get_many(TABLE, [{"sku": "proto-7"}, {"sku": "no such"}]))


if __name__ == "__main__":
    main()
