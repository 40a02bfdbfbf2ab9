# What other rooms use of this one; each name is imported when it is first asked for.

from .abandoned import held as held, remove_abandoned as remove_abandoned
from .devices import (
    check_device as check_device,
    check_dtype as check_dtype,
    choose_device as choose_device,
    device_name as device_name,
    multiplies_by_onednn as multiplies_by_onednn,
    slow_dtype as slow_dtype,
    torch_dtype as torch_dtype,
)
from .files import (
    check_path as check_path,
    check_writable as check_writable,
    leftovers as leftovers,
    read_column as read_column,
    read_parquet as read_parquet,
    remove as remove,
    remove_leftovers as remove_leftovers,
    replacing as replacing,
    replacing_folder as replacing_folder,
    sync_folder as sync_folder,
    write_csv as write_csv,
    write_parquet as write_parquet,
    write_text as write_text,
)
from .json_files import read_json_object as read_json_object
from .killable import Killable as Killable
from .parallel import in_order as in_order, merged as merged, torch_threads as torch_threads
from .parts import Part as Part
from .patience import patiently as patiently
from .progress import Progress as Progress, progress_wanted as progress_wanted
from .shares import WHOLE as WHOLE, Share as Share
from .wording import counted as counted, shown as shown
