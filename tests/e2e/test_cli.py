# SPDX-License-Identifier: Apache-2.0
"""The command line against a running server: human output, --json, exit statuses."""
import base64
import json
import pathlib
import subprocess
import sys

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet
from sluice_local.server import free_port

from world import eventually

DDL = "id BIGINT NOT NULL, name STRING"
# Exit statuses of sluice --help.
FAILED, USAGE, NOT_FOUND, DENIED, UNREACHABLE = 1, 2, 3, 4, 5


def run(world, *arguments, status=0, input=None):
    done = world.server.command(*arguments, check=False, input=input)
    assert done.returncode == status, (
        f"sluice {' '.join(map(str, arguments))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def run_json(world, *arguments):
    return json.loads(run(world, *arguments, "--json").stdout)


def test_table_commands(world):
    name = "e2e.cli.things"
    run(world, "table", "create", name, DDL, "--primary-key", "id")
    assert name in run(world, "table", "list").stdout
    shown = run(world, "table", "show", name).stdout.lower()
    assert "bigint" in shown and "name" in shown, shown
    assert name in json.dumps(run_json(world, "table", "list"))
    assert json.dumps(run_json(world, "table", "show", name)).count("bigint") >= 1
    run(world, "table", "drop", name)
    assert name not in run(world, "table", "list").stdout


def test_table_properties_are_kept_and_unknown_ones_are_refused(world):
    name = "e2e.cli.with_properties"
    run(world, "table", "create", name, DDL, "--property", "timestamps=iso8601",
        "--property", "evolve=none")
    shown = run_json(world, "table", "show", name)
    assert shown["properties"] == {"timestamps": "iso8601", "evolve": "none"}, shown
    assert "timestamps = iso8601" in run(world, "table", "show", name).stdout
    for word, says, status in [("colour=red", '"colour"', FAILED),
                               ("on_error=maybe", '"maybe"', FAILED),
                               ("on_error", "KEY=VALUE", USAGE)]:
        refused = run(world, "table", "create", f"{name}2", DDL, "--property", word, status=status)
        assert says in refused.stderr, refused.stderr


EVERY_TYPE = ("id BIGINT NOT NULL COMMENT 'the key', b BOOLEAN, i8 TINYINT, i32 INT, f FLOAT, "
              "x DOUBLE NOT NULL, d DECIMAL(9,2), s STRING, raw BINARY, day DATE, ts TIMESTAMP")


def shown_as(world, table, form):
    return run(world, "table", "show", table, "--as", form).stdout


def protoc(folder, text):
    """The one message of a .proto file, as protoc understands it."""
    (folder / "row.proto").write_text(text)
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{folder}",
                    f"--descriptor_set_out={folder / 'row.set'}", "row.proto"], check=True)
    files = FileDescriptorSet.FromString((folder / "row.set").read_bytes())
    message, = files.file[0].message_type
    return message


def plain(message):
    """A message type without what protoc adds or orders: JSON names, whole names of types."""
    for field in message.field:
        field.ClearField("json_name")
        if field.type_name:
            field.type_name = field.type_name.rpartition(".")[2]
    nested = sorted((plain(n) for n in message.nested_type), key=lambda n: n.name)
    del message.nested_type[:]
    message.nested_type.extend(nested)
    return message


def check_forms(world, ddl):
    table = world.table(ddl)
    assert shown_as(world, table, "ddl") == world.admin.table(table).ddl + "\n"
    descriptor = DescriptorProto.FromString(base64.b64decode(shown_as(world, table, "descriptor")))
    assert descriptor == DescriptorProto.FromString(world.admin.table(table).descriptor_proto)
    compiled = protoc(pathlib.Path(world.folder), shown_as(world, table, "proto"))
    assert plain(compiled) == plain(descriptor), (compiled, descriptor)
    schema = json.loads(shown_as(world, table, "json-schema"))
    assert schema["title"] == table and schema["additionalProperties"] is False, schema
    return schema


def test_a_table_is_shown_as_ddl_json_schema_proto_and_descriptor(world):
    schema = check_forms(world, EVERY_TYPE)
    assert schema["required"] == ["id", "x"], schema
    assert schema["properties"]["id"]["description"] == "the key", schema
    assert schema["properties"]["i8"]["maximum"] == 127, schema
    table = world.table(DDL)
    for form in ("ddl", "proto", "descriptor"):
        machine = run_json(world, "table", "show", table, "--as", form)
        assert machine["name"] == table, machine
        assert machine[form].rstrip("\n") + "\n" == shown_as(world, table, form), machine
    assert run_json(world, "table", "show", table, "--as", "json-schema")["title"] == table
    refused = run(world, "table", "show", table, "--as", "xml", status=USAGE)
    assert "json-schema" in refused.stderr, refused.stderr


# Names that clash: with each other in CamelCase, with a field, with a map's entry; and no names.
AWKWARD = ("a_b STRUCT<x INT>, a__b ARRAY<STRUCT<x INT>>, AB STRING, m MAP<STRING, INT>, "
           "MEntry STRUCT<y INT>, `_` STRUCT<z: INT>, `_1` MAP<STRING, INT>, "
           "T1Entry STRING, message MAP<INT, ARRAY<INT>>, `optional` ARRAY<ARRAY<INT>>")


def test_nested_types_are_shown_in_every_form(world):
    schema = check_forms(
        world, "id BIGINT NOT NULL, s STRUCT<a: INT NOT NULL, b: STRUCT<c: DATE>>, v VARIANT, "
        "l ARRAY<STRING NOT NULL>, m MAP<STRING, ARRAY<DOUBLE>>, n MAP<BIGINT, STRUCT<x BINARY>>, "
        "w ARRAY<MAP<STRING, INT>>")
    assert schema["properties"]["s"]["properties"]["b"]["type"] == ["object", "null"], schema
    assert schema["properties"]["l"]["items"] == {"type": "string"}, schema
    check_forms(world, AWKWARD)
    shown = run(world, "table", "show", world.table("s STRUCT<a: INT NOT NULL>")).stdout
    assert "struct<a: int not null>" in shown, shown


def test_errors_have_a_status_and_say_what_is_wrong(world):
    for arguments in (("table", "show", "e2e.cli.absent"), ("get", "e2e.cli.absent", "1")):
        done = run(world, *arguments, status=NOT_FOUND)
        assert "e2e.cli.absent" in done.stderr, done.stderr
    for arguments in (("no-such-command",), ("table", "create"), ("bronze", "find"), ()):
        assert "--help" in run(world, *arguments, status=USAGE).stderr
    wrong = pathlib.Path(world.folder) / "wrong.token"
    wrong.write_text("no-such-token\n")
    done = run(world, "table", "list", "--token-file", wrong, status=DENIED)
    assert "token" in done.stderr, done.stderr
    nobody = f"localhost:{free_port()}"
    done = run(world, "table", "list", "--endpoint", nobody, "--timeout-ms", "3000",
               status=UNREACHABLE)
    assert nobody in done.stderr, done.stderr


def test_init_as_json(world):
    folder = pathlib.Path(world.folder) / 'a "quoted" \\ folder'
    made = run_json(world, "init", "--data", folder)
    assert made["data"] == str(folder) and len(made["admin_token"]) == 46, made
    again = pathlib.Path(f"{folder}2")
    made = run_json(world, "init", "--data", again, "--admin-token-file", f"{again}.token")
    assert made == {"data": str(again)}, made


def test_token_commands(world):
    table = world.table(DDL)
    made = run_json(world, "token", "create", "cli-token", "--grant", f"{table}:rw")
    token = made["token"]
    assert "cli-token" in run(world, "token", "list").stdout
    assert token not in run(world, "token", "list").stdout
    with world.server.connect(token) as user:
        assert [t.name for t in user.tables()] == [table]
    run(world, "token", "revoke", "cli-token")
    assert "cli-token" not in json.dumps(run_json(world, "token", "list"))


def test_ingest_and_get(world):
    table = world.table(DDL, ["id"])
    file = pathlib.Path(world.folder) / "rows.ndjson"
    file.write_text("".join(json.dumps({"id": i, "name": f"n{i}"}) + "\n" for i in range(5000)))
    run(world, "ingest", table, file)
    found = json.loads(run(world, "get", table, "4999", "--json").stdout)
    assert "n4999" in json.dumps(found), found
    assert "n17" in run(world, "get", table, '{"id": 17}').stdout
    run(world, "get", table, "5000", status=NOT_FOUND)
    assert len(world.rows(table)) == 5000


def test_ingest_of_a_bad_line_says_which(world):
    table = world.table(DDL)
    file = pathlib.Path(world.folder) / "bad.ndjson"
    file.write_text('{"id": 1}\n{"id": "x"}\n')
    done = run(world, "ingest", table, file, status=FAILED)
    assert "line 2" in done.stderr and "column id" in done.stderr, done


def csv_file(world, name, text):
    file = pathlib.Path(world.folder) / name
    file.write_bytes(text.encode())
    return file


def test_ingest_of_csv_keeps_nulls_quotes_and_every_type(world):
    table = world.table(EVERY_TYPE.replace(", ts TIMESTAMP", ""), ["id"])
    file = csv_file(world, "rows.csv", (
        "\ufeffID,s,x,b,i8,i32,f,d,raw,day\r\n"
        '1,"a, ""b""\r\nc",0.5,true,-128,7,1.5,1.20,AAEC,2026-02-28\r\n'
        '2,"",NaN,FALSE,,,,,,\r\n'
        '3,,-1e3,,,,,,,"19000"\r\n'))
    run(world, "ingest", table, file)
    found = [json.loads(run(world, "get", table, str(i)).stdout) for i in (1, 2, 3)]
    assert found[0] == {
        "id": 1, "b": True, "i8": -128, "i32": 7, "f": 1.5, "x": 0.5, "d": "1.20",
        "s": 'a, "b"\r\nc', "raw": "AAEC", "day": 20512}, found[0]
    nulls = {"i8": None, "i32": None, "f": None, "d": None, "raw": None}
    assert found[1] == {"id": 2, "b": False, "x": "NaN", "s": "", "day": None, **nulls}, found[1]
    assert found[2] == {"id": 3, "b": None, "x": -1000, "s": None, "day": 19000, **nulls}, found[2]


def test_ingest_of_csv_with_another_delimiter_from_standard_input(world):
    table = world.table(DDL, ["id"])
    rows = "".join(f"{i};n{i}\n" for i in range(20000))
    run(world, "ingest", table, "-", "--delimiter", ";", input="id;name\n" + rows)
    run(world, "ingest", table, csv_file(world, "rows.tsv", "name\tid\ntab\t20000\n"))
    assert len(world.rows(table)) == 20001
    assert '"n19999"' in run(world, "get", table, "19999").stdout
    assert '"tab"' in run(world, "get", table, "20000").stdout


def test_ingest_of_bad_csv_says_line_and_column(world):
    table = world.table("id BIGINT NOT NULL, ok BOOLEAN")
    for text, says in [
            ('id,ok\n1,true\n\n2,"maybe"\n', "line 4, column ok"),     # seen here
            ("id,ok\n1,true\nx,true\n", "line 3"),                   # refused by the server
            ("id,ok\n1,true\n,true\n", "column id"),
            ("id,colour\n1,red\n", 'line 1: the table has no column "colour"'),
            ('id,ok\n1,"true\n', "closing quote is missing")]:
        done = run(world, "ingest", table, csv_file(world, "bad.csv", text), status=FAILED)
        assert says in done.stderr, done.stderr
    for delimiter in ("ab", '"', ""):
        done = run(world, "ingest", table, "-", "--delimiter", delimiter, status=USAGE, input="")
        assert "--delimiter" in done.stderr, done.stderr


def test_status(world):
    table = world.table(DDL)
    with world.admin.producer(table) as producer:
        producer.append('{"id": 1}')
    world.committed(table)
    shown, machine = run(world, "status").stdout, run_json(world, "status")
    assert table in shown and table in json.dumps(machine)
    cells = dict(line.split("\t") for line in shown.splitlines() if line.count("\t") == 1)
    assert cells.pop("counter") == "value" and cells.keys() == machine["counters"].keys(), shown
    assert int(cells["requests"]) >= 1 and int(cells["rpc_queues"]) >= 1, cells


def hundred_rows(world):
    """(table, stream) of 100 rows; the index follows the log, and by then has come that far."""
    table = world.table(DDL)
    with world.admin.producer(table) as producer:
        for i in range(100):
            producer.append(f'{{"id": {i}}}')
        producer.flush()
        stream = producer.stream_id
    world.committed(table)
    return table, stream


def find_offset(world, table, stream, offset):
    def find():
        done = world.server.command("bronze", "find", "--table", table, "--stream", stream,
                                    "--offset", offset, "--json", check=False)
        return done.returncode == 0 and json.loads(done.stdout)

    return eventually(find)


def test_bronze_find_of_a_stream_offset(world):
    table, stream = hundred_rows(world)
    found = find_offset(world, table, stream, "42")
    assert (found["table"], found["stream_id"], found["stream_offset"]) == (
        table, stream, 42), found
    run(world, "bronze", "find", "--table", table, "--stream", stream, "--offset", "100",
        status=NOT_FOUND)
    run(world, "bronze", "find", "--position", 1 << 60, status=NOT_FOUND)


def test_bronze_find_of_a_position_and_a_time(world):
    table, stream = hundred_rows(world)
    wanted = find_offset(world, table, stream, "42")
    found = run_json(world, "bronze", "find", "--position", wanted["position"])
    assert found == wanted, (found, wanted)
    found = run_json(world, "bronze", "find", "--time", wanted["time_us"])
    assert found["time_us"] >= wanted["time_us"], (found, wanted)
    assert found["position"] <= wanted["position"], (found, wanted)


def test_bronze_dump_reads_the_log_of_a_stopped_server(world):
    table = world.table(DDL)
    with world.admin.producer(table) as producer:
        for i in range(10):
            producer.append(f'{{"id": {i}}}')
    assert world.server.stop() == 0
    done = run(world, "bronze", "dump", world.server.folder / "data")
    assert len(done.stdout.splitlines()) > 1, done
    world.server.start()


def test_init_refuses_a_folder_in_use(world):
    done = world.server.command("init", "--data", world.server.folder / "data", check=False)
    assert 0 < done.returncode < 128 and done.stderr, done
