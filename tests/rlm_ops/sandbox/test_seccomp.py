from __future__ import annotations

import struct

import pytest

from reflectree.rlm_ops.sandbox import seccomp

ALLOW, KILL, DENY, ABSENT = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026
X86_64, AARCH64 = 0xC000003E, 0xC00000B7
PID = 4242


def verdict(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """What the filter answers: an interpreter of the five instructions it is made of."""
    lines = seccomp.program(machine)
    assert lines is not None
    known = X86_64 if machine == "x86_64" else AARCH64
    data = struct.pack("<iIQ6Q", number, architecture or known, 0, *arguments, *[0] * (6 - len(arguments)))
    at = accumulator = 0
    while True:
        code, true, false, constant = lines[at]
        constant = PID if constant == seccomp.OWN_PID else constant
        at += 1
        if code == 0x06:
            return constant
        if code == 0x20:
            accumulator = struct.unpack_from("<I", data, constant)[0]
        elif code == 0x54:
            accumulator &= constant
        else:
            holds = accumulator == constant if code == 0x15 else accumulator >= constant
            at += true if holds else false


# numbers from the kernel's own tables: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h
BOTH = pytest.mark.parametrize(
    ("machine", "call"),
    [
        ("x86_64", {"open": 257, "clone": 56, "fcntl": 72, "prlimit": 302, "kill": 62, "tgkill": 234, "write": 1}),
        ("aarch64", {"open": 56, "clone": 220, "fcntl": 25, "prlimit": 261, "kill": 129, "tgkill": 131, "write": 64}),
    ],
)


@BOTH
def test_arguments_decide(machine: str, call: dict[str, int]) -> None:
    assert verdict(machine, call["write"], 1, 2, 3) == ALLOW
    assert verdict(machine, call["open"], 0, 0, 0o2000000) == ALLOW  # read
    assert verdict(machine, call["open"], 0, 0, 0o1101) == ALLOW  # write, create, truncate
    assert verdict(machine, call["open"], 0, 0, 0o1000) == DENY  # read and truncate
    assert verdict(machine, call["clone"], 0x3D0F00) == ALLOW  # a thread of glibc
    assert verdict(machine, call["clone"], 0x01200011) == DENY  # fork
    assert verdict(machine, call["clone"], 0x3D0F00 | 0x10000000) == DENY  # a new user namespace
    assert verdict(machine, call["fcntl"], 0, 3) == ALLOW
    assert verdict(machine, call["fcntl"], 0, 8) == DENY  # F_SETOWN
    assert verdict(machine, call["prlimit"], 0, 0, 0, 99) == ALLOW  # asks
    assert verdict(machine, call["prlimit"], 0, 0, 1 << 40) == DENY  # sets
    assert verdict(machine, call["prlimit"], 0, 0, 1 << 8) == DENY
    assert verdict(machine, call["kill"], PID, 6) == ALLOW
    assert verdict(machine, call["kill"], 0xFFFFFFFF, 9) == DENY
    assert verdict(machine, call["tgkill"], PID + 1, 1, 9) == DENY


@BOTH
def test_what_is_not_named_is_denied(machine: str, call: dict[str, int]) -> None:
    answers = {number: verdict(machine, number) for number in range(600)}
    assert set(answers.values()) == {ALLOW, DENY, ABSENT}
    assert all(answers[number] == ABSENT for number in range(424, 600))  # clone3, io_uring, pidfd and newer
    denied = {
        "x86_64": [*range(41, 56), *(57, 58, 59, 101, 165, 250, 272, 308, 310, 321, 322), *(29, 90, 92, 83, 85, 88)],
        "aarch64": [*range(198, 214), *(221, 117, 40, 97, 268, 270, 280, 281, 219), *(33, 34, 36, 37, 52, 53, 54, 45)],
    }
    assert all(answers[number] == DENY for number in denied[machine])
    assert verdict(machine, call["write"], architecture=0x40000003) == KILL
    assert verdict(machine, 0x40000001) == ABSENT  # x32


def test_it_fits_into_the_kernel() -> None:
    for machine in ("x86_64", "aarch64", "arm64"):
        lines = seccomp.program(machine)
        assert lines is not None
        assert len(lines) <= 4096
        assert all(0 <= jump <= 255 for line in lines for jump in line[1:3])
    assert seccomp.program("riscv64") is None
