# What other rooms use of this one; each name is imported when it is first asked for.

from .about import about_run as about_run
from .ceilings import CEILING as CEILING
from .detail_files import (
    DETAILS_FOLDER as DETAILS_FOLDER,
    Details as Details,
    Row as Row,
    read_details as read_details,
)
from .details import write_details as write_details
from .table import Table as Table
from .tables import (
    ALIGNMENT_READINGS as ALIGNMENT_READINGS,
    MMD_READINGS as MMD_READINGS,
    WASSERSTEIN_READINGS as WASSERSTEIN_READINGS,
)
from .writing import (
    build_tables as build_tables,
    metrics_json as metrics_json,
    write_curves as write_curves,
    write_plots as write_plots,
    write_tables as write_tables,
)
