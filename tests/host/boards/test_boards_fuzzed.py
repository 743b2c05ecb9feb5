"""Whatever a board file says: a board that is safe by itself comes out, or one BoardError."""

import random
import tomllib

from hypothesis import example, given, settings
from hypothesis import strategies as st

from idroserra.boards import compiler
from idroserra.core.errors import BoardError
from support import analog_board, relay_board
from support.mutated_boards import as_toml, check_board, mutate, places

FILE = "esp32-reservoir.toml"
REFERENCE = (compiler.boards_dir() / FILE).read_text()
TABLES = {
    f"{name}.toml": (compiler.boards_dir() / f"{name}.toml").read_text()
    for name in compiler.names()
} | {f"{relay_board.NAME}.toml": relay_board.WHOLE, "analog.toml": analog_board.text("analog")}
PARTS = compiler.read_parts((compiler.boards_dir() / compiler.PARTS_FILE).read_bytes())

def compile_or_refuse(data: bytes, file: str = FILE) -> compiler.Board | None:
    try:
        return compiler.compile_board(data, file, PARTS)
    except BoardError as error:
        refused = error
    assert refused.file == file
    assert refused.why
    return None


@settings(max_examples=1_000, deadline=None)
@given(seed=st.integers(0, 2**32), changes=st.integers(1, 3))
def test_changed_boards_compile_safely_or_are_refused(seed, changes):
    rng = random.Random(seed)
    file = rng.choice(sorted(TABLES))
    table = tomllib.loads(TABLES[file])
    for _ in range(changes):
        mutate(table, rng)
        if not places(table):
            break
    text = "\n".join(f"{as_toml(key)} = {as_toml(value)}" for key, value in table.items())
    board = compile_or_refuse(text.encode(), file)
    if board is not None:
        check_board(board)


@settings(max_examples=300, deadline=None)
@given(
    at=st.integers(0, len(REFERENCE) - 1), gone=st.integers(0, 40), junk=st.binary(max_size=12)
)
@example(at=0, gone=0, junk=b"x = " + b"[" * 5_000)
@example(at=0, gone=0, junk=b"x = " + b"9" * 5_000)
def test_damaged_text_compiles_safely_or_is_refused(at, gone, junk):
    data = REFERENCE.encode()
    board = compile_or_refuse(data[:at] + junk + data[at + gone :])
    if board is not None:
        check_board(board)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data):
    assert compile_or_refuse(data) is None
