"""The rotation rules, at their boundaries."""

import pytest

from drayman.core.clock import DAY
from drayman.signing import rotation
from drayman.signing.keys import SigningKey

NOW = 1_000 * DAY


def key(age, id_="k", *, provided=False):
    return SigningKey(id_, NOW - age, b"", provided)


@pytest.mark.parametrize(
    ("age", "may_sign", "published"),
    [
        (0, True, True),
        (90 * DAY - 1, True, True),
        (90 * DAY, False, True),
        (91 * DAY - 1, False, True),
        (91 * DAY, False, False),
    ],
)
@pytest.mark.parametrize("provided", [False, True])
def test_a_key_signs_for_90_days_and_is_published_for_91(age, may_sign, published, provided):
    each = key(age, provided=provided)
    assert rotation.may_sign(each, NOW) is may_sign
    assert rotation.published([each], NOW) == ([each] if published else [])
    assert (rotation.expire_time(each) > NOW) is published


@pytest.mark.parametrize(
    ("saved", "chosen"),
    [
        ([], None),
        ([key(0, "a")], "a"),
        ([key(2, "old"), key(1, "new")], "new"),
        ([key(1, "new"), key(2, "old")], "new"),
        ([key(1, "a"), key(1, "b")], "b"),
        ([key(90 * DAY, "expired")], None),
        ([key(90 * DAY, "expired"), key(90 * DAY - 1, "last day")], "last day"),
        ([key(0, "theirs", provided=True)], None),
        ([key(0, "theirs", provided=True), key(5, "own")], "own"),
    ],
)
def test_the_newest_generated_key_that_may_sign_is_chosen(saved, chosen):
    key_ = rotation.choose(saved, NOW)
    assert (key_ and key_.id) == chosen


def test_published_keys_keep_their_order():
    saved = [key(91 * DAY, "gone"), key(2, "b"), key(1, "a", provided=True)]
    assert [each.id for each in rotation.published(saved, NOW)] == ["b", "a"]
