"""A trained model in use: recordings and sentences in one space."""

from pipeline.use import EmotionRankCLAP

__all__ = ["EmotionRankCLAP"]
