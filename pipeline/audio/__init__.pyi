# What other rooms use of this one; each name is imported when it is first asked for.

from .foreign import foreign_content as foreign_content
from .length import header_seconds as header_seconds
from .reading import (
    MAX_RATE as MAX_RATE,
    MIN_RATE as MIN_RATE,
    Clip as Clip,
    PassingAudioError as PassingAudioError,
    inside as inside,
    inspect_clip as inspect_clip,
    read_waveform as read_waveform,
)
from .unusable import Unusable as Unusable, refuse_unusable as refuse_unusable
from .waveform import (
    MIN_SAMPLES as MIN_SAMPLES,
    SAMPLING_RATE as SAMPLING_RATE,
    AudioError as AudioError,
    Waveform as Waveform,
    check_audible as check_audible,
    crop as crop,
    to_mono_16k as to_mono_16k,
)
from .windows import (
    SHORTEST as SHORTEST,
    Window as Window,
    hash_file as hash_file,
    inspect_windows as inspect_windows,
    read_windows as read_windows,
    windows_of as windows_of,
)
