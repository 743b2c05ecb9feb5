"""Tests of chart and page of a run: valid files, the same for the same run."""

import re

import pytest
from typer.testing import CliRunner

from idroserra.cli.main import app

SCENARIO = """
[scenario]
text = "Acid <by hand> & a reset."
hours = 0.6
[settings]
dosing.enabled = false
[[event]]
at = "10min"
command = "dose"
args = { actuator = "ph_down", volume_ul = 2_000 }
[[event]]
at = "20min"
fault = "unplugged"
target = "reservoir.ph"
[[event]]
at = "25min"
fault = "reset"
[[promise]]
text = "one dose"
signal = "pumped_s:ph_down"
always = [1.9, 2.1]
[[promise]]
text = "pH at <9>, which it is not"
signal = "true:reservoir.ph"
always = [9, 9]
"""


@pytest.fixture
def scenario_file(tmp_path):
    file = tmp_path / "made.toml"
    file.write_text(SCENARIO, encoding="utf-8")
    return file


def sim_run(*arguments):
    return CliRunner().invoke(app, ["sim", "run", *map(str, arguments)])


def test_chart_and_page_are_written_and_broken_promises_named(scenario_file, tmp_path):
    plot, report = tmp_path / "run.png", tmp_path / "run.html"
    done = sim_run(scenario_file, "--plot", plot, "--report", report, "--json")
    assert done.exit_code == 3
    assert plot.read_bytes().startswith(b"\x89PNG\r\n")
    page = report.read_text(encoding="utf-8")
    assert "1 of 2 promises broken" in page
    assert "pH at &lt;9&gt;, which it is not" in page
    assert "Acid &lt;by hand&gt; &amp; a reset." in page
    assert re.search(r"ph_down</td><td class=\"number\">1</td>", page)
    assert "http" not in re.sub(r"base64,[^\"]*", "", page)
    again = tmp_path / "again.png"
    assert sim_run(scenario_file, "--plot", again).exit_code == 3
    assert again.read_bytes() == plot.read_bytes()


def test_a_missing_folder_is_an_error(scenario_file, tmp_path):
    done = sim_run(scenario_file, "--plot", tmp_path / "none" / "run.png")
    assert done.exit_code != 0
    assert "cannot write" in str(done.exception) + done.output
