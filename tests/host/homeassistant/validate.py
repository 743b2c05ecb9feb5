"""Does Home Assistant accept our devices? Asks its own schemas, in its own Python.

Usage: validate.py FILE of {object id: discovery payload}. Exit code 1 where one is refused.
`make check-homeassistant` makes the file and runs this.
"""

import asyncio
import json
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import voluptuous as vol
from homeassistant.components.mqtt import discovery
from homeassistant.components.mqtt.schemas import DEVICE_DISCOVERY_SCHEMA, SHARED_OPTIONS
from homeassistant.const import __version__
from homeassistant.core import HomeAssistant


def refusals(payload):
    """Return (entities accepted, what Home Assistant refuses of a device, a line each)."""
    discovery._replace_all_abbreviations(payload)
    try:
        DEVICE_DISCOVERY_SCHEMA(payload)
    except vol.Invalid as error:
        return 0, [f"the device: {error}"]
    accepted, found = 0, []
    for name, entity in payload["components"].items():
        platform = entity.pop("platform")
        for option in SHARED_OPTIONS:
            if option in payload:
                entity.setdefault(option, payload[option])
        entity |= {"device": payload["device"], "origin": payload["origin"]}
        schema = import_module(f"homeassistant.components.mqtt.{platform}").DISCOVERY_SCHEMA
        try:
            kept = schema(dict(entity))
            dropped = set(entity) - set(kept) - {"state_topic"}  # a button has no state
            found += [f"{name}: {key} is dropped" for key in dropped]
            accepted += not dropped
        except vol.Invalid as error:
            found.append(f"{name}: {error}")
    return accepted, found


async def main(devices):
    """Check every device; return the exit code."""
    is_bad = False
    with tempfile.TemporaryDirectory() as folder:
        HomeAssistant(folder)  # templates are read where there is one
        for name, payload in devices.items():
            accepted, found = refusals(payload)
            is_bad |= bool(found)
            print(f"Home Assistant {__version__}: {name}: {accepted} entities accepted, "
                  f"{len(found)} refused")
            for line in found:
                print(f"  {line}")
    return 1 if is_bad else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(json.loads(Path(sys.argv[1]).read_text("utf-8")))))
