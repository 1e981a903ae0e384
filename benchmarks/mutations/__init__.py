"""How many small faults in the code the tests notice: `python -m benchmarks.mutations --help`.

mutmut makes the faults, one at a time, in a copy of the checkout, and the room's tests run on each in a process of its
own. Its own runner is not used: it changes functions through a table of copies, which programs that a test starts do
not see. Functions with a decorator are left out, since mutmut makes no faults in them.
"""
