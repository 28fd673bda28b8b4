"""An alias of ``drayman.tasks``."""

import sys

import drayman.tasks

sys.modules[__name__] = drayman.tasks
