"""The commands: one module each, and DVC runs the same commands."""
