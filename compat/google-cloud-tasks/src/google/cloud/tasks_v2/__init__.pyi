from drayman.tasks_v2 import *
from drayman.tasks_v2 import __version__ as __version__
from drayman.tasks_v2 import services as services
from drayman.tasks_v2 import types as types
