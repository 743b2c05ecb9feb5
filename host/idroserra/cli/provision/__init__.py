"""`idroserra provision`: writes name, network and keys to a board."""
