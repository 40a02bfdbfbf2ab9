# What other rooms use of this one; each name is imported when it is first asked for.

from .extraction import (
    Read as Read,
    ShardWriter as ShardWriter,
    encode_clips as encode_clips,
    encode_read as encode_read,
    encode_sentences as encode_sentences,
    extract as extract,
    extract_speech as extract_speech,
    extract_text as extract_text,
    missing_clips as missing_clips,
    missing_sentences as missing_sentences,
    read_clip as read_clip,
)
from .gathering import (
    asked_for as asked_for,
    gather_pairs as gather_pairs,
    gather_plane as gather_plane,
    open_pairs as open_pairs,
    open_stores as open_stores,
)
from .pairs import Pairs as Pairs, PairSource as PairSource, PlaneTexts as PlaneTexts
from .shards.folder import RECIPE_FILE as RECIPE_FILE, ShardFolder as ShardFolder
from .shards.keys import (
    Keys as Keys,
    packed as packed,
    packed_column as packed_column,
    sentence_key as sentence_key,
    sentence_keys as sentence_keys,
    values as values,
)
from .shards.provenance import VERSIONS as VERSIONS, Positions as Positions
from .shards.shard import Shard as Shard, of_recipe as of_recipe
from .store import (
    SECONDS_UNTIL_LEFTOVER as SECONDS_UNTIL_LEFTOVER,
    SPEECH_FEATURES as SPEECH_FEATURES,
    TEXT_FEATURES as TEXT_FEATURES,
    FeatureStore as FeatureStore,
)
from .team import (
    PATIENCE as PATIENCE,
    TeamStore as TeamStore,
    needed_team_root as needed_team_root,
    shared_folder as shared_folder,
    team_folders as team_folders,
    team_root as team_root,
)
from .upkeep.compacting import compact as compact, drop as drop, small_groups as small_groups
from .upkeep.exporting import KEY as KEY, export_npz as export_npz, export_parquet as export_parquet
from .upkeep.history import (
    Asked as Asked,
    asked_by_refs as asked_by_refs,
    keys_of as keys_of,
    last_extracted as last_extracted,
)
from .upkeep.merging import merge as merge, shards_below as shards_below
from .upkeep.planning import (
    Mask as Mask,
    Plan as Plan,
    Wanted as Wanted,
    earlier_reasons as earlier_reasons,
    plan as plan,
)
from .upkeep.summary import summarise as summarise
