"""``python -m drayman``: the command line."""

from drayman.cli import main

main()
