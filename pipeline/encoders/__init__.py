"""The frozen encoders and the recipe that identifies what they computed."""
