"""What a store keeps of clients, on every engine, and how servers see it change."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from ror.access import Perimeter
from ror.errors import UsageError
from ror.identity import Act, Action, Client, Kind, Rate, State
from ror.identity.registry import Registry
from ror.identity.tokens import new_signing_key
from ror.store.contract import Store
from tests.store.conftest import draft

WHOLE = Client(
    id="sas",
    name="Plateforme d'accès aux soins",
    profile=3,
    subject="CN=SAS,O=Santé,C=FR",
    perimeter=Perimeter(frozenset({"53", "11"}), frozenset({"04"})),
    user_profiles=frozenset({"CU19", "CU21"}),
    roles=frozenset({"AUTOMATE"}),
    rate=Rate(600, 100),
)
SUPPLIER = Client(
    id="lits",
    name="Lits",
    kind=Kind.SUPPLIER,
    subject="CN=LITS",
    establishments=frozenset({"750000001"}),
)
PUBLIC = Client(id="public", name="Santé pour tous", profile=0, secret="scrypt$…")


def act(client_id: str, action: Action = Action.ADD, reason: str = "") -> Act:
    return Act(client_id, action, 1_780_000_000_000_000, "alice", reason, {"détail": ["x"]})


def keep(store: Store, client: Client, action: Action = Action.ADD) -> Client:
    return store.clients.change(act(client.id, action), lambda present: client)


@pytest.mark.parametrize("client", [WHOLE, SUPPLIER, PUBLIC], ids=lambda client: client.id)
def test_a_client_is_stored_with_every_field(
    store: Store, open_again: Callable[[], Store], client: Client
) -> None:
    kept = keep(store, client)

    assert kept == replace(client, number=kept.number)
    assert kept.number > 0
    assert open_again().clients.all() == [kept]


def test_the_acts_on_a_client_are_listed_in_order(store: Store) -> None:
    keep(store, WHOLE)
    keep(store, PUBLIC)
    keep(store, WHOLE, Action.SUSPEND)

    assert store.clients.acts("sas") == [act("sas"), act("sas", Action.SUSPEND)]
    assert store.clients.acts("nobody") == []


def test_a_client_keeps_its_number_whatever_is_done(store: Store) -> None:
    first = keep(store, WHOLE)
    second = keep(store, PUBLIC)
    again = keep(store, replace(WHOLE, state=State.REVOKED), Action.REVOKE)

    assert again.number == first.number != second.number
    assert [client.id for client in store.clients.all()] == ["sas", "public"]


def test_a_change_that_is_refused_leaves_nothing(store: Store) -> None:
    keep(store, WHOLE)
    before = store.clients.last_act()

    def refuse(present: Client | None) -> Client:
        raise UsageError("clients.unknown", id="sas")

    with pytest.raises(UsageError):
        store.clients.change(act("sas", Action.SUSPEND), refuse)

    assert store.clients.last_act() == before
    assert store.clients.all()[0].state is State.ACTIVE


def test_changes_made_at_once_by_two_processes_both_stand(
    store: Store, open_again: Callable[[], Store]
) -> None:
    keep(store, SUPPLIER)
    stores = [store, open_again()]

    def grant(of: Store, code: str) -> None:
        def change(present: Client | None) -> Client:
            assert present is not None
            return replace(present, establishments=present.establishments | {code})

        of.clients.change(act("lits", Action.GRANT_ESTABLISHMENTS), change)

    codes = [f"75000{number:04}" for number in range(10, 50)]
    threads = [
        threading.Thread(target=grant, args=(stores[number % 2], code))
        for number, code in enumerate(codes)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert store.clients.all()[0].establishments == {"750000001", *codes}


# --- the registry ---------------------------------------------------------------------------------


def test_the_registry_sees_what_another_process_has_just_done(
    store: Store, open_again: Callable[[], Store]
) -> None:
    registry = Registry(open_again())
    assert registry.current().clients == {}

    kept = keep(store, WHOLE)
    assert registry.current().clients == {"sas": kept}

    keep(store, replace(WHOLE, state=State.SUSPENDED), Action.SUSPEND)
    assert registry.current().clients["sas"].state is State.SUSPENDED


def test_the_registry_reads_clients_again_only_when_something_was_done_to_one(store: Store) -> None:
    keep(store, WHOLE)
    registry = Registry(store)
    before = registry.current()

    store.put([draft("eg-1")], "import")
    assert registry.current() is before

    keep(store, PUBLIC)
    assert set(registry.current().clients) == {"sas", "public"}


# --- keys -----------------------------------------------------------------------------------------


def test_keys_succeed_each_other(store: Store, open_again: Callable[[], Store]) -> None:
    registry, first, second = Registry(open_again()), new_signing_key(1_000), new_signing_key(2_000)
    assert registry.current().keys == ()

    assert store.keys.succeed(first, None)
    assert store.keys.succeed(second, first.kid)

    assert store.keys.all() == [first, second]
    assert registry.current().keys == (first, second)


def test_of_two_processes_that_change_keys_at_once_one_does(
    store: Store, open_again: Callable[[], Store]
) -> None:
    first, second, third = (new_signing_key(now) for now in range(3))
    store.keys.succeed(first, None)

    done = [store.keys.succeed(second, first.kid), open_again().keys.succeed(third, first.kid)]

    assert done == [True, False]
    assert store.keys.all() == [first, second]


def test_a_key_is_forgotten_with_the_change_that_says_so(store: Store) -> None:
    first, second = new_signing_key(0), new_signing_key(1)
    store.keys.succeed(first, None)

    store.keys.succeed(second, first.kid, [first.kid])

    assert store.keys.all() == [second]
