"""The two frozen encoders: waveforms and sentences to pooled features."""

from pipeline.encoders import SpeechEncoder, TextEncoder

__all__ = ["SpeechEncoder", "TextEncoder"]
