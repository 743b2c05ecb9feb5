"""`idroserra board`: list, check, draw, build and scaffold boards."""
