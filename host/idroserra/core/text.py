"""Texts for people that are translated where they are shown, such as the text of an error.

A Text is its English text; `i18n.translate.translate` puts it into the reader's language from the
template and its values. What a program compares or stores is a Reason instead (`core.reasons`).
"""

from __future__ import annotations


class Text(str):
    """An English text with its template and values; a value may be a Text itself."""

    __slots__ = ("template", "values")

    def __new__(cls, template: str, **values: object) -> Text:
        """Return `template` with its `{values}`. Mark the template with N_() for extraction."""
        made = super().__new__(cls, template.format(**values) if values else template)
        made.template = template
        made.values = values
        return made

    template: str
    values: dict[str, object]


def as_text(text: str) -> Text:
    """Return an English text of data, such as that of a part, as a Text, which is translated."""
    return text if isinstance(text, Text) else Text(text)
