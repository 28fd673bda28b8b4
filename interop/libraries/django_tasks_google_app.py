"""django-tasks-google: a backend of Django's own tasks."""

import functools
import tempfile
from pathlib import Path

import django
import harness
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.tasks import task
from django.urls import include, path
from google.oauth2 import id_token

harness.connect()
harness.create_queue()
listener, url = harness.listen()
attempts = harness.Attempts()
# The library verifies the bearer token of each request. The server that signed it has the keys.
id_token.verify_oauth2_token = functools.partial(
    id_token.verify_token, certs_url=f"http://{harness.ADDRESS}/certs"
)
DATABASE = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": Path(tempfile.mkdtemp()) / "db.sqlite3",
    # A request and the call that enqueues may write at the same time.
    "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
}
BACKEND = {
    "BACKEND": "django_tasks_google.backends.CloudTasksBackend",
    "QUEUES": [harness.QUEUE],
    "OPTIONS": {
        "project_id": harness.PROJECT,
        "location": harness.LOCATION,
        "base_url": f"{url}/tasks/",
        "oidc_service_account": "worker@my-project.iam.gserviceaccount.com",
    },
}
settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": DATABASE},
    INSTALLED_APPS=["django_tasks_google"],
    LOGGING_CONFIG=None,
    ROOT_URLCONF=__name__,
    TASKS={"default": BACKEND},
    USE_TZ=True,
)
django.setup()
call_command("migrate", verbosity=0)
urlpatterns = [path("tasks/", include("django_tasks_google.urls"))]


@task(queue_name=harness.QUEUE)
def welcome(name):
    """Run the task."""
    attempts.record(name)


harness.serve_wsgi(get_wsgi_application(), listener)
welcome.enqueue("ann")
attempts.wait("ann")
