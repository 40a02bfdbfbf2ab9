# What other rooms use of this one; each name is imported when it is first asked for.

from .inspection import check_splits as check_splits, inspect as inspect, write_rejects as write_rejects
from .reading import read_corpus as read_corpus
