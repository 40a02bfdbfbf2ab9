# What other rooms use of this one; each name is imported when it is first asked for.

from .alignment import mmd_rbf as mmd_rbf, wasserstein as wasserstein
from .ceilings import MeasuredCeiling as MeasuredCeiling
from .chance import Chance as Chance, against_chance as against_chance
from .entries import Embedded as Embedded, Entry as Entry, Projected as Projected
from .estimate import Estimate as Estimate, drawn_again as drawn_again
from .evaluation import (
    Evaluation as Evaluation,
    draw_trials as draw_trials,
    evaluate_entries as evaluate_entries,
    mapped_rows as mapped_rows,
    measure_all as measure_all,
    measure_trial as measure_trial,
    readings_of as readings_of,
)
from .ordinality import (
    kendall_tau as kendall_tau,
    ordinal_consistency as ordinal_consistency,
    retrieve_without_replacement as retrieve_without_replacement,
)
from .prompted import (
    ATTRIBUTE_OF_TEST as ATTRIBUTE_OF_TEST,
    COLUMN as COLUMN,
    measure_ceilings as measure_ceilings,
)
from .significance import bootstrap_interval as bootstrap_interval, holm as holm, paired_test as paired_test
