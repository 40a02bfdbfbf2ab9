# What other rooms use of this one; each name is imported when it is first asked for.

from .heads import (
    HISTORY_FILE as HISTORY_FILE,
    MODELS_FOLDER as MODELS_FOLDER,
    ProjectionHeads as ProjectionHeads,
    load_heads as load_heads,
    read_history as read_history,
    save_heads as save_heads,
    seed_folder as seed_folder,
)
from .launched import launched_ranks as launched_ranks, local_rank as local_rank
from .learning import Epoch as Epoch, Trained as Trained
from .loop import train as train
from .losses import (
    rank_n_contrast as rank_n_contrast,
    squared_label_distance as squared_label_distance,
    supervised_contrastive as supervised_contrastive,
    symmetric_cross_entropy as symmetric_cross_entropy,
)
from .ranks import Ranks as Ranks
