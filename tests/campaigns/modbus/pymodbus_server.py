"""A pymodbus server on a serial port: one device a probe, with new random values at every request.

    python pymodbus_server.py PORT PROBES.json SEED

Numbers are drawn and encoded by pymodbus, apart from our code.
"""

import asyncio
import json
import random
import sys
from functools import partial
from pathlib import Path

from pymodbus import FramerType
from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

TYPES = {kind: ModbusClientMixin.DATATYPE[kind.upper()]
         for kind in ("int16", "uint16", "int32", "uint32", "float32")}
convert = ModbusClientMixin.convert_to_registers


def words(register, draw):
    """Return the words of one register of a probe's file: random within its valid range."""
    if register["equals"] is not None:
        value = register["equals"]
    else:
        low, high = (register[key] / register["scale"] for key in ("low", "high"))
        value = draw.uniform(low, high) if register["type"] == "float32" else draw.randint(
            int(low) + 1, int(high) - 1)
    order = "little" if register["order"] == "cdab" else "big"
    kind = TYPES[register["type"]]
    return convert(float(value) if register["type"] == "float32" else value, kind, order)


async def change(registers, draw, function, start, address, count, current, written):
    """Set all registers of a device again, before each answer."""
    for register in registers:
        new = words(register, draw)
        at = register["address"] - start
        current[at:at + len(new)] = new


def device(address, registers, draw):
    """Return one device: its registers and what lies between, nothing else."""
    last = max(register["address"] for register in registers) + 2
    first = min(register["address"] for register in registers)
    return SimDevice(
        address, [SimData(first, values=[0] * (last - first), datatype=DataType.REGISTERS)],
        action=partial(change, registers, draw))


async def main():
    """Serve until the process is ended."""
    port, file, seed = sys.argv[1:]
    draw = random.Random(int(seed))
    devices = [device(int(address), registers, draw)
               for address, registers in json.loads(Path(file).read_text()).items()]
    server = ModbusSerialServer(devices, framer=FramerType.RTU, port=port, baudrate=9_600)
    await server.serve_forever(background=True)
    print("ready", flush=True)
    await server.serving


if __name__ == "__main__":
    asyncio.run(main())
