from types import SimpleNamespace

from hyoid.interfaces.web.readers import Readers


def request(name=None, method="POST"):
    return SimpleNamespace(headers={} if name is None else {"X-Remote-User": name}, method=method)


def test_without_a_proxy_readers_have_no_names_and_may_change_everything():
    readers = Readers()
    assert readers.who(request("R. Eader")) == ""
    assert readers.refusal(request()) is None
    assert readers.may_change("")


def test_a_proxy_names_readers_and_viewers_may_look():
    readers = Readers("X-Remote-User", ("V. Iewer",))
    assert readers.who(request("R. Eader\x1b[2J")) == readers.who(request("R. Eader\x1b[2J")).strip()
    assert "\x1b" not in readers.who(request("R. Eader\x1b[2J"))
    assert readers.refusal(request("R. Eader")) is None
    assert readers.refusal(request("V. Iewer", "GET")) is None
    assert "change nothing" in readers.refusal(request("V. Iewer"))[0]
    assert "did not say who asks" in readers.refusal(request())[0]
    assert not readers.may_change("")
