"""Renders the report of a run as one self-contained HTML file."""

import base64
from collections.abc import Iterable
from html import escape

from idrosim.scenarios.expectations import clock_text
from idrosim.scenarios.reasons import words_of
from idrosim.scenarios.run import Result

_STYLE = """
:root{color-scheme:light dark;--ink:#0f172a;--soft:#475569;--line:#e2e8f0;--page:#fff;
--good:#15803d;--bad:#b91c1c}
@media(prefers-color-scheme:dark){:root{--ink:#e2e8f0;--soft:#94a3b8;--line:#334155;
--page:#0f172a;--good:#4ade80;--bad:#f87171}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);
max-width:70rem;margin:0 auto;padding:1.5rem}
h1{margin:0;font-size:1.6rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}
p.text{margin:.3rem 0 1rem;font-size:1.05rem}p.facts{color:var(--soft);margin:.5rem 0}
.state{font-weight:700}.kept{color:var(--good)}.broken{color:var(--bad)}
img{width:100%;height:auto;border:1px solid var(--line);border-radius:.4rem;background:#fff}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.35rem .8rem .35rem 0;border-bottom:1px solid var(--line);
vertical-align:top}
th{color:var(--soft);font-weight:600}td.number,th.number{text-align:right}
td.when{white-space:nowrap;font-variant-numeric:tabular-nums}
code{font-size:.9em;color:var(--soft)}
"""
_MAX_EVENTS = 400


def page(result: Result, chart_png: bytes) -> str:
    """Return the report of `result` as HTML with its chart embedded."""
    found = result.scenario
    broken = sum(not verdict.is_kept for verdict in result.verdicts)
    total = len(result.verdicts)
    state = f"all {total} promises kept" if not broken else f"{broken} of {total} promises broken"
    image = base64.b64encode(chart_png).decode("ascii")
    return "\n".join((
        "<!doctype html>", '<html lang="en">', '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{escape(found.name)}: {state}</title>", f"<style>{_STYLE}</style>",
        f"<h1>{escape(found.name)}</h1>", f'<p class="text">{escape(found.text)}</p>',
        f'<p class="state {"broken" if broken else "kept"}">{state}</p>',
        f'<img alt="Chart of the run: pH, EC, level, doses and outputs over time" '
        f'src="data:image/png;base64,{image}">',
        f'<p class="facts">{_facts(result)}</p>',
        "<h2>Promises</h2>", _expectation_rows(result), "<h2>Doses</h2>", _doses(result),
        "<h2>Events</h2>", _events(result), "</html>", "",
    ))


def _facts(result: Result) -> str:
    resets = f", {len(result.resets)} resets" if result.resets else ""
    return (
        f"{clock_text(result.at_ms)} simulated on board {escape(result.scenario.board)}, seed"
        f" {result.scenario.seed}, {result.speed_up:,.0f} times real time{resets}"
    )


def _expectation_rows(result: Result) -> str:
    rows = []
    for verdict in sorted(result.verdicts, key=lambda verdict: verdict.is_kept):
        word = "kept" if verdict.is_kept else "broken"
        rows.append((
            f'<td class="{word}">{word}</td>', f"<td>{escape(verdict.expectation.text)}</td>",
            f"<td><code>{escape(verdict.why)}</code></td>",
        ))
    return _table(("", "promise", "result"), rows)


def _doses(result: Result) -> str:
    rows = [
        (f"<td>{escape(name)}</td>",) + tuple(
            f'<td class="number">{text}</td>'
            for text in (f"{dose['count']:.0f}", f"{dose['pumped_s']:.1f}",
                         f"{dose['true_ml']:.1f}")
        )
        for name, dose in result.doses.items()
    ]
    return _table(("pump", "#doses", "#on, s", "#true, ml"), rows)


def _events(result: Result) -> str:
    events = [event for event in result.evidence.events if event[1] != "reset"]
    rows = []
    for at_ms, kind, detail in sorted(events, key=lambda event: event[0])[:_MAX_EVENTS]:
        words = ", ".join(f"{key} {words_of(value)}" for key, value in sorted(detail.items()))
        rows.append((
            f'<td class="when">{clock_text(at_ms)}</td>', f"<td>{escape(kind)}</td>",
            f"<td>{escape(words)}</td>",
        ))
    more = len(events) - _MAX_EVENTS
    note = f"<p class='facts'>and {more} more: see the trace</p>" if more > 0 else ""
    return _table(("at", "event", ""), rows) + note


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return an HTML table; a title that starts with # marks a column of numbers."""
    head = "".join(
        f'<th class="number">{title[1:]}</th>' if title.startswith("#") else f"<th>{title}</th>"
        for title in titles
    )
    body = "".join(f"<tr>{''.join(row)}</tr>\n" for row in rows)
    return f'<div class="wide"><table><tr>{head}</tr>\n{body}</table></div>'
