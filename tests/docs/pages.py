"""The pages of the documentation."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("**/*.md")))


def code_blocks(page, language):
    """Return the code blocks of a language in a page, which is a path relative to the root."""
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
