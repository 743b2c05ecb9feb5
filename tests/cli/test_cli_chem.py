"""`idroserra chem` as programs and growers run it: through its own process."""

import json
import resource
import subprocess
import sys

import pytest

from support.command_line import idroserra

PROGRAM = [sys.executable, "-m", "idroserra.cli", "chem"]
SOFT = {"Ca": 0.3, "Mg": 0.08, "Na": 0.35, "K": 0.03, "Cl": 0.34, "SO4": 0.15, "C": 0.541373}


def run(text, *options):
    """Return (exit code, stdout, stderr)."""
    done = idroserra("chem", *options, typed=text)
    return done.returncode, done.stdout, done.stderr


def ask(*problems):
    """Return the answers to problems, or to lines that are none."""
    lines = [p if isinstance(p, str) else json.dumps(p) for p in problems]
    code, out, err = run("\n".join(lines) + "\n")
    assert code == 0, err
    assert err == ""
    return [json.loads(line) for line in out.splitlines()]


def test_an_answer_has_what_the_format_says():
    plain, titrated = ask(
        {"id": 1, "water": SOFT, "temp_c": 25, "co2": "closed",
         "add": [{"stock": "h3po4_10pct", "ml_per_l": 0.1}]},
        {"id": "b", "water": SOFT, "temp_c": 18, "target_ph": 5.8, "with": "h3po4_10pct"})
    assert set(plain) == {"id", "ph", "ec_us_cm_at_t", "ec_us_cm", "si_brushite"}
    assert plain["id"] == 1
    assert plain["ec_us_cm_at_t"] == plain["ec_us_cm"]
    assert set(titrated) == {*plain, "ml_per_l"}
    assert titrated["ph"] == pytest.approx(5.8, abs=1e-3)
    assert titrated["ml_per_l"] > 0.0
    assert titrated["ec_us_cm_at_t"] < titrated["ec_us_cm"]


@pytest.mark.parametrize("name", [0, -1.5, "x", None, True, [1, {"a": []}], {"b": None}, "\ud800"])
def test_the_id_comes_back_whatever_it_is(name):
    good, bad = ask({"id": name, "water": {}}, {"id": name, "water": 7})
    assert good["id"] == bad["id"] == name
    assert bad == {"id": name, "error": "water: expected an object of ions, got 7"}


def test_no_line_stops_the_others():
    lines = ["{", "nonsense", "[" * 100_000, '{"id": 5, "water": {"K": NaN}}', "[]", "3",
             '{"id": 5, "water": {"K": 1e999}}', '{"id": NaN, "water": {}}', '"x"', "\ufeff{}",
             '{"id": ' + "9" * 5_000 + ', "water": {}}', '{"water": {}, "id": 1, "id": 2}']
    answers = ask(*lines, {"id": "last", "water": {}})
    assert len(answers) == len(lines) + 1
    assert answers[-1]["id"] == "last"
    assert answers[-1]["ph"] == pytest.approx(7.0, abs=0.01)
    assert answers[3] == {"id": 5, "error": "water.K: nan is outside 0..1000"}
    assert [("error" in a) for a in answers] == [True] * 7 + [False] + [True] * 3 + [False, False]
    assert answers[7]["id"] is None


def test_bytes_that_are_not_text_get_an_answer():
    code, out, _ = run(b'\xff\xfe\x00\n\x00\n{"id": 1, "water": {}}')
    assert code == 0
    answers = [json.loads(line) for line in out.splitlines()]
    assert ["error" in a for a in answers] == [True, True, False]


def test_empty_lines_and_no_lines_are_fine():
    assert run("") == (0, "", "")
    assert ask("", "  ", {"id": 1, "water": {}})[0]["id"] == 1


def test_each_line_is_answered_at_once():
    with subprocess.Popen(PROGRAM, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(3):
            process.stdin.write(json.dumps({"id": number, "water": {}}).encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == number
        process.stdin.close()
        assert process.wait(60) == 0


def children_cpu_s():
    """Return the CPU time of the programs that have ended: no other load makes it longer."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_thousands_of_lines_take_seconds():
    problem = {"water": {**SOFT, "NO3": 9.8, "K": 5.4, "NH4": 0.9, "P": 1.0},
               "target_ph": 5.8, "with": "koh_10pct"}
    lines = [json.dumps({**problem, "id": n, "temp_c": 10 + n % 20}) for n in range(3_000)]
    before_s = children_cpu_s()
    done = subprocess.run(PROGRAM, input="\n".join(lines), capture_output=True, text=True,
                          timeout=300, check=True)
    assert children_cpu_s() - before_s < 30.0
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [a["id"] for a in answers] == list(range(3_000))
    assert all("ml_per_l" in a for a in answers)


def test_stdin_that_cannot_be_read_is_exit_1():
    done = subprocess.run(PROGRAM, stdin=None, capture_output=True, text=True, timeout=300,
                          check=False, preexec_fn=_close_stdin)
    assert done.returncode == 1
    assert done.stderr.startswith("idroserra: stdin")


def _close_stdin():
    import os

    os.close(0)


def test_a_wrong_option_is_exit_2():
    assert run("", "--nope")[0] == 2
    assert run("", "--recipe", "soup")[0] == 2
    assert run("", "--recipe", "lettuce", "--acid", "vinegar")[0] == 2
    assert run("", "--recipe", "lettuce", "--water", "swamp")[0] == 2
    assert run("", "--recipe", "lettuce", "--volume-l", "-3")[0] == 2


def test_a_batch_for_a_program():
    code, out, _ = run("", "--recipe", "lettuce", "--volume-l", "100", "--water", "medium",
                       "--acid", "hno3_10pct", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["grams"]["KH2PO4"] == pytest.approx(13.605, rel=1e-3)
    assert found["stock"] == "hno3_10pct"
    assert found["ph"] == pytest.approx(5.8, abs=1e-3)
    assert found["alkalinity_meq_l"] == pytest.approx(2.4)
    # what was weighed and poured, asked as a problem, is what was promised
    ions = {ion: pair["got"] for ion, pair in found["ions_mmol_l"].items()}
    water = {**ions, "C": 2.51019}
    again = ask({"id": 0, "water": water, "temp_c": 20})[0]
    assert again["ph"] == pytest.approx(found["ph"], abs=0.02)


def test_a_batch_for_a_grower():
    code, out, _ = run("", "--recipe", "lettuce", "--water", "Ca=48 Mg=10 HCO3=146 pH=7.6")
    assert code == 0
    for word in ("Ca(NO3)2.4H2O", "h3po4_10pct", "EC", "meq/L"):
        assert word in out
    listed = run("", "--recipe", "list")[1]
    assert "hoagland2" in listed
    assert "medium" in listed
