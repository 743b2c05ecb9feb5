"""Tests that forged, damaged, old or foreign releases are refused and the old one still runs."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idro.errors import UpdateError
from support import releases, small_board
from support.releases import Release
from support.small_board import NEW, Board, Reset

GOOD = Release(dict(NEW), counter=3)
LINES = GOOD.manifest().decode().split("\n")


def refused(board):
    """Offer the release; return the reason of the refusal. The old release still runs."""
    before = board.flash.files.get("/slot")
    board.boot()
    try:
        board.update()
    except Reset:
        raise AssertionError("it was put on trial") from None
    assert board.flash.files.get("/slot") == before
    assert board.boot() == "old"
    return board.said


def with_manifest(text, key="ours"):
    """Return a board that is offered another manifest, correctly signed."""
    board = Board(GOOD)
    board.manifest = text if isinstance(text, bytes) else text.encode()
    board.signature = releases.sign(board.manifest, key)
    return board


def edited(number, line):
    """Return the manifest with one line changed."""
    return "\n".join([*LINES[:number], line, *LINES[number + 1:]])


def test_a_valid_release_is_accepted():
    board = Board(GOOD)
    board.boot()
    try:
        board.update()
    except Reset:
        assert board.boot() == "new"
        return
    raise AssertionError(board.said)


def test_an_untrusted_key_is_refused():
    assert "signature" in refused(Board(Release(dict(NEW), counter=3, key="theirs")))
    assert refused(Board(GOOD, keys=())) == "this board has no key for updates"


def test_the_spare_key_is_trusted():
    board = Board(Release(dict(NEW), counter=3, key="spare"), keys=("ours", "spare"))
    board.boot()
    try:
        board.update()
    except Reset:
        return
    raise AssertionError(board.said)


def test_a_bit_flipped_in_the_signature_is_refused():
    for at in (0, 1, 100, 383):
        board = Board(GOOD)
        board.signature = bytes(
            byte ^ (1 << at % 8 if index == at else 0) for index, byte in
            enumerate(board.signature))
        assert "signature" in refused(board)


def test_malformed_signatures_are_refused():
    number = int.from_bytes(releases.modulus("ours"), "big")
    signed = int.from_bytes(releases.sign(GOOD.manifest()), "big")
    for value in (0, 1, number - 1, number, (number - signed) % number, 2**3_072 - 1):
        board = Board(GOOD)
        board.signature = value.to_bytes(384, "big")
        assert "signature" in refused(board)
    assert not small_board.code.verify.is_signed(
        releases.modulus("ours"), releases.sign(GOOD.manifest()) + b"\0", bytes(32))


def test_a_bit_flipped_in_the_signed_manifest_is_refused():
    for at in range(0, len(GOOD.manifest()), 7):
        board = Board(GOOD)
        data = bytearray(board.manifest)
        data[at] ^= 1
        board.manifest = bytes(data)
        assert refused(board)


def test_a_manifest_that_differs_from_the_offer_is_refused():
    board = Board(GOOD)
    named = board.new_sha256()
    board.new_sha256 = lambda: named
    other = Release({"idro/app/node.mpy": b"x"}, counter=3)
    board.manifest = other.manifest()
    board.signature = releases.sign(board.manifest)
    assert refused(board) == "its manifest is not the one that was offered"


def test_files_of_another_release_are_refused():
    """Serve files of one release with the manifest of another."""
    board = Board(GOOD)
    board.served["idro/control/dosing.mpy"] = small_board.OLD["idro/control/dosing.mpy"][:1_001]
    assert "idro/control/dosing.mpy" in refused(board)
    board = Board(GOOD)
    board.served["idro/app/node.mpy"] = b"N" + NEW["idro/app/node.mpy"][1:]
    assert refused(board) == "idro/app/node.mpy does not match its manifest"


def test_a_bit_flipped_in_any_file_on_flash_is_refused():
    for path in NEW:
        if not NEW[path]:
            continue
        board = Board(GOOD)
        board.boot()
        code = small_board.code

        def damage(*more, board=board, path=path, real=code.verify.install):
            data = board.flash.files[f"/a/{path}"]
            board.flash.files[f"/a/{path}"] = bytes([data[0] ^ 1]) + data[1:]
            return real(*more)

        real, code.verify.install = code.verify.install, damage
        try:
            assert refused(board) == f"{path} does not match its manifest"
        finally:
            code.verify.install = real


def test_an_additional_file_is_refused():
    for extra in ("idro/app/evil.mpy", "idro/aaa.mpy", "idro/zzz/last.mpy", "idro/app/node.py"):
        board = Board(GOOD)
        board.boot()
        code = small_board.code

        def add(*more, board=board, extra=extra, real=code.verify.install):
            board._put("/a/" + extra, b"evil")
            return real(*more)

        real, code.verify.install = code.verify.install, add
        try:
            assert refused(board) == f"{extra} is not in its manifest"
        finally:
            code.verify.install = real


def test_paths_outside_the_release_are_refused():
    line = LINES[6].split(" ")
    for path in ("../boot.py", "idro/../main.mpy", "/idro/app/node.mpy", "idro/safety/gate.mpy",
                 "idro/update/verify.mpy", "idro/board.mpy", "idro/safety/safe_outputs.mpy",
                 "boot.py", "idro/app/node.py", "idro/app/../../main.mpy", "slot"):
        board = with_manifest(edited(6, f"{line[0]} {line[1]} {path}"))
        board.served[path] = NEW["idro/app/node.mpy"]
        assert refused(board) == f"{path} is not allowed in a release", path


def test_another_board_counter_or_kernel_is_refused():
    for release, said in (
        (Release(dict(NEW), counter=3, board_class="esp32/esp32-nft"),
         "it is for esp32/esp32-nft, this is esp32/esp32-reservoir"),
        (Release(dict(NEW), counter=3, kernel=9), "it needs kernel 9, this board has 3"),
        (Release(dict(NEW), counter=0), "its security counter is 0, this board is at 1"),
    ):
        assert refused(Board(release)) == said


def test_an_older_counter_is_refused():
    for copies in ({"security_a": 7}, {"security_b": 7}, {"security_a": 2, "security_b": 7}):
        board = Board(GOOD)
        board.flash.nvs.update(copies)
        assert refused(board) == "its security counter is 3, this board is at 7"


def test_a_reverted_release_is_refused_when_replayed():
    board = Board(GOOD)
    for _ in range(6):
        try:
            if board.boot() == "old":
                board.update()
                break
        except Reset:
            continue
    assert board.said == "it was tried before and rolled back"
    state = small_board.code.state
    why = "three boots brought no confirmation"
    assert state.pending_report() == [GOOD.sha256()[:16], "9.9.9", why]
    state.clear_report()
    assert state.pending_report() is None


def test_a_too_large_release_is_refused():
    huge = Release({"idro/app/node.mpy": b"x" * 400_001}, counter=3)
    assert refused(Board(huge)) == "its manifest is malformed"
    board = Board(GOOD)
    board.flash.free_blocks = 25
    assert refused(board).startswith("it needs ")


def test_files_of_the_wrong_length_are_refused():
    board = Board(GOOD)
    board.served["idro/app/node.mpy"] = NEW["idro/app/node.mpy"][:-1]
    assert refused(board) == "idro/app/node.mpy ends too soon"
    board = Board(GOOD)
    board.served["idro/app/node.mpy"] = NEW["idro/app/node.mpy"] * 2
    board.boot()
    try:
        board.update()
    except Reset:
        assert board.boot() == "new"


def test_malformed_signed_manifests_are_refused():
    for text in (
        "", "\n", LINES[0], "\n".join(LINES[:-2]) + "\n", "\n".join(LINES) + "more",
        "\n".join(LINES[:6]) + "\nend\n", edited(0, "idroserra-update 2"),
        edited(1, "version " + "9" * 41), edited(1, "versi 9"), edited(3, "kernel -1"),
        edited(3, "kernel 02"), edited(4, "security_counter 9999999999"), edited(5, "files 4"),
        edited(5, "files 3 9000"), edited(5, "files 0 0"), edited(6, LINES[7]),
        edited(6, LINES[6].replace(" ", "  ", 1)), edited(6, LINES[6][1:]),
        edited(6, LINES[6] + "\r"), edited(6, "g" + LINES[6][1:]), edited(6, "x" * 4_000),
        edited(6, "é" + LINES[6][1:]), "\n".join([*LINES[:6], LINES[7], LINES[6], *LINES[8:]]),
    ):
        assert refused(with_manifest(text)), text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.binary(max_size=400), at=st.integers(0, len(GOOD.manifest())), cut=st.booleans())
def test_any_manifest_is_parsed_or_refused(data, at, cut):
    text = GOOD.manifest()
    text = text[:at] + data + (b"" if cut else text[at:])
    board = Board(GOOD)
    board.flash.files["/a/manifest"] = text
    small_board.board = board
    try:
        found = list(small_board.code.manifest.entries("/a/manifest"))
    except UpdateError:
        return
    assert all(entry.path.startswith("idro/") and ".." not in entry.path for entry in found)
