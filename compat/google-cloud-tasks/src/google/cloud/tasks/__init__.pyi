from drayman.tasks import *
from drayman.tasks import __version__ as __version__
