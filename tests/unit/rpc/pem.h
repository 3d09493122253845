/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A certificate for localhost and 127.0.0.1 with its key, valid from 2020 to 2120 and good for
 * nothing but these tests. Self-signed leaf (CA:FALSE), P-256, made with `openssl ca -selfsign`.
 */

static const char test_cert_pem[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBYzCCAQqgAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAlsb2NhbGhv\n"
    "c3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBQxEjAQBgNVBAMM\n"
    "CWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABH1BLuitcJ8kfCTo\n"
    "WxFuHDfj4l5MgVeDVy+Z7no/Fa+zwc555OjMadwQ+5eo1CZ08ql6aWGg8x/VxLdf\n"
    "99VIpQOjSzBJMBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAMBgNVHRMBAf8E\n"
    "AjAAMB0GA1UdDgQWBBT/HKyHVAkg01GTK9edqWpXkvU8YDAKBggqhkjOPQQDAgNH\n"
    "ADBEAiABHzLly8eUqBVN5bYP8+LPOB9Q9J4YFbnMUfQo6f0nTwIgc+AF1KZh1TWm\n"
    "COwynwLevneUiiq2YTeZKwAAme2LFm4=\n"
    "-----END CERTIFICATE-----\n";

static const char test_key_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg4k2wVLJrF+VvmoSr\n"
    "wHCEXPY1u0Ir2SAP6eqbXOVmuB+hRANCAAR9QS7orXCfJHwk6FsRbhw34+JeTIFX\n"
    "g1cvme56PxWvs8HOeeTozGncEPuXqNQmdPKpemlhoPMf1cS3X/fVSKUD\n"
    "-----END PRIVATE KEY-----\n";
