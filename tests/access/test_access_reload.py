"""A new access file: the roles of callers change at once, and what is not concerned stays."""

import pytest
from callers import LOCATION, create_key, over_http, with_key
from issuer_server import AUDIENCE

from drayman.access import issuers
from drayman.access.bindings import Bindings
from drayman.access.claims import Issuer
from drayman.access.control import Callers
from drayman.access.tokens import TokenVerifier
from drayman.core.errors import Unauthenticated
from drayman.core.events import Reloaded, ReloadFailed
from drayman.core.status import Code
from live import LiveServer

METHOD = "google.cloud.tasks.v2.CloudTasks.GetQueue"
VIEWERS = "bindings: [{role: roles/cloudtasks.viewer, members: ['serviceAccount:s@example.com']}]"


def test_roles_of_callers_change_with_the_access_file(tmp_path):
    path = tmp_path / "access.yaml"
    path.write_text("bindings: []")
    live = LiveServer(access_file=str(path), auth="keys")
    key = create_key(live, "viewer", member="serviceAccount:s@example.com")

    def code():
        return over_http(live, "GET", f"/v2/{LOCATION}/queues", with_key(key)).code

    assert code() is Code.PERMISSION_DENIED
    path.write_text(VIEWERS)
    assert live.run(live.server.reload())
    assert live.next_event(Reloaded).subject == "0 queues, access file"
    assert code() is Code.OK
    path.write_text("bindings: 7")
    assert not live.run(live.server.reload())
    problems = live.next_event(ReloadFailed).problems
    assert problems == [f'--access-file: {path}: "bindings" must be a list']
    assert code() is Code.OK
    live.stop()


@pytest.fixture
def verifier_of(store, clock):
    def verifier_of(*trusted):
        key_sets = issuers.trust(trusted, store, clock, lambda *_: None)
        return TokenVerifier(key_sets, clock, Callers(Bindings([])).of_members)

    return verifier_of


async def test_keys_of_an_issuer_that_stays_are_not_fetched_again(verifier_of, issuer, clock):
    same = Issuer(issuer.url, frozenset({AUDIENCE}))
    other = Issuer("https://gone.example", frozenset({AUDIENCE}))
    before, after = verifier_of(same, other), verifier_of(same)
    token = b"Bearer " + issuer.token(clock.now()).encode()
    await before.verify(token, METHOD)
    issuer.content = b"no keys"  # what a fetch would get now
    after.take_keys(before)
    assert "user:ann@example.com" in (await after.verify(token, METHOD)).members


async def test_an_issuer_that_has_gone_is_trusted_no_more(verifier_of, issuer, clock):
    before, after = verifier_of(Issuer(issuer.url, frozenset({AUDIENCE}))), verifier_of()
    token = b"Bearer " + issuer.token(clock.now()).encode()
    await before.verify(token, METHOD)
    after.take_keys(before)
    with pytest.raises(Unauthenticated):
        await after.verify(token, METHOD)
