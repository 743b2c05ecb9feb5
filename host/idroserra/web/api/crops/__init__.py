"""The HTTP API of crops: recipes, previews, comparisons, nutrient solutions."""
