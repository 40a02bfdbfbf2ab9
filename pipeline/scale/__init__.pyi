# What other rooms use of this one; each name is imported when it is first asked for.

from .parts import extract_part as extract_part, plan_part as plan_part
from .ray_cluster import joined as joined
from .ray_encoding import Place as Place
from .ray_extraction import (
    encode_clips_on_ray as encode_clips_on_ray,
    encode_sentences_on_ray as encode_sentences_on_ray,
)
