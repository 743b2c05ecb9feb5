"""Recipes that run: what the gate leaves room for, and which stage each node is in.

The recipes themselves lie beside this file, a TOML file a crop (docs/recipes.md).
"""
