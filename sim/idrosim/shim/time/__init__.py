"""Virtual time and the asyncio scheduler on it."""
