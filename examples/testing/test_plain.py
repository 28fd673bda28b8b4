"""Plain unittest: a server for all tests of a class, and a function in place of the target."""

import datetime
import unittest

from google.api_core.exceptions import AlreadyExists

from drayman import tasks
from drayman.testing import Server

START = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)


class BackupTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cloud_tasks = cls.enterClassContext(Server())

    def setUp(self):
        self.cloud_tasks.reset(START)  # empty, at a time that stands still
        self.cloud_tasks.respond("https://backup.example/*", self.back_up)
        self.queue = self.cloud_tasks.queue("backups")
        self.client = self.cloud_tasks.client()
        self.saved = []
        self.is_full = False

    def back_up(self, delivery):
        """Return the status of a target that has room for backups, or not."""
        if self.is_full:
            return 507
        self.saved.append(delivery.json["table"])
        return 200

    def enqueue(self, table, **fields):
        task = tasks.http_task("https://backup.example/save", json={"table": table}, **fields)
        return self.client.create_task(parent=self.queue, task=task).name

    def test_a_backup_is_retried_until_it_succeeds(self):
        self.is_full = True
        self.enqueue("orders")
        self.cloud_tasks.advance(minutes=5)
        self.assertEqual(self.saved, [])
        self.is_full = False
        self.cloud_tasks.run_all()
        self.assertEqual(self.saved, ["orders"])
        self.cloud_tasks.assert_empty()

    def test_a_backup_is_made_after_29_days(self):
        due = START + datetime.timedelta(days=29)
        self.enqueue("orders", at=due)
        self.cloud_tasks.advance(days=28)
        self.cloud_tasks.assert_enqueued(queue="backups", at=due, count=1)
        self.cloud_tasks.run_all()
        self.cloud_tasks.assert_delivered(json={"table": "orders"}, at=due, count=1)

    def test_a_backup_with_a_name_is_made_once(self):
        name = f"{self.queue}/tasks/orders-of-january"
        self.enqueue("orders", name=name)
        with self.assertRaises(AlreadyExists):
            self.enqueue("orders", name=name)
        self.cloud_tasks.run_all()
        self.assertEqual(self.saved, ["orders"])

    def test_backups_wait_while_the_queue_is_paused(self):
        self.client.pause_queue(name=self.queue)
        self.enqueue("orders")
        self.cloud_tasks.advance(hours=1)
        self.assertEqual(self.saved, [])
        self.client.resume_queue(name=self.queue)
        self.cloud_tasks.run_all()
        self.assertEqual(self.saved, ["orders"])


if __name__ == "__main__":
    unittest.main()
