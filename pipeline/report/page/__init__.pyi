# What other rooms use of this one; each name is imported when it is first asked for.

from .building import build_page as build_page
from .tables import read_tables as read_tables
