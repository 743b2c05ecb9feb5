"""A board with the parts that relay kits have: relays on a PCF8574, thermometers on one line."""

NAME = "relay-kit"
TEXT = """
[board]
name = "relay-kit"
chip = "esp32s3"

[supply]
rail_5v_ma = 2_000
loads_ma = 5_000

[i2c.main]
scl_pin = 9
sda_pin = 8
freq_hz = 100_000

[onewire.main]
pin = 4

[[expander]]
name = "relays"
part = "pcf8574"
bus = "i2c.main"
address = 0x3F
supply_pin = 21
pull = "down"
""" + "".join(f"""
[[actuator]]
name = "{name}"
part = "{part}"
expander = "relays"
pin = {pin}
max_on_ms = {max_on_ms:_}
safe_level = 1
pull = "up"
load_ma = {load_ma:_}
""" for name, part, pin, max_on_ms, load_ma in (
    ("ph_down", "doser", 0, 10_000, 300), ("circulation", "switch", 6, 900_000, 2_000),
    ("top_off", "switch", 7, 600_000, 500)))
ROMS = {"reservoir": "280a1b2c3d4e5fac", "mixing": "28ff010203040562", "air": "2800000000000140"}


def thermometer(source: str, rom: str = "") -> str:
    """Return the entry of a DS18B20 on the line of the board."""
    entry = f'\n[[sensor]]\nsource = "{source}"\npart = "ds18b20"\nmeasures = ["temp_c"]\n'
    return entry + 'bus = "onewire.main"\n' + (f'rom = "{rom}"\n' if rom else "")


WHOLE = TEXT + "".join(thermometer(source, rom) for source, rom in ROMS.items())
