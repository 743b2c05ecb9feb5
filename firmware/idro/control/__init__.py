"""Pure control functions: readings, settings and now_ms in, a Decision with its reason out.

A reason reads "<what>: <why>, <numbers>". The part before the first comma stays the same while
nothing changes and is recorded once; the numbers may change in every cycle.
"""
