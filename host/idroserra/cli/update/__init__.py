"""`idroserra update`: releases and roll-outs."""
