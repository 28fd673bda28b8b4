"""The programs and suites are a package at the root of the repository, beside ``src``."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
