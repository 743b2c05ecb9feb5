"""Tests of the simulated flash: its root, atomic renames, and reproducible bytes."""

import json

import pytest

from idrosim.runner.process import SimulatorError
from support.simulated_board import run

MAIN = """
    import os
    import time
    os.mkdir("/data")
    for name in ("b", "c", "a"):
        with open("/data/" + name, "w") as file:
            file.write(name * 5000)
    os.rename("/data/c", "/data/a")
    print(os.listdir("/data"), open("/data/a").read(1), os.stat("/data/b")[6])
    print(sorted(os.listdir("/")), os.getcwd(), list(os.ilistdir("/data"))[0])
    size = os.statvfs("/")
    print(size[0] * size[2], size[2] - size[3])
    try:
        os.remove("/nothing")
    except OSError as error:
        print(error.errno)
    print(os.urandom(4))
    while True:
        time.sleep(1)
    """


def test_the_flash_is_the_whole_file_system(tmp_path):
    outcome = run(tmp_path, MAIN, duration_ms=2_000)
    assert outcome.console[:4] == [
        "['a', 'b'] c 5000", "['data', 'main.py'] / ('a', 32768, 0, 5000)", "2097152 7", "2",
    ]
    assert sorted(path.name for path in (tmp_path / "flash" / "data").iterdir()) == ["a", "b"]


def test_random_bytes_come_from_the_seed(tmp_path):
    first = run(tmp_path / "1", MAIN, duration_ms=2_000, seed=1).console[-1]
    again = run(tmp_path / "2", MAIN, duration_ms=2_000, seed=1).console[-1]
    other = run(tmp_path / "3", MAIN, duration_ms=2_000, seed=2).console[-1]
    assert first == again != other


WRITER = """
    import os
    import esp32
    try:
        print(sorted(os.listdir("/data")), open("/data/log").read(), open("/data/new").read())
    except OSError as error:
        print(error.errno)
        os.mkdir("/data")
    import time
    nvs = esp32.NVS("test")
    time.sleep(1)
    with open("/data/log", "w") as file:
        file.write("12345678")
    with open("/data/new.tmp", "w") as file:
        file.write("fresh")
    os.rename("/data/new.tmp", "/data/new")
    nvs.set_i32("one", 1)
    nvs.set_i32("two", 2)
    nvs.commit()
    time.sleep(60)
    """


def cut(tmp_path, operation, written, **more):
    """Return what is on flash after a cut in one operation of WRITER, and the run."""
    args = {"for_ms": 500, "operation": operation, "written": written, **more}
    outcome = run(tmp_path, WRITER, duration_ms=1_900, timeline=[
        {"at_ms": 1_000, "fault": "power_cut", "args": args},
    ])
    folder = tmp_path / "flash" / "data"
    return {path.name: path.read_text() for path in folder.iterdir()}, outcome


@pytest.mark.parametrize(("operation", "written", "left"), [
    (1, 0.0, {}), (1, 0.5, {"log": ""}),
    (2, 0.0, {"log": ""}), (2, 0.5, {"log": "1234"}), (2, 0.75, {"log": "123456"}),
    (2, 1.0, {"log": "12345678"}),
    (3, 1.0, {"log": "12345678", "new.tmp": ""}),
    (4, 0.5, {"log": "12345678", "new.tmp": "fr"}),
    (5, 0.75, {"log": "12345678", "new.tmp": "fresh"}),
    (5, 1.0, {"log": "12345678", "new": "fresh"}),
])
def test_power_fails_in_the_given_operation(tmp_path, operation, written, left):
    found, outcome = cut(tmp_path, operation, written)
    assert found == left
    assert [line["cause"] for line in outcome.of("reset")] == ["power"]


def test_only_operations_on_matching_paths_count(tmp_path):
    assert cut(tmp_path, 1, 0.0, target="/data/new")[0] == {"log": "12345678"}


def test_an_nvs_commit_can_be_partial(tmp_path):
    outcome = cut(tmp_path, 6, 0.5)[1]
    state = json.loads((tmp_path / "state.json").read_text())
    assert outcome.of("reset")
    assert len(state["nvs"]["test"]) == 1


FILLER = """
    import os
    import time
    os.mkdir("/data")
    with open("/data/old", "w") as file:
        file.write("x" * 5000)
    time.sleep(2)
    def tried(name, act):
        try:
            print(name, repr(act()))
        except OSError as error:
            print(name, "errno", error.errno)
    def write(path, mode):
        with open(path, mode) as file:
            return file.write("y")
    print(os.statvfs("/")[3])
    tried("append", lambda: write("/data/old", "a"))
    tried("begin", lambda: write("/data/new", "w"))
    tried("folder", lambda: os.mkdir("/data/folder"))
    tried("read", lambda: len(open("/data/old").read()))
    tried("rename", lambda: os.rename("/data/old", "/data/older"))
    os.remove("/data/older")
    tried("after a removal", lambda: write("/data/new", "a"))
    time.sleep(5)
    tried("unreadable", lambda: open("/data/new").read())
    tried("another", lambda: open("/main.py").read(1))
    time.sleep(5)
    tried("repaired", lambda: open("/data/new").read())
    time.sleep(60)
    """


def test_a_full_flash_refuses_writes_until_a_removal(tmp_path):
    outcome = run(tmp_path, FILLER, duration_ms=20_000, timeline=[
        {"at_ms": 1_000, "fault": "flash_full", "args": {"free_blocks": 0}},
        {"at_ms": 4_000, "fault": "flash_unreadable", "args": {"target": "/data/n*"}},
        {"at_ms": 4_000, "fault": "flash_corrupt", "args": {"target": "/data/new", "byte": -1}},
        {"at_ms": 9_000, "fault": "none", "args": {"target": "/data/n*"}},
    ])
    assert outcome.console == [
        "0", "append errno 28", "begin errno 28", "folder errno 28", "read 5000", "rename None",
        "after a removal 1", "unreadable errno 5", "another '\\n'", "repaired ','",
    ]


def test_corrupting_a_missing_file_ends_the_run(tmp_path):
    with pytest.raises(SimulatorError):
        run(tmp_path, FILLER, duration_ms=20_000, timeline=[
            {"at_ms": 1_000, "fault": "flash_corrupt", "args": {"target": "/nothing"}},
        ])


def test_wear_is_counted_by_file_across_resets(tmp_path):
    outcome = run(tmp_path, WRITER, duration_ms=6_000, counts_flash=True, timeline=[
        {"at_ms": 3_000, "fault": "reset"},
    ])
    values = outcome.of("flash")[-1]["values"]
    assert values["writes.log"] == 2
    assert values["bytes.log"] == 16
    assert values["erases.log"] == 2
    assert values["bytes"] == 26
    assert not cut(tmp_path / "other", 1, 0.0)[1].of("flash")
