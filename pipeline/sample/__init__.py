"""The sample profile: a synthetic corpus spoken by eSpeak NG and two small trained checkpoints."""
