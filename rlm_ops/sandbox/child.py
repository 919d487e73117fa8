"""The script inside the sandbox: it locks its own process down, then runs the code it was given.

It is started by `run.py` as a file, without site-packages, and imports the standard library only. Whatever fails while
it locks itself down ends it before the first line of foreign code, unless the caller allowed less protection.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import struct
import sys
from collections.abc import Callable
from types import CodeType, ModuleType
from typing import Any

_SET_PDEATHSIG, _SET_DUMPABLE, _SET_SECCOMP, _SET_NO_NEW_PRIVS = 1, 4, 22, 38
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # Landlock; the numbers are the same on all machines
_CAPSET = {"x86_64": 126}.get(os.uname().machine, 91)
_SIGKILL = 9
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_WRITE_FILE, _REMOVE_FILE, _MAKE_FILE, _TRUNCATE = 1 << 1, 1 << 5, 1 << 8, 1 << 14
_MORE_THREADS = 256
_MOST_FRAMES = 30  # of a traceback, the innermost


class _Refused(Exception):
    """This system cannot isolate the code; the text says why."""


def main() -> None:
    """Read the request named on the command line, lock down, run."""
    with open(sys.argv[1], encoding="utf-8") as file:
        request: dict[str, Any] = json.load(file)
    os.unlink(sys.argv[1])
    verdict = os.open(request["verdict"], os.O_WRONLY | os.O_APPEND)
    os.unlink(request["verdict"])
    write, nonce = os.write, request["nonce"]  # bound before foreign code can replace them

    def tell(word: str) -> None:
        write(verdict, f"{nonce} {word}\n".encode())

    with open(request["started"], "w", encoding="utf-8") as started:  # closed before foreign code could erase it
        try:
            _lock_down(request)
        except (_Refused, OSError, ValueError) as error:
            if not request["weaker"]:
                started.write(f"refused {error}")
                sys.exit(1)
        started.write("locked")
    os.environ.clear()
    sys.argv[:] = ["program.py"]
    if request["tests"]:
        _run_tests(request, tell)
    else:
        _run_program(request, tell)


def _lock_down(request: dict[str, Any]) -> None:
    _limit(request["limits"])
    if not sys.platform.startswith("linux"):
        raise _Refused(f"{sys.platform} has neither seccomp nor Landlock, which Linux has")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    for option, value in ((_SET_PDEATHSIG, _SIGKILL), (_SET_DUMPABLE, 0), (_SET_NO_NEW_PRIVS, 1)):
        _checked(libc.prctl(option, ctypes.c_ulong(value), *[ctypes.c_ulong(0)] * 3), "prctl")
    if os.getppid() != request["parent"]:
        raise _Refused("the process that asked for this run is gone")
    weaker: list[str] = []
    for step in (_restrict_files, _drop_capabilities, _filter_calls):
        try:
            step(libc, request)
        except _Refused as error:
            weaker.append(str(error))
    if weaker:
        raise _Refused("; ".join(weaker))


def _limit(limits: dict[str, int]) -> None:
    """Resource limits; of processes and threads, the system's present number and some more (0 where unknown)."""
    try:
        with open("/proc/loadavg", encoding="ascii") as file:
            tasks = int(file.read().split()[3].partition("/")[2]) + _MORE_THREADS
    except (OSError, ValueError, IndexError):
        tasks = 0
    wanted = {
        "RLIMIT_CORE": (0, 0),
        "RLIMIT_CPU": (limits["cpu"], limits["cpu"] + 1),
        "RLIMIT_FSIZE": (limits["file"], limits["file"]),
        "RLIMIT_NOFILE": (64, 64),
        "RLIMIT_NPROC": (tasks, tasks),
        "RLIMIT_AS": (limits["memory"], limits["memory"]),
    }
    for name, (soft, hard) in wanted.items():
        if (kind := getattr(resource, name, None)) is None:
            continue
        ceiling = resource.getrlimit(kind)[1]
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)
        try:
            resource.setrlimit(kind, (soft, hard))
        except (OSError, ValueError):
            if sys.platform.startswith("linux"):  # macOS knows RLIMIT_AS and refuses it
                raise


def _restrict_files(libc: ctypes.CDLL, request: dict[str, Any]) -> None:
    """Landlock: read what `readable` names, read and write plain files in the working directory, nothing else."""
    abi = libc.syscall(ctypes.c_long(_CREATE_RULESET), None, ctypes.c_size_t(0), ctypes.c_uint(1))
    if abi < 1:
        raise _Refused("the kernel has no Landlock (Linux 5.13 or newer, named in its `lsm=` list)")
    files = (1 << {1: 13, 2: 14, 3: 15, 4: 15}.get(abi, 16)) - 1
    attributes = struct.pack("<QQQ", files, 3, 3)[: 8 if abi < 4 else 16 if abi < 6 else 24]
    ruleset = libc.syscall(
        ctypes.c_long(_CREATE_RULESET), attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0)
    )
    _checked(ruleset, "landlock_create_ruleset")
    own = _READ_FILE | _READ_DIR | _WRITE_FILE | _REMOVE_FILE | _MAKE_FILE | (_TRUNCATE if abi >= 3 else 0)
    for path, rights in [(".", own), *((path, _READ_FILE | _READ_DIR) for path in request["readable"])]:
        try:
            beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:  # not every system has every directory
            continue
        rule = struct.pack("<Qi", rights if os.path.isdir(path) else rights & _READ_FILE, beneath)
        added = libc.syscall(ctypes.c_long(_ADD_RULE), ctypes.c_int(ruleset), ctypes.c_int(1), rule, ctypes.c_uint(0))
        os.close(beneath)
        _checked(added, "landlock_add_rule")
    _checked(libc.syscall(ctypes.c_long(_RESTRICT_SELF), ctypes.c_int(ruleset), ctypes.c_uint(0)), "Landlock")
    os.close(ruleset)


def _drop_capabilities(libc: ctypes.CDLL, _: dict[str, Any]) -> None:
    """Root gives up what makes it root, above all the right to lift limits."""
    header = struct.pack("<Ii", 0x20080522, 0)
    _checked(libc.syscall(ctypes.c_long(_CAPSET), header, bytes(24)), "capset")


def _filter_calls(libc: ctypes.CDLL, request: dict[str, Any]) -> None:
    """Install the system-call filter, for all threads to come."""
    if request["filter"] is None or struct.calcsize("P") != 8 or sys.byteorder != "little":
        raise _Refused(f"no system-call filter is known for this machine ({os.uname().machine})")
    lines = [(*line[:3], os.getpid() if line[3] == -1 else line[3]) for line in request["filter"]]
    packed = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *line) for line in lines))
    program = ctypes.create_string_buffer(struct.pack("<H6xQ", len(lines), ctypes.addressof(packed)))
    nothing = ctypes.c_ulong(0)
    status = libc.prctl(_SET_SECCOMP, ctypes.c_ulong(2), ctypes.byref(program), nothing, nothing)
    _checked(status, "the system-call filter (seccomp)")


def _checked(status: int, what: str) -> None:
    if status < 0:
        raise _Refused(f"{what} is not available here: {os.strerror(ctypes.get_errno())}")


def _run_program(request: dict[str, Any], tell: Callable[[str], None]) -> None:
    """Run it as `python program.py` would, down to the exit status."""
    source = request["programs"][0]
    try:
        exec(compile(source, "<program>", "exec", dont_inherit=True), _module("__main__"))
    except SystemExit:
        raise
    except BaseException as error:
        _report(error, {"<program>": source}, tell)
        sys.exit(1)


def _run_tests(request: dict[str, Any], tell: Callable[[str], None]) -> None:
    """Run the program, then each test in its namespace; every test that passed is told with the nonce.

    All that is needed afterwards is bound before foreign code runs, and a test counts as passed only by the line that
    is written after it: output, `sys.exit(0)` and `os._exit(0)` prove nothing.
    """
    leave, run, flush = os._exit, exec, (sys.stdout.flush, sys.stderr.flush)
    sources = {f"<test {number}>": test for number, test in enumerate(request["tests"], 1)}
    tests = [compile(source, name, "exec", dont_inherit=True, optimize=0) for name, source in sources.items()]
    space = _module("program")
    try:
        run(compile(request["setup"], "<setup>", "exec", dont_inherit=True), space)
    except BaseException as error:
        tell(f"setup {type(error).__name__}: {error}".replace("\n", " "))
        leave(1)
    status = 0
    try:
        source, code = _first_that_compiles(request["programs"])
        sources["<program>"] = source
        run(code, space)
    except BaseException as error:
        _report(error, sources, tell)
        status = 1
    for number, test in enumerate(tests if not status else []):
        try:
            run(test, space)
        except BaseException as error:
            _report(error, sources, tell)
        else:
            tell(f"passed {number}")
    for each in flush:
        try:
            each()
        except BaseException:  # a closed stream is no business of ours
            continue
    leave(status)


def _first_that_compiles(programs: list[str]) -> tuple[str, CodeType]:
    """Of several readings of one text, the first that is Python; its errors are those of the first reading."""
    for source in programs:
        try:
            return source, compile(source, "<program>", "exec", dont_inherit=True, optimize=0)
        except (SyntaxError, ValueError, OverflowError):
            continue
    return programs[0], compile(programs[0], "<program>", "exec", dont_inherit=True, optimize=0)


def _module(name: str) -> dict[str, Any]:
    """The namespace of a fresh module that pickle, dataclasses and typing can find."""
    module = ModuleType(name)
    module.__dict__["__builtins__"] = __builtins__
    sys.modules[name] = module
    return module.__dict__


def _report(error: BaseException, sources: dict[str, str], tell: Callable[[str], None]) -> None:
    """The traceback on standard error, without this script's own frames."""
    if isinstance(error, MemoryError):
        tell("memory")
    try:
        import linecache
        import traceback

        for name, source in sources.items():
            linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        frames = error.__traceback__
        while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
            frames = frames.tb_next
        text = "".join(traceback.format_exception(type(error), error, frames, limit=-_MOST_FRAMES))
    except BaseException:  # no memory or file handle left to import with, or an exception that cannot be printed
        text = ""
    try:
        os.write(2, (text or f"{type(error).__name__}: {error}\n").encode("utf-8", "backslashreplace"))
    except BaseException:  # standard error is full or closed, or the exception's text raises
        return


if __name__ == "__main__":
    main()
