"""API keys: their form, what is stored of them, and how long a change takes to be seen."""

import re

import pytest

from drayman.access import api_keys, key_storage, keys
from drayman.access.bindings import Bindings
from drayman.access.control import Callers
from drayman.core.clock import SECOND
from drayman.core.errors import InvalidArgument, Unavailable

MESSAGE = "API key not valid. Please pass a valid API key."  # recorded from Google's APIs
NOW = 1_700_000_000 * SECOND
ENQUEUER = "roles/cloudtasks.enqueuer"


@pytest.fixture
def table(store, clock):
    return api_keys.ApiKeys(store, clock, Callers(Bindings([])).of_key)


def test_a_key_has_256_random_bits_and_no_two_are_equal():
    texts = {keys.generate("k", "", (), NOW)[1] for _ in range(100)}
    assert len(texts) == 100
    assert all(re.fullmatch(r"drayman_[0-9a-f]{12}_[A-Za-z0-9_-]{43}", text) for text in texts)


def test_the_store_gets_no_secret():
    key, text = keys.generate("k", "", (ENQUEUER,), NOW)
    secret = text.rpartition(f"{key.id}_")[2]
    assert secret.encode() not in keys.encode(key)
    assert key.last_four == secret[-4:]
    assert key.digest not in repr(key)


def test_a_key_is_decoded_as_it_was_encoded():
    key, _ = keys.generate("k", "serviceAccount:web@example.com", (ENQUEUER,), NOW)
    assert keys.decode(keys.encode(key)) == key


def test_a_key_stands_for_a_service_account_of_its_name():
    assert keys.generate("web-1", "", (), NOW)[0].member == (
        "serviceAccount:web-1@keys.drayman.internal"
    )


@pytest.mark.parametrize(
    ("name", "member", "role", "message"),
    [
        ("", "", ENQUEUER, '"" is not the name of a key'),
        ("a b", "", ENQUEUER, '"a b" is not the name of a key'),
        ("k", "user:ann@example.com", ENQUEUER, "is not of the form serviceAccount:EMAIL"),
        ("k", "", "roles/none", '"roles/none" is not a role; allowed: roles/owner, '),
    ],
)
def test_a_wrong_key_is_refused(name, member, role, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        keys.generate(name, member, (role,), NOW)


async def test_a_key_is_found_with_its_roles(table, store, save_key):
    _, text = await save_key(store, "web", ENQUEUER)
    caller = await table.find(text)
    assert "serviceAccount:web@keys.drayman.internal" in caller.members
    assert caller.permissions == {"cloudtasks.tasks.create", "cloudtasks.tasks.fullView"}


async def test_every_other_text_is_refused_alike(table, store, save_key):
    _, text = await save_key(store, "web")
    other = keys.generate("web", "", (), NOW)[1].encode()
    wrong = [text[:-1], text + b"x", text[:-1] + b"!", b"", b"\xff", other, text[:20] + other[20:],
             text[:20] + b"-" + text[21:]]  # fmt: skip
    for each in wrong:
        with pytest.raises(InvalidArgument) as caught:
            await table.find(each)
        assert caught.value.message == MESSAGE
        info, localized = caught.value.details
        assert (info.reason, info.domain) == ("API_KEY_INVALID", "googleapis.com")
        assert info.metadata == {"service": "cloudtasks.googleapis.com"}
        assert (localized.locale, localized.message) == ("en-US", MESSAGE)


async def test_a_revoked_key_works_for_less_than_a_second_more(
    table, store, clock, save_key, revoke_key
):
    key, text = await save_key(store, "web")
    await table.find(text)
    await revoke_key(store, key)
    clock.advance(SECOND - 1)
    await table.find(text)
    clock.advance(1)
    with pytest.raises(InvalidArgument, match=MESSAGE):
        await table.find(text)


async def test_a_new_key_works_within_a_second(table, store, clock, save_key):
    await save_key(store, "first")
    with pytest.raises(InvalidArgument):
        await table.find(b"none")
    _, text = await save_key(store, "second")
    clock.advance(SECOND)
    await table.find(text)


async def test_no_key_works_while_the_store_cannot_be_read(table, store, clock, save_key):
    _, text = await save_key(store, "web")
    await table.find(text)
    clock.advance(SECOND)
    await store.close()
    with pytest.raises(Unavailable):
        await table.find(text)


async def test_a_clock_that_is_set_back_does_not_keep_a_revoked_key(
    table, store, clock, save_key, revoke_key
):
    key, text = await save_key(store, "web")
    clock.advance(3600 * SECOND)
    await table.find(text)
    await revoke_key(store, key)
    clock.advance(-1800 * SECOND)
    with pytest.raises(InvalidArgument):
        await table.find(text)


async def test_as_many_keys_as_a_store_may_have_are_all_found(table, store, save_key):
    texts = [(await save_key(store, f"k{number}"))[1] for number in range(key_storage.MAX_KEYS)]
    for text in (texts[0], texts[-1]):
        await table.find(text)
