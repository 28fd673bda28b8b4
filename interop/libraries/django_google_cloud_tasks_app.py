"""django-google-cloud-tasks: classes of tasks in Django."""

import os

import django
import harness
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import include, path
from google import auth
from google.auth.credentials import AnonymousCredentials

os.environ.update(
    GCP_PROJECT=harness.PROJECT,
    GCP_LOCATION=harness.LOCATION,
    GCP_SERVICE_ACCOUNT="worker@my-project.iam.gserviceaccount.com",
)
# The library asks for credentials itself, before it creates a client.
auth.default = lambda *_args, **_options: (AnonymousCredentials(), harness.PROJECT)
harness.connect()
harness.create_queue()
listener, url = harness.listen()
attempts = harness.Attempts()
settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django_cloud_tasks"],
    DJANGO_CLOUD_TASKS_ENDPOINT=url,
    DJANGO_CLOUD_TASKS_APP_NAME=harness.QUEUE,
    REST_FRAMEWORK={},
    LOGGING_CONFIG=None,
)
django.setup()
urlpatterns = [path("", include("django_cloud_tasks.urls"))]

from django_cloud_tasks.tasks import Task  # noqa: E402 - needs Django's settings


class Welcome(Task):
    """The task."""

    def run(self, name):
        """Run the task."""
        attempts.record(name)


harness.serve_wsgi(get_wsgi_application(), listener)
Welcome.asap(name="ann")
attempts.wait("ann")
