"""The greenhouse: water chemistry, tank, crop, bed, air and pumps."""
