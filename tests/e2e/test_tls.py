# SPDX-License-Identifier: Apache-2.0
"""The listener speaks TLS 1.2 and 1.3 with HTTP/2, and nothing older."""
import socket
import ssl
import warnings


def client(version):
    """A client that speaks only this version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:@SECLEVEL=0")  # or this client itself would refuse 1.1
    context.set_alpn_protocols(["h2"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    return context


def handshake(world, version):
    """(version, ALPN protocol) that client and server agree on."""
    context = client(version)
    context.load_verify_locations(world.server.ca)
    with socket.create_connection(("127.0.0.1", world.server.port), 10) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as tls:
            return tls.version(), tls.selected_alpn_protocol()


def can_offer(version):
    """Does this client get as far as a hello? A refusal must come from the server."""
    sent = ssl.MemoryBIO()
    try:
        client(version).wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        return sent.pending > 0
    return False


def test_tls_1_2_is_spoken_with_http_2(world):
    assert handshake(world, ssl.TLSVersion.TLSv1_2) == ("TLSv1.2", "h2")


def test_tls_1_3_is_spoken_with_http_2(world):
    assert handshake(world, ssl.TLSVersion.TLSv1_3) == ("TLSv1.3", "h2")


def test_tls_1_1_is_refused(world):
    assert can_offer(ssl.TLSVersion.TLSv1_1), "this client cannot offer TLS 1.1"
    try:
        agreed = handshake(world, ssl.TLSVersion.TLSv1_1)
    except (ssl.SSLError, ConnectionResetError):
        return
    raise AssertionError(f"the server agreed to {agreed}")
