# SPDX-License-Identifier: Apache-2.0
"""One server with everything it needs in one folder: certificates, tokens, log, lake.

Its configuration is the sample of deploy/sluiced.conf with folders and addresses of its own.
"""
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from sluice_client import Server

ROOT = pathlib.Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 60
HEALTH = "/grpc.health.v1.Health/Check"
SERVING = b"\x08\x01"


def free_port():
    """A port of the loopback that nobody listens on just now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def port_or_another(port):
    """This port when nobody listens on it, else a free one."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return free_port()
    return port


def row_class(connection, table):
    """A message class made from the table's own descriptor."""
    file = descriptor_pb2.FileDescriptorProto(name="row.proto", syntax="proto2")
    file.message_type.add().ParseFromString(connection.table(table).descriptor_proto)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(file.message_type[0].name))


class LocalServer:
    def __init__(self, folder, port=None, preset="release", **settings):
        """settings: further keys of sluiced.conf, as text or numbers."""
        self.folder = pathlib.Path(folder).resolve()
        self.port = port or free_port()
        self.endpoint = f"localhost:{self.port}"
        self.bin = pathlib.Path(os.environ.get("SLUICE_BIN", ROOT / "build" / preset / "bin"))
        self.data = pathlib.Path(settings.get("data_dir", self.folder / "data"))
        self.lake = pathlib.Path(settings.get("lake_dir", self.folder / "lake"))
        self.ca = self.folder / "tls" / "ca.pem"
        self.config = self.folder / "sluiced.conf"
        self.admin_token_file = self.folder / "admin.token"
        self.log_file = self.folder / "sluiced.log"
        self.process = None
        self.lives = 0  # how often it was started
        self._settings = settings

    # -- before the first start

    def prepare(self):
        """Certificates, configuration, an empty data folder with its admin token."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._run([ROOT / "deploy" / "dev-ca.sh", self.folder / "tls"])
        self.write_config()
        self._run([self.bin / "sluice", "init", "--data", self.data,
                   "--admin-token-file", self.admin_token_file])

    def write_config(self, **settings):
        self._settings.update(settings)
        wanted = {
            "data_dir": self.data, "lake_dir": self.lake,
            "listen": f"127.0.0.1:{self.port}",
            "tls_cert": self.folder / "tls" / "server.pem",
            "tls_key": self.folder / "tls" / "server.key", **self._settings}
        text = (ROOT / "deploy" / "sluiced.conf").read_text()
        for key, value in wanted.items():
            line = f"{key} = {value}"
            text, found = re.subn(rf"^#?{key} = .*$", line, text, count=1, flags=re.M)
            if not found:
                text += line + "\n"
        self.config.write_text(text)

    # -- life

    def start(self, **environment):
        """Start it, with further variables in its environment, and wait until it serves."""
        self.spawn(**environment)
        self._wait_serving()

    def spawn(self, **environment):
        """Start it; it may not serve yet."""
        self.lives += 1
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [self.bin / "sluiced", "--config", self.config], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env={**os.environ, **environment})
        return self.process

    def stop(self):
        """SIGTERM, and wait for its end; returns the exit status."""
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"sluiced did not end within {STOP_TIMEOUT_S} s of SIGTERM")
        self.process = None
        return status

    def kill(self):
        """SIGKILL: what a crash does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def __enter__(self):
        # A driver that is told to end takes its server along: leave by way of __exit__.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        return self

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def _wait_serving(self):
        end = time.monotonic() + START_TIMEOUT_S
        credentials = grpc.ssl_channel_credentials(self.ca.read_bytes())
        options = [("grpc.max_reconnect_backoff_ms", 100),
                   ("grpc.initial_reconnect_backoff_ms", 20)]
        with grpc.secure_channel(self.endpoint, credentials, options) as channel:
            check = channel.unary_unary(HEALTH)
            while time.monotonic() < end:
                if self.process.poll() is not None:
                    raise RuntimeError(f"sluiced ended with {self.process.returncode}:\n"
                                       f"{self.log_tail()}")
                try:
                    if check(b"", timeout=1, wait_for_ready=True).startswith(SERVING):
                        return
                except grpc.RpcError:
                    pass
                time.sleep(0.02)
        raise RuntimeError(f"sluiced does not serve after {START_TIMEOUT_S} s:\n{self.log_tail()}")

    # -- use

    @property
    def admin_token(self):
        return self.admin_token_file.read_text().strip()

    def connect(self, token=None):
        return Server(self.endpoint, self.admin_token if token is None else token, ca=self.ca)

    def token(self, name, grants):
        """A new token in a file of its own; returns (token, file)."""
        with self.connect() as server:
            token = server.create_token(name, grants)
        file = self.folder / f"{name}.token"
        file.touch(mode=0o600)
        file.write_text(token + "\n")
        return token, file

    def command(self, *arguments, check=True, program="sluice", input=None):
        """Run the command line against this server as the administrator."""
        return self._run([self.bin / program, *arguments], check, input)

    def environment(self):
        return {**os.environ, "SLUICE_ENDPOINT": self.endpoint, "SLUICE_CA": str(self.ca),
                "SLUICE_TOKEN_FILE": str(self.admin_token_file)}

    def table_folder(self, name):
        with self.connect() as server:
            return server.table(name).location

    def wait_committed(self, tables, timeout_s=120, on_status=None):
        """Until Delta holds every row of the tables that is durable now; returns the last
        status. What the compactor has not read yet is not in a table's lag, so it must have read
        up to what is durable first."""
        end = time.monotonic() + timeout_s
        with self.connect() as server:
            durable = server.status().durable_position
            while True:
                status = server.status()
                if on_status:
                    on_status(status)
                lag = {t.name: t.lag_rows for t in status.tables if t.name in tables}
                if (status.scanned_position >= durable and len(lag) == len(set(tables))
                        and not any(lag.values())):
                    return status
                if time.monotonic() > end:
                    raise TimeoutError(f"not committed after {timeout_s} s: {lag}, scanned "
                                       f"{status.scanned_position} of {durable}")
                time.sleep(0.05)

    def log_tail(self, lines=20):
        if not self.log_file.exists():
            return ""
        return "\n".join(self.log_file.read_text(errors="replace").split("\n")[-lines - 1:])

    def _run(self, command, check=True, input=None):
        done = subprocess.run(
            [str(c) for c in command], env=self.environment(), input=input, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(str(c) for c in command)} ended with "
                               f"{done.returncode}:\n{done.stdout}{done.stderr}")
        return done
