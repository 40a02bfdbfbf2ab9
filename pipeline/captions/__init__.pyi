# What other rooms use of this one; each name is imported when it is first asked for.

from .captioning import (
    VARIANTS as VARIANTS,
    Captioner as Captioner,
    acoustic_variants as acoustic_variants,
    caption_prompts as caption_prompts,
    caption_utterances as caption_utterances,
    prompts_table as prompts_table,
)
from .lexicon import describe as describe
from .llm.answers import (
    answers_folder as answers_folder,
    writing_answers as writing_answers,
)
from .llm.captioner import LlmCaptioner as LlmCaptioner, templates_in_use as templates_in_use
from .llm.listing import models_of_endpoint as models_of_endpoint
from .llm.table import read_table as read_table
from .measuring import keep_memory as keep_memory, measure_clips as measure_clips
from .nrc import words_come_from as words_come_from
from .overlap import measure_overlap as measure_overlap
from .plane import caption_plane as caption_plane
from .scales import GRADES as GRADES
from .showing import side_by_side as side_by_side
