"""The frozen encoders and the recipe that identifies what they computed."""

from pipeline.encoders.speech import SpeechEncoder
from pipeline.encoders.text import TextEncoder
from pipeline.recipe import Recipe

__all__ = ["Recipe", "SpeechEncoder", "TextEncoder"]
