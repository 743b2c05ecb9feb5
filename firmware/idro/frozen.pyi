"""What `idroserra board micropython` freezes in as idro/frozen.py: see micropython_board.py."""

ABOUT: str
