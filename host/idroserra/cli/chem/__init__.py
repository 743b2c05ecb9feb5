"""`idroserra chem`: water chemistry."""
