"""`idroserra node`: list, show and operate nodes."""
