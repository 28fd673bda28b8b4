"""The benchmark harness: ``python -m bench``; docs/performance.md describes it."""
