"""The ledger of the node: what was received, waits, runs, is being sent, was sent, failed, needs a person.

One SQLite file, which several nodes of one machine may share. Every change of state is one transaction; work is claimed
under a lease, and only its holder may finish it. A kill between two transactions leaves the earlier state, from which
any node goes on. Studies, objects and patients are pseudonyms.
"""
