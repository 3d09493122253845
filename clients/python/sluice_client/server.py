# SPDX-License-Identifier: Apache-2.0
"""One connection to a Sluice server: tables, tokens, lookups, status, and producers on it."""
import json
import pathlib

import grpc
from google.protobuf import descriptor_pb2
from sluice.v1 import sluice_pb2, sluice_pb2_grpc

from .producer import Producer

MESSAGE_BYTES_MAX = 16 << 20
KEYS_MAX = 1000  # of one MultiGet


def key_text(key) -> str:
    """A key as the wire wants it: one JSON object with exactly the key columns."""
    return key if isinstance(key, str) else json.dumps(key)


class Server:
    """Safe to use from several threads. Errors are grpc.RpcError with code() and details()."""

    def __init__(self, endpoint, token, ca=None, plain=False):
        """endpoint: host:port. ca: file of the CA that signed the server's certificate (PEM);
        without it the system's CAs are used. plain: no TLS, for a loopback listener only."""
        options = [("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
                   ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX)]
        if plain:
            self.channel = grpc.insecure_channel(endpoint, options)
        else:
            roots = pathlib.Path(ca).read_bytes() if ca else None
            credentials = grpc.ssl_channel_credentials(roots)
            self.channel = grpc.secure_channel(endpoint, credentials, options)
        self.metadata = [("authorization", f"Bearer {token}")] if token else []
        self._tables = sluice_pb2_grpc.TablesStub(self.channel)
        self._tokens = sluice_pb2_grpc.TokensStub(self.channel)
        self._rows = sluice_pb2_grpc.RowsStub(self.channel)
        self._quarantine = sluice_pb2_grpc.QuarantineStub(self.channel)
        self._server = sluice_pb2_grpc.ServerStub(self.channel)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.channel.close()

    def _call(self, method, request, timeout_s=30):
        return method(request, metadata=self.metadata, timeout=timeout_s)

    # -- tables and tokens

    def create_table(self, name, ddl, primary_key=(), properties=None):
        request = sluice_pb2.CreateTableRequest(name=name, ddl=ddl, primary_key=primary_key,
                                                properties=properties)
        return self._call(self._tables.CreateTable, request).table

    def table(self, name):
        request = sluice_pb2.DescribeTableRequest(name=name)
        return self._call(self._tables.DescribeTable, request).table

    def tables(self):
        return list(self._call(self._tables.ListTables, sluice_pb2.ListTablesRequest()).tables)

    def alter_table(self, name, add=(), widen=(), set_properties=None, unset_properties=()):
        """add, widen: "column TYPE", in a STRUCT "column.field TYPE". Returns the next version;
        producers that run go on under the one they were opened with."""
        request = sluice_pb2.AlterTableRequest(
            name=name, add_columns=add, widen_columns=widen,
            set_properties=set_properties or {}, unset_properties=unset_properties)
        return self._call(self._tables.AlterTable, request).table

    def replace_table(self, name, ddl, primary_key=(), properties=None):
        """Drop the table and make it again, as create_table() would; its folder goes aside.
        Producers that run end: with NOT_FOUND of a drop, here with INVALID_ARGUMENT."""
        request = sluice_pb2.CreateTableRequest(name=name, ddl=ddl, primary_key=primary_key,
                                                properties=properties)
        return self._call(self._tables.ReplaceTable, request).table

    def drop_table(self, name):
        self._call(self._tables.DropTable, sluice_pb2.DropTableRequest(name=name))

    def create_token(self, name, grants=(), admin=False, lifetime_s=0):
        """grants: {"a.b.c": "rw", …} or pairs. Returns the token, which is shown only now."""
        pairs = grants.items() if isinstance(grants, dict) else grants
        wire = [sluice_pb2.Grant(table=t, read="r" in may, write="w" in may) for t, may in pairs]
        request = sluice_pb2.CreateTokenRequest(
            name=name, grants=wire, admin=admin, lifetime_s=lifetime_s)
        return self._call(self._tokens.CreateToken, request).token

    def revoke_token(self, name):
        self._call(self._tokens.RevokeToken, sluice_pb2.RevokeTokenRequest(name=name))

    def status(self):
        return self._call(self._server.Status, sluice_pb2.StatusRequest())

    # -- quarantine

    def quarantined(self, table, with_replayed=False):
        """The rows that did not fit the table, oldest first."""
        request = sluice_pb2.ListQuarantineRequest(table=table, limit=1000,
                                                   with_replayed=with_replayed)
        rows = []
        while True:
            answer = self._call(self._quarantine.List, request)
            rows.extend(answer.rows)
            if not answer.cursor:
                return rows
            request.cursor = answer.cursor

    def replay(self, table):
        """Judge the quarantined rows again: (how many are stored now, how many are still bad)."""
        request = sluice_pb2.ReplayRequest(table=table)
        replayed = still_bad = 0
        while True:
            answer = self._call(self._quarantine.Replay, request)
            replayed += answer.replayed
            still_bad += answer.still_bad
            if not answer.cursor:
                return replayed, still_bad
            request.cursor = answer.cursor

    # -- rows

    def get(self, table, key):
        """The row with this key as a dict, None when there is none."""
        request = sluice_pb2.GetRequest(table=table, key_json=key_text(key))
        answer = self._call(self._rows.Get, request)
        return json.loads(answer.row) if answer.found else None

    def get_many(self, table, keys):
        """The rows of up to 1,000 keys from one snapshot, in the keys' order, None where none."""
        if len(keys) > KEYS_MAX:
            raise ValueError(f"{len(keys)} keys in one call, at most {KEYS_MAX}")
        request = sluice_pb2.MultiGetRequest(table=table, key_json=[key_text(k) for k in keys])
        answer = self._call(self._rows.MultiGet, request)
        return [json.loads(r.row) if r.found else None for r in answer.rows]

    def producer(self, table, descriptor=None, **options):
        """A stream of rows into table. Without a descriptor rows are JSON text; with one (a
        DescriptorProto, or a generated message class) rows are messages or serialised bytes."""
        if descriptor is not None and hasattr(descriptor, "DESCRIPTOR") and not isinstance(
                descriptor, descriptor_pb2.DescriptorProto):
            wire = descriptor_pb2.DescriptorProto()
            descriptor.DESCRIPTOR.CopyToProto(wire)
            descriptor = wire
        return Producer(self.channel, self.metadata, table, descriptor, **options)
