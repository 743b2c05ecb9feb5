"""`idroserra demo`: broker, simulated greenhouses, host and page on one machine."""
