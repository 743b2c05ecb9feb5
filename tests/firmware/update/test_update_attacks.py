"""Tests that forged, damaged, old or foreign releases are refused and the old one still runs."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idro.errors import UpdateError
from idro.protocol.reason import Reason
from idro.protocol.release_layout import KERNEL
from support import releases, small_board
from support.releases import Release
from support.small_board import NEW, Board, Reset, power_up

GOOD = Release(dict(NEW), counter=3)
LINES = GOOD.manifest().decode().split("\n")


def refused(board):
    """Offer the release; return the Reason of its refusal. The old release still runs."""
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
    assert refused(Board(Release(dict(NEW), counter=3, key="theirs"))).code == "bad_signature"
    assert refused(Board(GOOD, keys=())) == Reason("no_update_key")


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
        assert refused(board) == Reason("bad_signature")


def test_malformed_signatures_are_refused():
    number = int.from_bytes(releases.modulus("ours"), "big")
    signed = int.from_bytes(releases.sign(GOOD.manifest()), "big")
    for value in (0, 1, number - 1, number, (number - signed) % number, 2**3_072 - 1):
        board = Board(GOOD)
        board.signature = value.to_bytes(384, "big")
        assert refused(board) == Reason("bad_signature")
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
    assert refused(board) == Reason("other_manifest")


def test_files_of_another_release_are_refused():
    """Serve files of one release with the manifest of another."""
    board = Board(GOOD)
    board.served["idro/control/dosing.mpy"] = small_board.OLD["idro/control/dosing.mpy"][:1_001]
    assert refused(board).values == {"path": "idro/control/dosing.mpy"}
    board = Board(GOOD)
    board.served["idro/app/node.mpy"] = b"N" + NEW["idro/app/node.mpy"][1:]
    assert refused(board) == Reason("path_mismatch", path="idro/app/node.mpy")


def test_a_bit_flipped_in_any_file_on_flash_is_refused():
    for path in NEW:
        if not NEW[path]:
            continue
        board = Board(GOOD)
        board.boot()
        code = small_board.code

        def damage(*more, board=board, path=path, real=code.verify.check):
            data = board.flash.files[f"/a/{path}"]
            board.flash.files[f"/a/{path}"] = bytes([data[0] ^ 1]) + data[1:]
            return real(*more)

        real, code.verify.check = code.verify.check, damage
        try:
            assert refused(board) == Reason("path_mismatch", path=path)
        finally:
            code.verify.check = real


def test_an_additional_file_is_refused():
    for extra in ("idro/app/evil.mpy", "idro/aaa.mpy", "idro/zzz/last.mpy", "idro/app/node.py"):
        board = Board(GOOD)
        board.boot()
        code = small_board.code

        def add(*more, board=board, extra=extra, real=code.verify.check):
            board._put("/a/" + extra, b"evil")
            return real(*more)

        real, code.verify.check = code.verify.check, add
        try:
            assert refused(board) == Reason("path_extra", path=extra)
        finally:
            code.verify.check = real


def test_paths_outside_the_release_are_refused():
    line = LINES[6].split(" ")
    for path in ("../boot.py", "idro/../main.mpy", "/idro/app/node.mpy", "idro/safety/gate.mpy",
                 "idro/update/verify.mpy", "idro/board.mpy", "idro/safety/safe_outputs.mpy",
                 "boot.py", "idro/app/node.py", "idro/app/../../main.mpy", "slot"):
        board = with_manifest(edited(6, f"{line[0]} {line[1]} {path}"))
        board.served[path] = NEW["idro/app/node.mpy"]
        assert refused(board) == Reason("path_forbidden", path=path)


def test_another_board_counter_or_kernel_is_refused():
    for release, reason in (
        (Release(dict(NEW), counter=3, board_class="esp32/esp32-nft"),
         Reason("other_board", board_class="esp32/esp32-nft", this_class="esp32/esp32-reservoir")),
        (Release(dict(NEW), counter=3, kernel=9),
         Reason("other_kernel", kernel=9, current_kernel=KERNEL)),
        (Release(dict(NEW), counter=0), Reason("counter_low", counter=0, current_counter=1)),
    ):
        assert refused(Board(release)) == reason


def test_an_older_counter_is_refused():
    for copies in ({"security_a": 7}, {"security_b": 7}, {"security_a": 2, "security_b": 7}):
        board = Board(GOOD)
        board.flash.nvs.update(copies)
        assert refused(board) == Reason("counter_low", counter=3, current_counter=7)


def test_a_reverted_release_is_refused_when_replayed():
    board = Board(GOOD)
    for _ in range(6):
        try:
            if board.boot() == "old":
                board.update()
                break
        except Reset:
            continue
    assert board.said == Reason("rolled_back_before")
    state = small_board.code.state
    reason = {"code": "three_boots", "values": {}}
    assert state.pending_report() == [GOOD.sha256()[:16], "9.9.9", reason]
    state.clear_report()
    assert state.pending_report() is None


def test_the_report_of_an_update_fits_into_nvs():
    power_up(Board(GOOD))
    state, digest = small_board.code.state, bytes.fromhex(GOOD.sha256())
    for reason, values in (
        (Reason("path_missing", path="idro/app/node.mpy"), {"path": "idro/app/node.mpy"}),
        (Reason("other_board", board_class="c" * 40, this_class="d" * 40),
         {"board_class": "c" * 40, "this_class": "d" * 40}),
        (Reason("flash_failed", detail="x" * 300), {}),
    ):
        state.save_report(digest, "9" * 40, reason)
        assert len(small_board.board.flash.nvs["update_told"]) <= 240
        assert state.pending_report() == [
            GOOD.sha256()[:16], "9" * 40, {"code": reason.code, "values": values}]
    state.save_report(digest, "9.9.9", None)
    assert state.pending_report() == [GOOD.sha256()[:16], "9.9.9", None]


def test_a_report_of_another_kernel_is_dropped():
    power_up(Board(GOOD))
    for saved in (b"ab12cd34ab12cd34 9.9.9 three boots", b"{}", b"[1]", b"7", b"["):
        small_board.board.flash.nvs["update_told"] = saved
        assert small_board.code.state.pending_report() is None
        assert small_board.board.flash.nvs["update_told"] == b""


def test_a_too_large_release_is_refused():
    huge = Release({"idro/app/node.mpy": b"x" * 400_001}, counter=3)
    assert refused(Board(huge)) == Reason("manifest_malformed")
    board = Board(GOOD)
    board.flash.free_blocks = 25
    assert refused(board).code == "flash_needed"


def test_files_of_the_wrong_length_are_refused():
    board = Board(GOOD)
    board.served["idro/app/node.mpy"] = NEW["idro/app/node.mpy"][:-1]
    assert refused(board) == Reason("path_short", path="idro/app/node.mpy")
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
