"""Hypothesis: no deadlines (machines differ), and a profile for long searches."""

import hypothesis

hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("long", deadline=None, max_examples=2_000)
hypothesis.settings.load_profile("default")
