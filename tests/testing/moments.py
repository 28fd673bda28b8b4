"""A time and a target that tests of the testing kit share."""

import datetime

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
URL = "https://app.example/mail"
