"""Drayman's client under the name of Google's."""

import sys

import drayman.tasks

sys.modules[__name__] = drayman.tasks
