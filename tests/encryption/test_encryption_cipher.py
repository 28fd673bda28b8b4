"""The task cipher: what is sealed, what stays readable, and what is refused."""

import pytest

from drayman.core.errors import FailedPrecondition
from drayman.core.task import Task
from drayman.encryption import envelope
from drayman.encryption.cipher import TaskCipher
from drayman.tasks_v2 import types

KEY = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
SECRET = b"the secret of the body"
NOT_AVAILABLE = f"The key {KEY} is not available; it must be in the file given by --key-file."
OTHER_MATERIAL = f"It was encrypted with other material than that of the key {KEY}."
Message = types.Task.pb()


def http(**fields):
    return Message(http_request={"url": "http://a.example/", **fields})


def app_engine(**fields):
    return Message(app_engine_http_request={"relative_uri": "/x", **fields})


REQUESTS = {
    "http": http(body=SECRET, headers={"X-Secret": "of the header"}),
    "http without body": http(headers={"X-Secret": "of the header"}),
    "http with nothing secret": http(),
    "app engine": app_engine(body=SECRET, headers={"X-Secret": "of the header"}),
    "with other fields": Message(
        http_request={"url": "http://a.example/", "body": SECRET},
        dispatch_deadline={"seconds": 20},
        retry_config={"max_attempts": 3},
    ),
}


@pytest.fixture(params=[16, 24, 32])
def cipher(request):
    return TaskCipher({KEY: bytes(range(request.param))})


@pytest.mark.parametrize("message", REQUESTS.values(), ids=REQUESTS)
def test_a_sealed_request_opens_to_the_same(cipher, message):
    sealed = cipher.seal(KEY, message.SerializeToString())
    assert Message.FromString(cipher.open(sealed)) == message


@pytest.mark.parametrize("message", REQUESTS.values(), ids=REQUESTS)
def test_body_and_headers_are_sealed_and_the_rest_is_readable(cipher, message):
    sealed = cipher.seal(KEY, message.SerializeToString())
    assert SECRET not in sealed
    assert b"X-Secret" not in sealed
    assert b"of the header" not in sealed
    expected = Message.FromString(message.SerializeToString())
    request = getattr(expected, message.WhichOneof("message_type"))
    request.ClearField("body")
    request.ClearField("headers")
    assert Message.FromString(envelope.open_part(sealed)) == expected


def test_the_same_request_is_never_sealed_the_same(cipher):
    request = http(body=SECRET).SerializeToString()
    assert cipher.seal(KEY, request) != cipher.seal(KEY, request)


def test_a_request_that_is_not_sealed_is_opened_as_it_is(cipher):
    request = http(body=SECRET).SerializeToString()
    assert cipher.open(request) is request
    task = Task("n", 0, 0, request)
    assert cipher.open_task(task) is task


def test_a_sealed_task_is_opened_with_all_else_as_it_was(cipher):
    request = http(body=SECRET).SerializeToString()
    sealed = Task("n", 1, 2, cipher.seal(KEY, request), dispatch_count=3)
    opened = cipher.open_task(sealed)
    assert opened._replace(request=sealed.request) == sealed
    assert Message.FromString(opened.request) == http(body=SECRET)


def test_a_changed_byte_anywhere_behind_the_name_is_noticed():
    cipher = TaskCipher({KEY: bytes(32)})
    sealed = cipher.seal(KEY, app_engine(body=b"x").SerializeToString())
    for index in range(3 + len(KEY), len(sealed)):
        changed = bytearray(sealed)
        changed[index] ^= 1
        with pytest.raises(FailedPrecondition, match="other material"):
            cipher.open(bytes(changed))


def test_the_parts_of_two_tasks_cannot_be_exchanged(cipher):
    first = envelope.decode(cipher.seal(KEY, http(body=SECRET).SerializeToString()))
    second = envelope.decode(cipher.seal(KEY, app_engine(body=SECRET).SerializeToString()))
    with pytest.raises(FailedPrecondition, match="other material"):
        cipher.open(envelope.encode(first._replace(open_part=second.open_part)))


def test_two_keys_of_the_same_material_cannot_be_exchanged():
    cipher = TaskCipher({KEY: bytes(32), "other": bytes(32)})
    sealed = envelope.decode(cipher.seal(KEY, http(body=SECRET).SerializeToString()))
    with pytest.raises(FailedPrecondition, match="other material"):
        cipher.open(envelope.encode(sealed._replace(kms_key="other")))


@pytest.mark.parametrize(
    ("material", "reason"),
    [({}, NOT_AVAILABLE), ({KEY: bytes(16)}, OTHER_MATERIAL), ({KEY: bytes(32)}, OTHER_MATERIAL)],
)
def test_without_the_right_key_a_request_is_not_opened(material, reason):
    sealed = TaskCipher({KEY: bytes(range(32))}).seal(KEY, http(body=SECRET).SerializeToString())
    with pytest.raises(FailedPrecondition) as caught:
        TaskCipher(material).open(sealed)
    assert caught.value.message == reason


@pytest.mark.parametrize("use", ["seal", "check"])
def test_a_key_that_the_server_does_not_have_is_refused(cipher, use):
    arguments = {"seal": ("other", b""), "check": ("other",)}[use]
    with pytest.raises(FailedPrecondition, match=r"The key other is not available; it must be in"):
        getattr(cipher, use)(*arguments)
    cipher.check(KEY)
