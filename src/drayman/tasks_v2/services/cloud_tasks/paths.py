"""Builds and parses the names of resources."""

import functools
import re

_CMEK_CONFIG = "projects/{project}/locations/{location}/cmekConfig"
_CRYPTO_KEY = "projects/{project}/locations/{location}/keyRings/{key_ring}/cryptoKeys/{crypto_key}"
_QUEUE = "projects/{project}/locations/{location}/queues/{queue}"
_TASK = "projects/{project}/locations/{location}/queues/{queue}/tasks/{task}"
_BILLING_ACCOUNT = "billingAccounts/{billing_account}"
_FOLDER = "folders/{folder}"
_ORGANIZATION = "organizations/{organization}"
_PROJECT = "projects/{project}"
_LOCATION = "projects/{project}/locations/{location}"


@functools.cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile("^" + re.sub(r"\{(\w+)\}", r"(?P<\1>.+?)", template) + "$")


def _parse(template: str, path: str) -> dict[str, str]:
    match = _pattern(template).match(path)
    return match.groupdict() if match else {}


class Paths:
    """The path helpers of both clients. A parser returns ``{}`` for a name of another form."""

    @staticmethod
    def queue_path(project: str, location: str, queue: str) -> str:
        """The name of a queue.

        Example:
            ``client.queue_path("my-project", "us-central1", "mail")``
        """
        return _QUEUE.format(project=project, location=location, queue=queue)

    @staticmethod
    def parse_queue_path(path: str) -> dict[str, str]:
        """The ``project``, ``location`` and ``queue`` of a queue's name."""
        return _parse(_QUEUE, path)

    @staticmethod
    def task_path(project: str, location: str, queue: str, task: str) -> str:
        """The name of a task."""
        return _TASK.format(project=project, location=location, queue=queue, task=task)

    @staticmethod
    def parse_task_path(path: str) -> dict[str, str]:
        """The ``project``, ``location``, ``queue`` and ``task`` of a task's name."""
        return _parse(_TASK, path)

    @staticmethod
    def cmek_config_path(project: str, location: str) -> str:
        """The name of a location's encryption settings."""
        return _CMEK_CONFIG.format(project=project, location=location)

    @staticmethod
    def parse_cmek_config_path(path: str) -> dict[str, str]:
        """The ``project`` and ``location`` of a name of encryption settings."""
        return _parse(_CMEK_CONFIG, path)

    @staticmethod
    def crypto_key_path(project: str, location: str, key_ring: str, crypto_key: str) -> str:
        """The name of a key in Cloud KMS."""
        return _CRYPTO_KEY.format(
            project=project, location=location, key_ring=key_ring, crypto_key=crypto_key
        )

    @staticmethod
    def parse_crypto_key_path(path: str) -> dict[str, str]:
        """The ``project``, ``location``, ``key_ring`` and ``crypto_key`` of a key's name."""
        return _parse(_CRYPTO_KEY, path)

    @staticmethod
    def common_billing_account_path(billing_account: str) -> str:
        """The name of a billing account."""
        return _BILLING_ACCOUNT.format(billing_account=billing_account)

    @staticmethod
    def parse_common_billing_account_path(path: str) -> dict[str, str]:
        """The ``billing_account`` of a billing account's name."""
        return _parse(_BILLING_ACCOUNT, path)

    @staticmethod
    def common_folder_path(folder: str) -> str:
        """The name of a folder."""
        return _FOLDER.format(folder=folder)

    @staticmethod
    def parse_common_folder_path(path: str) -> dict[str, str]:
        """The ``folder`` of a folder's name."""
        return _parse(_FOLDER, path)

    @staticmethod
    def common_organization_path(organization: str) -> str:
        """The name of an organization."""
        return _ORGANIZATION.format(organization=organization)

    @staticmethod
    def parse_common_organization_path(path: str) -> dict[str, str]:
        """The ``organization`` of an organization's name."""
        return _parse(_ORGANIZATION, path)

    @staticmethod
    def common_project_path(project: str) -> str:
        """The name of a project."""
        return _PROJECT.format(project=project)

    @staticmethod
    def parse_common_project_path(path: str) -> dict[str, str]:
        """The ``project`` of a project's name."""
        return _parse(_PROJECT, path)

    @staticmethod
    def common_location_path(project: str, location: str) -> str:
        """The name of a location, the parent of queues."""
        return _LOCATION.format(project=project, location=location)

    @staticmethod
    def parse_common_location_path(path: str) -> dict[str, str]:
        """The ``project`` and ``location`` of a location's name."""
        return _parse(_LOCATION, path)
