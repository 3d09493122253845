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


def test_sample_configuration_names_only_known_keys(world):
    """The demo and these tests run on the sample; here every commented key is switched on too."""
    text = (ROOT / "deploy/sluiced.conf").read_text()
    commented = re.findall(r"^#(\w+) = (.*)$", text, re.M)
    assert commented
    source = "".join(p.read_text() for p in (ROOT / "src/cmd").glob("*.c"))
    keys = [k for k, _ in commented] + re.findall(r"^(\w+) = ", text, re.M)
    unknown = [k for k in keys if f'"{k}"' not in source]
    assert not unknown, unknown


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
