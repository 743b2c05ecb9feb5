"""The simulated flash: a root of its own, atomic renames, the same bytes from the same seed."""

from simulated_board import run

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
