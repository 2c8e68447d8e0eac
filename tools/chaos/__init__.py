"""Faults on purpose: what `make chaos` and the fault rows of the acceptance tests are made of.

    storage_proxy  before the table service: delays, lost replies, refusals, cut connections, counted
    points         `--services tools.chaos.points:services`: a host that dies, stops or sleeps at a named point
    clock          a host whose clock the starter moves while it runs
    arming         which point of which process, and the record of what was really hit
    volley         many requests at once
    population     many people in the store, without a sign-in each
    invariants     what must hold after every fault

The matrix itself is made of tests that report their cases (`tests/chaos_cases.py`); `make chaos` runs them whole.
Nothing of the application knows of these: `points` wraps the collaborators that the composition root has built.
"""
