"""`idroserra recipe`: list, check and run recipes."""
