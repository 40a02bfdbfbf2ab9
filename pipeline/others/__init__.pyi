# What other rooms use of this one; each name is imported when it is first asked for.

from .folder import read_others as read_others
from .model import OtherModel as OtherModel
from .reading import read_model as read_model
