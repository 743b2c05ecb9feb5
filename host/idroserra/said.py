"""Sentences that are made elsewhere in English, as patterns for idroserra.i18n.said().

Nodes tell why they did what they did; their firmware speaks English, and so does what is stored.
"""

from __future__ import annotations

from idroserra.i18n import marked

SAID = (
    marked("held: {why}"),
)
