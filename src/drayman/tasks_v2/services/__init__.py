"""The services of the API: one, ``cloud_tasks``."""
