"""Parts at register level, one file a part, written from the datasheet."""
