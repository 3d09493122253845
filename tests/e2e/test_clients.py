# SPDX-License-Identifier: Apache-2.0
"""The examples of clients/ do what their READMEs say; the unit and the sample fit the server."""
import pathlib
import re
import subprocess
import sys

from sluice_local.server import ROOT


def test_python_example(world):
    done = subprocess.run(
        [sys.executable, ROOT / "clients/python/example.py", "--endpoint", world.server.endpoint,
         "--ca", world.server.ca, "--token-file", world.server.admin_token_file],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "json-999" in done.stdout and "proto-7" in done.stdout and "None" in done.stdout
    assert len(world.rows("example.shop.stock")) == 2000
    world.admin.drop_table("example.shop.stock")


def c_example(world, ca, token_file, table, lines):
    return subprocess.run(
        [world.server.bin / "example_ingest", world.server.endpoint, ca, token_file, table],
        input=lines, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)


def test_c_example_over_tls_with_a_token(world):
    table = world.table("id BIGINT NOT NULL, name STRING")
    _, token_file = world.server.token("c-example", {table: "w"})
    lines = "".join(f'{{"id": {i}, "name": "n{i}"}}\n' for i in range(3000))
    done = c_example(world, world.server.ca, token_file, table, lines)
    assert done.returncode == 0, done.stderr
    assert "3000 rows are durable" in done.stdout, done.stdout
    rows = sorted((row["id"], row["name"]) for row in world.rows(table))
    assert rows == [(i, f"n{i}") for i in range(3000)]


def test_c_example_is_refused_without_token_or_trust(world):
    table, other = (world.table("id BIGINT NOT NULL") for _ in range(2))
    _, token_file = world.server.token("c-example-other", {other: "w"})
    elsewhere = pathlib.Path(world.folder) / "elsewhere"
    subprocess.run([ROOT / "deploy/dev-ca.sh", elsewhere], stdout=subprocess.PIPE,
                   stderr=subprocess.PIPE, check=True)
    ca = world.server.ca
    for trusted, token, status in [(ca, "-", 16), (ca, token_file, 7),
                                   (elsewhere / "ca.pem", token_file, 14)]:
        done = c_example(world, trusted, token, table, '{"id": 1}\n')
        assert done.returncode == 1 and f"status {status}:" in done.stderr, done
    assert not world.rows(table)


def test_sample_configuration_documents_every_key_and_no_other(world):
    """What stands there behind a # are the defaults: tests/unit/cmd/test_config.c."""
    text = (ROOT / "deploy/sluiced.conf").read_text()
    shown = re.findall(r"^#?(\w+) = ", text, re.M)
    source = (ROOT / "src/cmd/config.c").read_text()
    known = re.findall(r'^ *\{"(\w+)", (?:&c->|NULL, &c->)\1, ', source, re.M)
    assert len(known) > 20 and len(set(shown)) == len(shown), (known, shown)
    assert sorted(known) == sorted(shown), set(known) ^ set(shown)


def test_unknown_key_of_the_configuration_is_refused(world):
    config = pathlib.Path(world.folder) / "bad.conf"
    config.write_text(world.server.config.read_text() + "no_such_key = 1\n")
    done = world.server.command("--config", config, check=False, program="sluiced")
    assert done.returncode > 0 and "no_such_key" in done.stderr + done.stdout, done


def test_plain_listener_only_on_loopback(world):
    config = pathlib.Path(world.folder) / "plain.conf"
    config.write_text(world.server.config.read_text() + "listen_plain = 0.0.0.0:50999\n")
    done = world.server.command("--config", config, check=False, program="sluiced")
    assert done.returncode > 0 and "listen_plain" in done.stderr + done.stdout, done


def test_unit_starts_the_server_as_installed(world):
    unit = (ROOT / "deploy/sluiced.service").read_text()
    assert "ExecStart=/usr/local/bin/sluiced --config /etc/sluice/sluiced.conf" in unit
    verify = pathlib.Path("/usr/bin/systemd-analyze")
    if verify.exists():
        file = pathlib.Path(world.folder) / "sluiced.service"
        file.write_text(unit.replace("/usr/local/bin/sluiced", str(world.server.bin / "sluiced"))
                        .replace("User=sluice", "User=root").replace("Group=sluice", "Group=root"))
        done = subprocess.run([verify, "verify", "--man=no", file], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=60)
        assert "sluiced.service:" not in done.stdout, done.stdout
