"""Who may have how many places for thinking."""

from services.autoreply.places import Places


def test_a_bot_that_hangs_leaves_its_tenants_other_bots_their_places() -> None:
    places = Places(at_once=10, per_tenant=6, per_bot=2)
    for _ in range(2):
        places.take("t", "hangs")
    assert (places.busy_bots(), places.busy_tenants(), places.full()) == (["hangs"], [], False)


def test_a_tenant_whose_bots_all_hang_leaves_other_tenants_theirs() -> None:
    places = Places(at_once=10, per_tenant=6, per_bot=2)
    for bot_id in ("a", "b", "c"):
        places.take("t", bot_id)
        places.take("t", bot_id)
    assert (places.busy_tenants(), places.full()) == (["t"], False)
    places.take("u", "d")
    assert places.busy_tenants() == ["t"]


def test_places_are_given_back() -> None:
    places = Places(at_once=2, per_tenant=1, per_bot=1)
    places.take("t", "a")
    places.take("u", "b")
    assert places.full()
    places.leave("t", "a")
    assert (places.busy_tenants(), places.busy_bots(), places.full()) == (["u"], ["b"], False)
