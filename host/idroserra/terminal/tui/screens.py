"""Modal screens of `idroserra watch`: confirmation and alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rich.console import Group
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from idroserra.terminal.tables import clock_text

PRIORITY_STYLES = {"urgent": "bold white on red", "high": "bold red", "medium": "yellow",
                   "low": "cyan"}
_ACKNOWLEDGEABLE = ("unacknowledged", "returned")
ACTIVE_STATES = ("unacknowledged", "acknowledged", "returned")


class ConfirmScreen(ModalScreen[bool]):
    """Asks for confirmation: True for y, False for n and Escape."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "yes"), Binding("n,escape", "answer(False)", "no")]

    def __init__(self, question: str, consequence: str) -> None:
        super().__init__()
        self._question = question
        self._consequence = consequence

    def compose(self) -> ComposeResult:
        """Yield the widgets."""
        with Vertical(classes="box"):
            yield Static(Text(self._question, style="bold"))
            yield Static(Text(self._consequence))
            yield Static(Text("y  yes     n  no", style="dim"))

    def action_answer(self, answer: bool) -> None:  # noqa: FBT001 - a key binding passes it
        """Close with the result."""
        self.dismiss(answer)


class AlarmsScreen(ModalScreen[str | None]):
    """Lists active alarms; returns the key of the alarm to acknowledge, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,a,q", "close", "close")]

    def __init__(self, alarms: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        self._alarms = {one["key"]: one for one in alarms}

    def compose(self) -> ComposeResult:
        """Yield the widgets."""
        with Vertical(classes="box"):
            if not self._alarms:
                yield Static(Text("No active alarms.", style="green"))
            else:
                yield OptionList(*(
                    Option(_alarm_line(one), id=f"alarm-{number}")
                    for number, one in enumerate(self._alarms.values())))
                with VerticalScroll():
                    yield Static(id="about")
            yield Static(Text("Enter  acknowledge     Esc  close", style="dim"))

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show consequence and action of the alarm."""
        self.query_one("#about", Static).update(_alarm_detail(self._at(event.option_index)))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Acknowledge the alarm if it is unacknowledged."""
        alarm = self._at(event.option_index)
        if alarm["state"] in _ACKNOWLEDGEABLE:
            self.dismiss(alarm["key"])

    def action_close(self) -> None:
        """Close without acknowledging."""
        self.dismiss(None)

    def _at(self, index: int) -> Mapping[str, Any]:
        return list(self._alarms.values())[index]


def headline(alarm: Mapping[str, Any]) -> str:
    """Return one line: node, title, and the reading or reason."""
    where = f"{alarm['node']}: " if alarm["node"] else ""
    reason = alarm["reason"]
    return f"{where}{alarm['title']}" + (f": {reason['text']}" if reason else "")


def _alarm_line(alarm: Mapping[str, Any]) -> Text:
    mark = "● " if alarm["state"] in _ACKNOWLEDGEABLE else "  "
    return Text.assemble((mark, "bold"), (alarm["priority"], PRIORITY_STYLES[alarm["priority"]]),
                         f"  {headline(alarm)}")


def _alarm_detail(alarm: Mapping[str, Any]) -> Group:
    since = clock_text(alarm["raised_unix_ms"] or alarm["changed_unix_ms"])
    return Group(
        Text(headline(alarm), style="bold"),
        Text(f"{alarm['state_words']}, since {since}", style="dim"),
        Text(f"Consequence: {alarm['consequence']}"),
        Text(f"Action: {alarm['action']}"))
