"""The frozen encoders and the recipe that identifies what they computed."""

from pipeline.recipe import Recipe
from pipeline.encoders.speech import SpeechEncoder
from pipeline.encoders.text import TextEncoder

__all__ = ["Recipe", "SpeechEncoder", "TextEncoder"]
