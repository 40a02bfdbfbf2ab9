"""The parts of the feature store."""
