"""What code in the pages works on: a model, and a hub that it can be put on."""

from tests.use.conftest import model_folder as model_folder
from tests.use.hubs import writable_hub as writable_hub
