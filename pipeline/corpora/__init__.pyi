# What other rooms use of this one; each name is imported when it is first asked for.

from .inspection import check_splits as check_splits, inspect as inspect, write_rejects as write_rejects
from .layout import check_layout as check_layout
from .proposal import Proposal as Proposal, propose_table as propose_table
from .reading import read_corpus as read_corpus
