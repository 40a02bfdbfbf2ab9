"""A folder of recordings in windows, embedded and kept on disk; searched exactly, by product or by place."""
