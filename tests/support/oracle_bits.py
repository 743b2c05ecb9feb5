"""Prints the exact results of our code for every row of the tables of tests/oracle.

One line per row: table, then the floats in hexadecimal. Both interpreters run it, and
tests/sim/runner/test_two_interpreters.py compares the output.
"""

from idro.drivers import ads1115, dfr0300, ds18b20, jsn_sr04t, sen0161
from idro.drivers.shared import ultrasonic
from idro.errors import SensorError
from idrosim.devices import ads1115 as converter
from idrosim.devices import dfr0300 as ec_board
from idrosim.devices import sen0161 as ph_board
from idrosim.devices.shared.ultrasonic import echo_us
from idrosim.greenhouse.air import saturation_pa, vapour_kg_m3
from idrosim.greenhouse.conductivity import conductivities
from idrosim.greenhouse.equilibria import density_kg_l, permittivity, viscosity_pa_s
from idrosim.greenhouse.float_codec import pack_floats
from idrosim.greenhouse.oxygen import saturation_mg_l
from support.lettuce_growth import growth_curve
from support.oracle_tables import (
    Waters,
    carbonate_buffer,
    number,
    phosphate_buffer,
    potassium_chloride,
    rows,
)
from support.portable_fakes import FakeClock, FakeI2c, run


def of_water(solution):
    found = [solution.ph, solution.ionic_strength(), solution.carbon, solution.si_brushite()]
    return found + list(conductivities(solution)) + list(solution.charged())


def of_standard(row):
    return of_water(potassium_chloride(0.01, number(row["temp_C"])))


def of_buffers(row):
    temp_c = number(row["temp_C"])
    return of_water(phosphate_buffer(temp_c)) + of_water(carbonate_buffer(temp_c))


def of_converter(row):
    clock = FakeClock()
    part = converter.Ads1115(clock)
    part.inputs[0] = lambda: number(row["volts_at_pin"])
    adc = ads1115.Ads1115(FakeI2c(clock, {0x48: part}), 0x48, clock)
    try:
        return run(adc.read_uv(0, int(1000 * number(row["FSR_V"]))))
    except SensorError as error:
        if error.fault != "saturated":
            raise
        return []


def of_thermometer(row):
    return [ds18b20.raw_temperature(bytes.fromhex(row["scratchpad_9_bytes_hex"])) / 16]


def of_ec_board(row):
    signal_uv = int(1000 * number(row["board_mV"]))
    volts = ec_board.volts(1000.0 * number(row["kappa_mS"]), number(row["cell_K"]))
    return [volts, dfr0300.ec_us_cm(signal_uv, 100 * int(row["temp_C"]), 1000, 20_000)]


def of_ph_board(row):
    signal_uv = int(1000 * number(row["board_mV_into_ADC"]))
    milli_ph = sen0161.ph_milli(signal_uv, 100 * int(row["temp_C"]), 1_500_000, -177_478)
    return [ph_board.volts(number(row["electrode_mV"])), milli_ph / 1000]


def of_echo(row):
    air_c = number(row["air_C"])
    width_us = echo_us(1000.0 * number(row["distance_m"]), air_c)
    centi_c = 100 * int(air_c)
    return [width_us, ultrasonic.speed_mm_s(centi_c),
            ultrasonic.distance_um(int(width_us + 0.5), centi_c)]


def of_frame(row):
    frame = row["frame_hex (start, hi, lo, sum8)"]
    return [jsn_sr04t.distance_of(bytes.fromhex(frame))]


def of_vapour(row):
    temp_c = number(row["temp_C"])
    return [saturation_pa(temp_c), vapour_kg_m3(temp_c, number(row.get("RH_pct", "100")))]


def of_properties(row):
    temp_c = number(row["temp_C"])
    return [density_kg_l(temp_c), viscosity_pa_s(temp_c), permittivity(temp_c)]


TABLES = {
    "published_kcl_primary.csv": of_standard,
    "published_ec_standards_hanna.csv": of_standard,
    "published_ec_standards_mettler.csv": of_standard,
    "published_ph_buffers_nist_jis.csv": of_buffers,
    "published_ph_buffers_us_technical.csv": of_buffers,
    "hw_ads1115.csv": of_converter,
    "hw_ds18b20.csv": of_thermometer,
    "hw_ec_dfr0300.csv": of_ec_board,
    "hw_ph_sen0161v2.csv": of_ph_board,
    "hw_ultrasonic.csv": of_echo,
    "hw_jsn_uart.csv": of_frame,
    "sat_vapour_pressure.csv": of_vapour,
    "psychrometrics.csv": of_vapour,
    "water_properties.csv": of_properties,
    "do_saturation.csv": lambda row: [saturation_mg_l(number(row["temp_C"]))],
}
WATERS = ("waters.csv", "nutrient_dilution.csv", "titration_khco3_1M.csv", "ec_temperature.csv")


def main():
    """Print them all."""
    waters = Waters()
    for name in WATERS:
        for row in rows(name):
            print(name, pack_floats(of_water(waters.solved(row))))
    for name in sorted(TABLES):
        for row in rows(name):
            print(name, pack_floats(TABLES[name](row)))
    for state in growth_curve():
        print("vanhenten1994_two_state.csv", pack_floats(state))


if __name__ == "__main__":
    main()
