"""Upkeep of stores: planned, merged, joined, dropped, exported, summed up, and what history asks for."""
