"""Runs first after any reset. Every output is driven to its safe level before anything else."""

from idro.app import outputs_off

outputs_off.drive_all_safe()
