"""The study of `emotionrankclap-plus`, in parts: what `study.py` imports, no commands."""
