# SPDX-License-Identifier: Apache-2.0
"""A small run of ./dev interop types, and that its comparison sees what it is to see."""
import decimal
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "interop"))

import random_types as rt  # noqa: E402
import run_types  # noqa: E402
import same_rows  # noqa: E402

SCHEMAS, ROWS = 40, 25


def test_schemas_and_rows_come_back_equal(world):
    run = run_types.Run(world.server, run_types.options(
        ["--rows", str(ROWS), "--seed", "small"]))
    report = run.all(list(range(SCHEMAS)))
    assert not run.differences, f"{len(run.differences)} differences, see above"
    for way in ("lookup, JSON", "lookup, protobuf", "pyarrow"):
        assert report[f"compared by {way}"] == SCHEMAS * ROWS, (way, report)
    engines = report.get("compared by delta-rs", 0) + report.get("compared by DuckDB", 0)
    assert engines == SCHEMAS * ROWS, report


def other(v):
    """A value that is not v, of the same kind."""
    if isinstance(v, bool):
        return not v
    if isinstance(v, rt.Variant):
        return rt.Variant("[1]" if v.text != "[1]" else "[1.0]")
    if isinstance(v, (int, decimal.Decimal)):
        return v + 1
    if isinstance(v, float):
        return 1.5 if v != 1.5 else -1.5
    if isinstance(v, str):
        return v + " "
    if isinstance(v, bytes):
        return v + b"\0"
    if isinstance(v, list):
        return v[:-1] if v else [None]
    return None


def test_the_comparison_sees_every_kind_of_difference(_):
    rng = random.Random("differences")
    seen = set()
    for _ in range(300):
        schema = rt.Schema(rng, 3)
        row = rt.row(rng, schema, 1)
        for c in schema.columns:
            v = row[c.name]
            as_found = as_read(v)
            assert same_rows.same(c.type, v, as_found, same_rows.ARROW), (c, v)
            if v is None:
                continue
            seen.add(c.type.word)
            wrong = as_read(other(v))
            if c.type.is_list() and not v:
                continue
            assert not same_rows.same(c.type, v, wrong, same_rows.ARROW), (c.type.ddl(), v)
    assert seen == {*rt.FLAT, *rt.NESTED}, seen


def as_read(v):
    """The plain value as a reader gives it."""
    if isinstance(v, rt.Variant):
        return same_rows.Found(v.value())
    if isinstance(v, dict):
        return {k: as_read(i) for k, i in v.items()}
    if isinstance(v, list):
        return [(i[0], as_read(i[1])) if isinstance(i, tuple) else as_read(i) for i in v]
    return v
