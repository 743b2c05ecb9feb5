"""`idroserra provision`: set up a board as a node."""
