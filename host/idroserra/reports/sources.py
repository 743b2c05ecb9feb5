"""The data a report is built from."""

from __future__ import annotations

from dataclasses import dataclass

from idroserra.alarms.engine import AlarmEngine
from idroserra.calibration.service import CalibrationService
from idroserra.history.models import Store
from idroserra.journal.service import Journal
from idroserra.setpoints.history import SettingsHistory


@dataclass(frozen=True)
class ReportSources:
    """The parts of the host that reports and summaries read."""

    store: Store
    alarms: AlarmEngine
    calibrations: CalibrationService
    journal: Journal
    settings: SettingsHistory
