"""EmotionRankCLAP: speaking-style sentences and speech in one space, ordered by valence and arousal.

Axis letters used throughout: N utterances, M captions, T frames, F feature size (a frozen encoder's output),
E embedding size (a projection head's output).
"""
