"""Django: views enqueue tasks, and get them through the whole stack of the application."""

import json

import django
import pytest
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from google.api_core.exceptions import AlreadyExists

from drayman import tasks

QUEUE = "projects/shop/locations/here/queues/invoices"
printed = []


@csrf_exempt
def order(request, number):
    """Take an order, and have its invoice printed in some days; once, however often it comes."""
    task = tasks.http_task(
        "https://shop.example/invoices",
        name=f"{QUEUE}/tasks/invoice-{number}",
        json={"order": number},
        delay=int(request.GET.get("days", 0)) * 86_400,
    )
    try:
        with tasks.CloudTasksClient() as client:
            client.create_task(parent=QUEUE, task=task)
    except AlreadyExists:
        return HttpResponse(status=409)
    return HttpResponse(status=202)


@csrf_exempt
def invoice(request):
    """Print an invoice: what the queue calls."""
    printed.append(json.loads(request.body)["order"])
    return HttpResponse()


urlpatterns = [path("orders/<int:number>", order), path("invoices", invoice)]
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["shop.example", "testserver"])
django.setup()


@pytest.fixture(autouse=True)
def queue(cloud_tasks):
    printed.clear()
    cloud_tasks.deliver_to(get_wsgi_application(), "https://shop.example/*")
    return cloud_tasks.queue(QUEUE, max_attempts=10)


def test_an_invoice_is_retried_until_it_is_printed(cloud_tasks):
    cloud_tasks.respond("https://shop.example/*", [500, 503])  # and then the application
    assert Client().post("/orders/7").status_code == 202
    cloud_tasks.run_all()
    assert printed == [7]
    assert [delivery.status for delivery in cloud_tasks.deliveries] == [500, 503, 200]


def test_an_invoice_is_printed_after_29_days(cloud_tasks):
    Client().post("/orders/7?days=29")
    cloud_tasks.advance(days=28)
    assert printed == []
    cloud_tasks.advance(days=1)
    assert printed == [7]


def test_an_order_that_comes_twice_has_one_invoice(cloud_tasks):
    assert Client().post("/orders/7").status_code == 202
    assert Client().post("/orders/7").status_code == 409
    cloud_tasks.run_all()
    assert printed == [7]


def test_invoices_wait_while_the_queue_is_paused(cloud_tasks, queue):
    client = cloud_tasks.client()
    client.pause_queue(name=queue)
    Client().post("/orders/7")
    assert cloud_tasks.run_all() == 0
    cloud_tasks.assert_enqueued(queue="invoices", json={"order": 7}, count=1)
    client.resume_queue(name=queue)
    assert cloud_tasks.run_all() == 1
    assert printed == [7]
