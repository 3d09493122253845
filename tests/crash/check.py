# SPDX-License-Identifier: Apache-2.0
"""What must hold after each round: every acknowledged row is in Delta, none more often than it was
sent, none that differs, and no log position is in two files."""
import duckdb
import pyarrow as pa
from sluice_local import lake

from loads import FILLER_MAX, KEYED, SDK_TABLE, TOOL_TABLE

LOOKUPS = 50
LIST_MAX = 5
VERIFY_TRIES = 4
NOT_ALL_SEEN = 6  # exit status of sluice verify: something moved, look again

IDENTITIES = f"""
WITH found AS (SELECT id, count(*) AS n,
                      count(*) FILTER (WHERE filler IS DISTINCT FROM
                                       repeat('x', CAST(id % {FILLER_MAX} AS INT))) AS wrong,
                      min(round) AS low, max(round) AS high
               FROM found_rows GROUP BY id),
     both_sides AS (SELECT coalesce(f.id, l.id) AS id, coalesce(n, 0) AS n,
                           coalesce(sent, 0) AS sent, coalesce(acked, false) AS acked,
                           coalesce(wrong, 0) > 0 OR low <> l.round OR high <> l.round AS wrong
                    FROM found f FULL OUTER JOIN ledger l ON f.id = l.id)
SELECT CASE WHEN n = 0 AND acked THEN 'acknowledged and lost'
            WHEN sent = 0 THEN 'that nobody sent'
            WHEN n > sent THEN 'more often than they were sent'
            WHEN wrong THEN 'with other content' END AS fault,
       count(*) AS rows, min(id) AS first, max(id) AS last
FROM both_sides GROUP BY fault HAVING fault IS NOT NULL
"""
NUMBERED = """
WITH f AS (SELECT r.stream_no, r.seq, l.acked, l.sent
           FROM found_rows r LEFT JOIN ledger l ON r.stream_no = l.stream_no),
     there AS (SELECT stream_no, count(DISTINCT seq) FILTER (WHERE seq >= 0 AND seq < acked) AS n
               FROM f GROUP BY stream_no)
SELECT 'more often than they were sent' AS fault,
       count(*) - count(DISTINCT (stream_no, seq)) AS rows
FROM f
UNION ALL SELECT 'that nobody sent', count(*) FROM f
          WHERE sent IS NULL OR seq < 0 OR seq >= sent
UNION ALL SELECT 'acknowledged and lost', coalesce(sum(l.acked - coalesce(t.n, 0)), 0)
          FROM ledger l LEFT JOIN there t ON l.stream_no = t.stream_no
"""


def identity_faults(folder, table, ledger):
    sent, acked = dict(ledger.sent[table]), ledger.acked[table]
    ids = list(sent)
    known = pa.table({"id": pa.array(ids, pa.int64()),
                      "sent": pa.array(list(sent.values()), pa.int64()),
                      "acked": pa.array([i in acked for i in ids], pa.bool_()),
                      "round": pa.array([ledger.round_of[i] for i in ids], pa.int32())})
    found = lake.read_delta_rs(folder, ["id", "round", "filler"])
    with duckdb.connect() as connection:
        connection.register("ledger", known)
        connection.register("found_rows", found)
        return [f"{table}: {rows:,} rows {fault}, ids {first} to {last}"
                for fault, rows, first, last in connection.execute(IDENTITIES).fetchall()]


def number_faults(folder, table, ledger):
    streams = ledger.streams
    known = pa.table({"stream_no": pa.array(list(streams), pa.int64()),
                      "acked": pa.array([a for a, _ in streams.values()], pa.int64()),
                      "sent": pa.array([s for _, s in streams.values()], pa.int64())})
    found = lake.read_delta_rs(folder, ["stream_no", "seq"])
    with duckdb.connect() as connection:
        connection.register("ledger", known)
        connection.register("found_rows", found)
        return [f"{table}: {int(rows):,} rows {fault}"
                for fault, rows in connection.execute(NUMBERED).fetchall() if rows]


def lookup_faults(server, ledger, random):
    acked = sorted(ledger.acked[KEYED])
    sample = random.sample(acked, min(LOOKUPS, len(acked)))
    if not sample:
        return []
    with server.connect() as admin:
        rows = admin.get_many(KEYED, [{"id": i} for i in sample])
    return [f"{KEYED}: key {i} gives {row}" for i, row in zip(sample, rows)
            if row is None or row["id"] != i][:LIST_MAX]


def verify_faults(server, ledger, *options):
    """What `sluice verify` finds; the server may run, and trim the log while it looks."""
    files = [a for file in ledger.files for a in ("--ledger", file)]
    for _ in range(VERIFY_TRIES):
        done = server.command("verify", "--data", server.data, "--lake", server.lake, "--quiet",
                              *options, *files, check=False)
        if done.returncode != NOT_ALL_SEEN:
            break
    if done.returncode == 0:
        return []
    return [f"sluice verify ends with {done.returncode}: {(done.stdout + done.stderr)[-1500:]}"]


def faults(server, ledger, random, commit_s):
    """Of the running server; it is given so many seconds to commit everything durable."""
    server.wait_committed([SDK_TABLE, KEYED, TOOL_TABLE], commit_s)
    found = []
    folders = {table: server.table_folder(table) for table in (SDK_TABLE, KEYED, TOOL_TABLE)}
    for table in (SDK_TABLE, KEYED):
        found += identity_faults(folders[table], table, ledger)
    found += number_faults(folders[TOOL_TABLE], TOOL_TABLE, ledger)
    for table, folder in folders.items():
        found += [f"{table}: {fault}" for fault in lake.position_faults(folder)[:LIST_MAX]]
    return found + lookup_faults(server, ledger, random) + verify_faults(server, ledger)
