"""From results to destinations: entered before and after, so that a kill leaves a question and no second object."""

from __future__ import annotations

from pathlib import Path

from hyoid.interfaces.node.destinations import WHOLE_RUN, PeerDownError, PeerRefusedError, open_peer
from hyoid.interfaces.node.ledger.outbox import Delivery
from hyoid.interfaces.node.place import Place


def send(place: Place, name: str) -> bool:
    """Send what is due at one destination; True where something was.

    Parameters
    ----------
    place : Place
        State folder of the node.
    name : str
        Name of the destination.
    """
    due = place.ledger.outbox.due(name)
    if not due or not place.ledger.leases.hold(f"to:{name}", place.owner, place.config.limits.lease_s):
        return False
    try:
        with place.keeping(f"to:{name}"):
            _send_due(place, name)
    finally:
        place.ledger.leases.drop(place.owner, f"to:{name}")
    return True


def _send_due(place: Place, name: str) -> None:
    due = place.ledger.outbox.due(name)  # another node may have sent it before the lease was ours
    there: list[Delivery] = []
    for item in due:
        if _file(place, item).exists():
            there.append(item)
        else:
            place.ledger.outbox.refuse_delivery(item, "The results were deleted before they were sent.")
    began: set[Delivery] = {item for item in there if item.in_doubt}
    left = list(there)
    try:
        with open_peer(place.config.destinations[name], [_file(place, item) for item in there]) as peer:
            while left:
                item = left[0]
                if not (item.in_doubt and peer.holds(_file(place, item))):
                    place.ledger.outbox.begin_sending(item)
                    began.add(item)
                    try:
                        peer.send(_file(place, item))
                    except PeerRefusedError as refusal:
                        _refused(place, item, refusal.problem)
                        left.pop(0)
                        continue
                place.log.audit("sent", destination=name, object=item.object, job=item.job)
                place.ledger.outbox.delivered(item)
                left.pop(0)
    except PeerDownError as error:
        for item in left:
            doubtful = item.in_doubt or (error.in_doubt and item in began)
            place.ledger.outbox.deliver_later(item, error.problem, place.later(item.attempts), in_doubt=doubtful)
        place.log.event("destination down", destination=name, waiting=len(left), reason=error.problem)


def _refused(place: Place, item: Delivery, reason: str) -> None:
    if item.attempts + 1 >= place.config.limits.attempts:
        place.ledger.outbox.refuse_delivery(item, reason)
    else:
        place.ledger.outbox.deliver_later(item, reason, place.later(item.attempts), in_doubt=False)
    place.log.event("object refused", destination=item.destination, job=item.job, reason=reason)


def _file(place: Place, item: Delivery) -> Path:
    return place.results(item.job) / item.file if item.file != WHOLE_RUN else place.results(item.job)
