"""The vapour pressure deficit (VPD) channel: imported only on boards with climate outputs."""

from idro.control.climate import HUMIDITY, TEMP, vpd_pa

VPD = "air.vpd_pa"


def add_vpd(values, faults):
    """Add the VPD to the values of a record, or the fault of its inputs to the faults."""
    if TEMP in values and HUMIDITY in values:
        values[VPD] = vpd_pa(values[TEMP], values[HUMIDITY])
    elif TEMP in faults or HUMIDITY in faults:
        faults[VPD] = faults.get(TEMP) or faults[HUMIDITY]
