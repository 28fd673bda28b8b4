"""Version v2beta3 of the API, which this package does not have: an import raises an error."""

raise ImportError(
    "google.cloud.tasks_v2beta3 is not part of Drayman's google-cloud-tasks. "
    "Import google.cloud.tasks_v2 instead. "
    "Queues and HTTP tasks have the same names and fields there. "
    "To get Google's package back: pip install --force-reinstall google-cloud-tasks==2.26.0",
    name=__name__,
)
