"""Recipes: model, feasibility on a node, and runs. The shipped ones are in `library/`."""
