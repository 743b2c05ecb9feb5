"""What the templates of a node's settings need: its form fields and their groups."""

from __future__ import annotations

from typing import Any

from idroserra.nodes.node import Node
from idroserra.nodes.setting_forms import GROUPS, setting_fields, setting_text


def settings_of(node: Node) -> dict[str, Any]:
    """Return the values of setting_forms.html."""
    return {"setting_fields": setting_fields(node.info), "setting_groups": GROUPS,
            "setting_text": setting_text}
