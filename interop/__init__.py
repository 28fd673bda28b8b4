"""Whether clients and suites that others wrote work with Drayman: ``make interop``."""
