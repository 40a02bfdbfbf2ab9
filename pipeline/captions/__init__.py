"""Captioners: valence and arousal in, a sentence about the speaking style out."""
