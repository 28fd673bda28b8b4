"""Direct tests of the messages: no server, no store, no transport."""

import pytest

from drayman.core.errors import InvalidArgument


@pytest.fixture
def refused():
    """Check that a call raises InvalidArgument and, if one is given, with exactly this message."""

    def check(message, call, *args):
        with pytest.raises(InvalidArgument) as caught:
            call(*args)
        if message is not None:
            assert caught.value.message == message
        return caught.value

    return check
