"""Leases: one owner at a time, until they run out."""


def test_a_lease_has_one_owner_until_it_runs_out(place, clock):
    leases = place.ledger.leases
    assert leases.hold("to:pacs", "a", 10) and leases.hold("to:pacs", "a", 10) and not leases.hold("to:pacs", "b", 10)
    assert leases.is_live("to:pacs") and not leases.is_live("to:other")
    clock.turn(9)
    leases.renew(["to:pacs"], "a", 10)
    clock.turn(9)
    assert not leases.hold("to:pacs", "b", 10)
    clock.turn(1)
    assert leases.hold("to:pacs", "b", 10)
    leases.renew(["to:pacs"], "a", 10)  # what ran out is not renewed
    assert not leases.hold("to:pacs", "a", 10)


def test_a_lease_is_given_back_by_its_owner_alone(place):
    leases = place.ledger.leases
    for name in ("x", "y"):
        leases.hold(name, "a", 10)
    leases.drop("b")
    assert leases.is_live("x")
    leases.drop("a", "x")
    assert not leases.is_live("x") and leases.is_live("y")
    leases.drop("a")
    assert not leases.is_live("y")
