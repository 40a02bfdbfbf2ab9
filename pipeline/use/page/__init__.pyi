# What other rooms use of this one; each name is imported when it is first asked for.

from .library import Library as Library
from .serving import Server as Server
