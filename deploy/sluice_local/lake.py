# SPDX-License-Identifier: Apache-2.0
"""Delta tables as engines that are not ours read them: delta-rs and DuckDB's delta extension."""
import dataclasses
import glob
import importlib.util
import json
import os

import deltalake
import duckdb

POSITION_TAGS = ("sluice.firstPosition", "sluice.lastPosition", "sluice.rows")


def read_delta_rs(folder, columns=None):
    """The table as Arrow, read by delta-rs."""
    return deltalake.DeltaTable(str(folder)).to_pyarrow_table(columns=columns)


def connect_duckdb():
    """DuckDB with the delta extension from its PyPI package; nothing is downloaded."""
    places = importlib.util.find_spec("duckdb_extension_delta").submodule_search_locations
    extension, = glob.glob(os.path.join(places[0], "extensions", "*", "delta.duckdb_extension"))
    connection = duckdb.connect(config={
        "autoinstall_known_extensions": "false", "autoload_known_extensions": "false"})
    connection.execute(f"LOAD '{extension}'")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def read_duckdb(folder, columns=None):
    """The table as Arrow, read by DuckDB."""
    wanted = ", ".join(f'"{c}"' for c in columns) if columns else "*"
    with connect_duckdb() as connection:
        return connection.execute(f"SELECT {wanted} FROM delta_scan('{folder}')").to_arrow_table()


ENGINES = {"delta-rs": read_delta_rs, "DuckDB": read_duckdb}


@dataclasses.dataclass
class Comparison:
    """Rows of a source against rows of a table, as multisets over all columns."""
    rows: int        # in the table
    lost: int        # in the source, not (as often) in the table
    duplicated: int  # in the table more often than in the source
    foreign: int     # different rows in the table that are not in the source at all

    def __add__(self, other):
        return Comparison(self.rows + other.rows, self.lost + other.lost,
                          self.duplicated + other.duplicated, self.foreign + other.foreign)


def compare(source, table):
    """Both Arrow tables; the columns of source decide."""
    columns = ", ".join(f'"{c}"' for c in source.column_names)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("source", source)
        connection.register("found", table)

        def count(what):
            return connection.execute(f"SELECT count(*) FROM ({what})").fetchone()[0]

        extra = f"SELECT {columns} FROM found EXCEPT ALL SELECT {columns} FROM source"
        foreign = f"SELECT * FROM ({extra}) EXCEPT SELECT {columns} FROM source"
        lost = count(f"SELECT {columns} FROM source EXCEPT ALL SELECT {columns} FROM found")
        extra_count = count(extra)
        foreign_count = count(foreign) if extra_count else 0
    return Comparison(table.num_rows, lost, extra_count - foreign_count, foreign_count)


@dataclasses.dataclass
class Add:
    """One data file that a commit of the table's log adds."""
    version: int
    path: str
    records: int
    first_position: int
    last_position: int
    rows: int


def adds(folder):
    """Every add of the table's log, in order, with its position tags."""
    found = []
    for file in sorted(glob.glob(os.path.join(str(folder), "_delta_log", "*.json"))):
        version = int(os.path.basename(file).split(".")[0])
        with open(file, encoding="utf-8") as lines:
            for line in lines:
                add = json.loads(line).get("add")
                if add is None:
                    continue
                first, last, rows = (int(add["tags"][tag]) for tag in POSITION_TAGS)
                records = json.loads(add["stats"])["numRecords"]
                found.append(Add(version, add["path"], records, first, last, rows))
    return found


def position_faults(folder):
    """What is wrong with the positions of a table's files: each may be in one file only, and a
    file holds as many rows as its tags and statistics say."""
    faults, before = [], None
    for add in adds(folder):
        if add.records != add.rows:
            faults.append(f"{add.path}: {add.records} records, {add.rows} rows by its tag")
        if add.last_position - add.first_position + 1 < add.rows:
            faults.append(f"{add.path}: {add.rows} rows in positions {add.first_position} to "
                          f"{add.last_position}")
        if before is not None and add.first_position <= before.last_position:
            faults.append(f"{add.path}: positions from {add.first_position} on, but version "
                          f"{before.version} already has them up to {before.last_position}")
        before = add
    return faults
