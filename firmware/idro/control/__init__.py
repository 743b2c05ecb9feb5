"""Pure decisions: readings, settings and now_ms in, a Decision with its reason out.

A reason reads "<what>: <why>, <numbers>": what stands before the first comma is stable while
nothing changes, so a loop tells it once; what follows may count down.
"""
