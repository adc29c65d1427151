"""What the ledger tells people."""

from __future__ import annotations

from hyoid.interfaces.node.ledger.database import Database
from hyoid.interfaces.node.ledger.jobs import JOB_STATES


def summary(database: Database) -> dict[str, object]:
    """Count what is in which state; nothing in it identifies a patient."""
    now = database.clock()
    jobs = {row["state"]: row["n"] for row in database.rows("SELECT state, COUNT(*) n FROM jobs GROUP BY state")}
    studies = database.rows(
        "SELECT CASE state WHEN 'receiving' THEN state WHEN 'settled' THEN CASE WHEN keep_until > ? THEN 'prior' "
        "WHEN EXISTS (SELECT 1 FROM jobs WHERE jobs.study = studies.study) THEN 'with a job' ELSE 'no rule' END "
        "END which, COUNT(*) n FROM studies GROUP BY which",
        (now,),
    )
    waiting = database.rows("SELECT MIN(created) first FROM jobs WHERE state IN ('waiting', 'failed', 'running')")
    deliveries: dict[str, dict[str, int]] = {}
    for row in database.rows("SELECT destination, state, COUNT(*) n FROM deliveries GROUP BY destination, state"):
        deliveries.setdefault(row["destination"], {})[row["state"]] = row["n"]
    troubles = database.rows(
        "SELECT job, rule, state, reason, attempts, changed FROM jobs WHERE state IN ('quarantined', 'failed') "
        "ORDER BY changed DESC LIMIT 100"
    )
    unreached = database.rows(
        "SELECT destination, COUNT(*) objects, MAX(attempts) attempts, MAX(reason) reason FROM deliveries "
        "WHERE attempts > 0 AND state IN ('waiting', 'sending') GROUP BY destination"
    )
    first = waiting[0]["first"]
    return {
        "nodes": len(database.rows("SELECT 1 FROM leases WHERE name LIKE 'node:%' AND until > ?", (now,))),
        "studies": {row["which"]: row["n"] for row in studies},
        "jobs": {state: jobs.get(state, 0) for state in JOB_STATES},
        "oldest_waiting_s": None if first is None else round(now - first, 1),
        "deliveries": deliveries,
        "unreached": [dict(row) for row in unreached],
        "unreadable_objects": database.rows("SELECT COUNT(*) n FROM rejected")[0]["n"],
        "troubles": [
            {
                **{k: row[k] for k in ("job", "rule", "state", "reason", "attempts")},
                "age_s": round(now - row["changed"]),
            }
            for row in troubles
        ],
    }
