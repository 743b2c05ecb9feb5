"""`idroserra chem`: water chemistry, one JSON problem a line."""
