"""How much one request may ask for."""

from __future__ import annotations

MAX_RESULTS = 100

MAX_SENTENCE = 1000
"""Characters of a sentence."""

LOWEST, HIGHEST = 1.0, 7.0
"""Of valence and arousal."""

MAX_JSON_BYTES = 16 << 10

JSON_SECONDS = 10.0
"""Within which the whole of a question must arrive."""

MAX_UPLOAD_BYTES = 20 << 20

UPLOAD_SECONDS = 60.0
"""Within which the whole of a recording must arrive."""

MAX_AUDIO_SECONDS = 300.0
"""Of a recording that is heard."""

WORK_SECONDS = 20.0
"""Of work on one recording: to decode it, and then to hear it."""

HEADER_SECONDS = 15.0
"""Within which a request's headers must arrive."""

MAX_HEADER_BYTES = 16 << 10

MAX_CONNECTIONS = 600
"""Open at once; further ones are closed."""

PLANE_PLACES = 3000
"""Windows that the plane shows behind a search."""

WAVEFORM_PEAKS = 200
