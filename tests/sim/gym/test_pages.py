"""The page of the benchmark and the notebook agree with the code."""

import ast
import json
import re

import pytest

from idrosim.gym import dose_task, environment, feed_task, task
from idrosim.gym.baselines import BASELINES
from idrosim.gym.dose_task import DoseTask
from idrosim.gym.feed_task import FeedTask
from support.source_tree import ROOT

PAGE = " ".join((ROOT / "docs" / "benchmark.md").read_text(encoding="utf-8").split())
NOTEBOOK = json.loads((ROOT / "examples" / "train_dose.ipynb").read_text(encoding="utf-8"))
CODE = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("columns", [DoseTask.observations, DoseTask.actions])
def test_each_column_of_dose_is_on_the_page_with_its_range_in_order(columns):
    places = []
    for name, low, high in columns:
        row = re.search(rf"\| `{name}` \|(?: [^|]+ \|)? {low:g} to {high:g} \|", PAGE)
        assert row, name
        places.append(row.start())
    assert places == sorted(places)


@pytest.mark.parametrize("columns", [FeedTask.observations[5:], FeedTask.actions])
def test_each_column_of_feed_is_on_the_page_in_order(columns):
    section = PAGE.split("## feed-v0", 1)[1]
    text = section if columns is not FeedTask.actions else section.split("Action:", 1)[1]
    places = [text.index(f"`{name}`") for name, _, _ in columns]
    assert places == sorted(places)


def test_the_figures_of_the_page_are_those_of_the_code():
    ions = f"{100 * feed_task.ION_NOISE_RATIO:g} % of noise"
    for figure in (
        f"pH outside {task.SAFE_PH[0]} to {task.SAFE_PH[1]}", ions,
        f"EC above {1e-3 * task.SAFE_US_CM:g} mS/cm", f"`step_s` | {environment.STEP_S:g} |",
        f"`days` | {environment.DAYS:g} |", f"runs for {dose_task.MAX_ON_S:g} s",
        f"{100 * dose_task.BAND_LEVEL_RATIO:g} % of the level",
        f"{feed_task.SALT_ML_L:g} ml per litre of tank of a solution of {feed_task.SALT_MOL_L:g}",
        f"1 drains {100 * feed_task.DRAIN_RATIO:g} % of a tank",
    ):
        assert figure in PAGE, figure
    for name in BASELINES:
        assert f"`{name}`" in PAGE


def test_the_notebook_has_no_outputs_and_its_code_compiles():
    assert NOTEBOOK["nbformat"] == 4
    assert len(CODE) > 3
    for cell in NOTEBOOK["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    written = re.search(r"write_text\('''(.+?)'''\)", "\n".join(CODE), re.S)
    assert written
    for code in (*CODE, written[1]):
        assert ast.parse(code).body


def test_what_the_notebook_uses_of_ours_exists():
    names = {}
    for node in ast.walk(ast.parse("\n".join(CODE))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("idrosim"):
            module = __import__(node.module, fromlist=[alias.name for alias in node.names])
            names |= {alias.name: getattr(module, alias.name) for alias in node.names}
    assert {"select", "leaderboard"} == set(names)
    used = set(re.findall(r"leaderboard\.(\w+)\(", "\n".join(CODE)))
    assert used == {"run_all", "page"}
    assert all(hasattr(names["leaderboard"], name) for name in used)
