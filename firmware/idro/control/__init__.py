"""Pure control functions: readings, settings and now_ms in, a Decision with its reason out.

A decision is recorded once while its reason stays alike: the numbers may change in every cycle.
"""
