"""From study to job: a study that became quiet is looked at once, and again whenever something new came."""

from __future__ import annotations

from collections import defaultdict

from hyoid.interfaces.node.config import Rule
from hyoid.interfaces.node.ledger.arrivals import StoredObject
from hyoid.interfaces.node.ledger.jobs import Job
from hyoid.interfaces.node.place import Place
from hyoid.interfaces.node.rules import SeriesFacts, choose_rule, series_facts
from hyoid.io.dicom import headers


def settle(place: Place) -> bool:
    """Give every study that has become quiet its job; True where there was one.

    Parameters
    ----------
    place : Place
        State folder of the node.
    """
    quiet_s = place.config.limits.quiet_s
    if place.clock() - place.began < quiet_s:  # senders that found nobody need time to come again
        return False
    quiet = place.ledger.arrivals.quiet_studies(quiet_s)
    for study, changed in quiet:
        objects = place.ledger.arrivals.objects(study)
        chosen = choose_rule(place.config.rules, _facts(place, objects))
        job, keep_until = None, 0.0
        if chosen is not None:
            rule, series = chosen
            if rule.job == "prior":
                keep_until = place.clock() + rule.keep_hours * 3600
            else:
                job = _job(place, study, rule, series, objects)
        if place.ledger.jobs.settle(study, changed, job, keep_until):
            rule_name = None if chosen is None else chosen[0].name
            place.log.event("study complete", study=study, objects=len(objects), rule=rule_name)
    return bool(quiet)


def _facts(place: Place, objects: list[StoredObject]) -> list[SeriesFacts]:
    """Facts of every series of which a file is left."""
    series: dict[str, list[StoredObject]] = defaultdict(list)
    for item in objects:
        series[item.series].append(item)
    facts = []
    for key, members in series.items():
        path = next((place.spool.path(m.file) for m in members if m.file is not None), None)
        header = None if path is None else headers.parse(path.read_bytes())
        if header is not None:
            facts.append(series_facts(key, header, frozenset(m.source for m in members), len(members)))
    return facts


def _job(place: Place, study: str, rule: Rule, series: tuple[SeriesFacts, ...], objects: list[StoredObject]) -> Job:
    names = tuple(sorted(facts.series for facts in series))
    content = sorted(f"{o.object} {o.digest}" for o in objects if o.series in names)
    return Job(place.pseudonyms.of("job", study, rule.name, *content), study, rule.name, names)
