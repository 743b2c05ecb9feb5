"""Bottles, stock solutions and the water and nutrient balance."""
