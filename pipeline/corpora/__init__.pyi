# What other rooms use of this one; each name is imported when it is first asked for.

from .corpus import Corpus as Corpus
from .inspection import Inspection as Inspection, inspect as inspect, inspect_part as inspect_part
from .layout import check_layout as check_layout
from .proposal import Proposal as Proposal, propose_table as propose_table
from .reading import read_corpus as read_corpus
from .rejects import (
    check_splits as check_splits,
    count_by_reason as count_by_reason,
    out_of_reach as out_of_reach,
    read_rejects as read_rejects,
    write_rejects as write_rejects,
)
