"""The other end of the line: fake, hostile and updating hosts."""
