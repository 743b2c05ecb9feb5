"""Details of events as they leave the node."""

from typing import Any

from idro.protocol.reason import Reason


def as_sent(detail: dict[str, Any]) -> dict[str, Any]:
    """Return the detail of an event with its reasons as the outbox encodes them."""
    return {key: value.as_json() if isinstance(value, Reason) else value
            for key, value in detail.items()}
