"""Simulated time, and the asyncio scheduler that runs on it."""
