"""Run Python code that a model wrote, so that it can harm nothing and read nothing.

Each run is a fresh interpreter in a process of its own, with an empty environment, no file descriptor but its own
standard streams, resource limits, no privileges, a system-call filter (seccomp: no network, no other process, no
signal to another) and Landlock (it reads the standard library and its own working directory, which is deleted
afterwards). Where the kernel lacks one of these, a run is refused unless `Limits(allow_weaker=True)` was asked for.

What it does not promise: a run may learn which paths exist and their sizes, uses the processor up to its limit, and is
as safe as the kernel's own bugs allow. Sub-directories, links, `chmod`, `asyncio` and `multiprocessing` do not work in
it, for they need calls that are denied; threads do.

Of tests: a program shares its process with the tests that judge it. Printing, leaving early and replacing functions
prove nothing, for a test passed only if a random word was written after it. Code that walks the interpreter's frames or
objects to find that word, or that returns objects equal to everything, can still claim success. Keep such a program's
score for what it is: a measure of honest attempts.
"""

from __future__ import annotations

from reflectree.rlm_ops.sandbox.limits import Limits, Outcome, Reason
from reflectree.rlm_ops.sandbox.run import arun_python, available, run_python, run_tests

__all__ = ["Limits", "Outcome", "Reason", "arun_python", "available", "run_python", "run_tests"]
