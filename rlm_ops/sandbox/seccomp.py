"""The system-call filter of the sandbox, as classic BPF: what code under test may ask of the kernel.

An allow list: a call that is not named fails with EPERM, one newer than the list with ENOSYS, so that libraries fall
back. There is no socket, no new process or program, no signal to another process, no change of owner, mode or limits,
no shared memory that outlives the process. Which files may be opened is not decided here: that is Landlock's business,
except that a file opened for reading cannot be emptied. This module builds instructions; it installs nothing.
"""

from __future__ import annotations

import errno

Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, constant: `struct sock_filter`."""

OWN_PID = -1
"""Stands for the process's own id, which is known only in the child."""

_X86_64 = {
    "read": 0, "write": 1, "close": 3, "fstat": 5, "lseek": 8, "mmap": 9, "mprotect": 10, "munmap": 11, "brk": 12,
    "futex": 202, "madvise": 28, "mremap": 25, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15,
    "newfstatat": 262, "stat": 4, "lstat": 6, "poll": 7, "ppoll": 271, "select": 23, "pselect6": 270, "pread64": 17,
    "pwrite64": 18, "readv": 19, "writev": 20, "preadv": 295, "pwritev": 296, "access": 21, "faccessat": 269,
    "readlink": 89, "readlinkat": 267, "getcwd": 79, "chdir": 80, "getdents": 78, "getdents64": 217, "dup": 32,
    "dup2": 33, "dup3": 292, "pipe": 22, "pipe2": 293, "fsync": 74, "fdatasync": 75, "ftruncate": 77,
    "fallocate": 285, "fadvise64": 221, "flock": 73, "sendfile": 40, "copy_file_range": 326, "statfs": 137,
    "fstatfs": 138, "statx": 332, "unlink": 87, "unlinkat": 263, "rename": 82, "renameat": 264, "renameat2": 316,
    "umask": 95, "getpid": 39, "getppid": 110, "gettid": 186, "getuid": 102, "geteuid": 107, "getgid": 104,
    "getegid": 108, "getgroups": 115, "getpgrp": 111, "getpgid": 121, "getsid": 124, "getrlimit": 97,
    "getrusage": 98, "sysinfo": 99, "times": 100, "uname": 63, "gettimeofday": 96, "time": 201, "clock_gettime": 228,
    "clock_getres": 229, "clock_nanosleep": 230, "nanosleep": 35, "getitimer": 36, "setitimer": 38, "alarm": 37,
    "pause": 34, "restart_syscall": 219, "sched_yield": 24, "sched_getaffinity": 204, "getcpu": 309,
    "getrandom": 318, "sigaltstack": 131, "rt_sigpending": 127, "rt_sigtimedwait": 128, "rt_sigsuspend": 130,
    "set_robust_list": 273, "set_tid_address": 218, "rseq": 334, "eventfd2": 290,
    "epoll_create": 213, "epoll_create1": 291, "epoll_ctl": 233, "epoll_wait": 232, "epoll_pwait": 281, "wait4": 61,
    "exit": 60, "exit_group": 231, "open": 2, "openat": 257, "ioctl": 16, "fcntl": 72, "clone": 56,
    "kill": 62, "tgkill": 234, "prctl": 157, "prlimit64": 302,
}  # fmt: skip
_AARCH64 = {
    "read": 63, "write": 64, "close": 57, "fstat": 80, "lseek": 62, "mmap": 222, "mprotect": 226, "munmap": 215,
    "brk": 214, "futex": 98, "madvise": 233, "mremap": 216, "rt_sigaction": 134, "rt_sigprocmask": 135,
    "rt_sigreturn": 139, "newfstatat": 79, "ppoll": 73, "pselect6": 72, "pread64": 67, "pwrite64": 68, "readv": 65,
    "writev": 66, "preadv": 69, "pwritev": 70, "faccessat": 48, "readlinkat": 78, "getcwd": 17, "chdir": 49,
    "getdents64": 61, "dup": 23, "dup3": 24, "pipe2": 59, "fsync": 82, "fdatasync": 83, "ftruncate": 46,
    "fallocate": 47, "fadvise64": 223, "flock": 32, "sendfile": 71, "copy_file_range": 285, "statfs": 43,
    "fstatfs": 44, "statx": 291, "unlinkat": 35, "renameat": 38, "renameat2": 276, "umask": 166, "getpid": 172,
    "getppid": 173, "gettid": 178, "getuid": 174, "geteuid": 175, "getgid": 176, "getegid": 177, "getgroups": 158,
    "getpgid": 155, "getsid": 156, "getrlimit": 163, "getrusage": 165, "sysinfo": 179, "times": 153, "uname": 160,
    "gettimeofday": 169, "clock_gettime": 113, "clock_getres": 114, "clock_nanosleep": 115, "nanosleep": 101,
    "getitimer": 102, "setitimer": 103, "restart_syscall": 128, "sched_yield": 124, "sched_getaffinity": 123,
    "getcpu": 168, "getrandom": 278, "sigaltstack": 132, "rt_sigpending": 136, "rt_sigtimedwait": 137,
    "rt_sigsuspend": 133, "set_robust_list": 99, "set_tid_address": 96, "rseq": 293, 
    "eventfd2": 19, "epoll_create1": 20, "epoll_ctl": 21, "epoll_pwait": 22, "wait4": 260, "exit": 93,
    "exit_group": 94, "openat": 56, "ioctl": 29, "fcntl": 25, "clone": 220, "kill": 129,
    "tgkill": 131, "prctl": 167, "prlimit64": 261,
}  # fmt: skip
_MACHINES = {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _AARCH64), "arm64": (0xC00000B7, _AARCH64)}
_FIRST_UNKNOWN = 424  # from here on all machines share one numbering; also catches the x32 calls of x86_64

_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_ALLOW: Instruction = (_RETURN, 0, 0, 0x7FFF0000)
_KILL: Instruction = (_RETURN, 0, 0, 0x80000000)
_DENY: Instruction = (_RETURN, 0, 0, 0x00050000 | errno.EPERM)
_ABSENT: Instruction = (_RETURN, 0, 0, 0x00050000 | 38)  # ENOSYS of Linux, whatever this machine's is

_OPEN_MODE_AND_TRUNCATE, _TRUNCATE_A_READER = 0o1003, 0o1000
_THREAD, _NEW_NAMESPACES = 0x10000, 0x7E020080
_FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 1030, 1032)  # duplicates, flags, locks, pipe size: not F_SETOWN, which sends signals
_IOCTL = (
    0x5401,
    0x5413,
    0x541B,
    0x5421,
    0x5450,
    0x5451,
)  # is it a terminal, its size, bytes waiting, blocking, cloexec
_PRCTL = (15, 16, 0x53564D41)  # names of threads and of memory


def program(machine: str) -> list[Instruction] | None:
    """The filter for a 64-bit machine by its `platform.machine()` name; None where its calls are not known here."""
    if machine not in _MACHINES:
        return None
    architecture, calls = _MACHINES[machine]
    conditional = {
        "open": _refuse_value(1, _OPEN_MODE_AND_TRUNCATE, _TRUNCATE_A_READER),
        "openat": _refuse_value(2, _OPEN_MODE_AND_TRUNCATE, _TRUNCATE_A_READER),
        "ioctl": _one_of(1, _IOCTL),
        "fcntl": _one_of(1, _FCNTL),
        "prctl": _one_of(0, _PRCTL),
        "kill": _one_of(0, (OWN_PID,)),
        "tgkill": _one_of(0, (OWN_PID,)),
        "clone": [_argument(0), (_AND, 0, 0, _THREAD | _NEW_NAMESPACES), (_EQUAL, 0, 1, _THREAD), _ALLOW, _DENY],
        "prlimit64": [_argument(2), (_EQUAL, 0, 2, 0), _argument(2, high=True), (_EQUAL, 1, 0, 0), _DENY, _ALLOW],
    }
    lines: list[Instruction] = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, architecture), _KILL, (_LOAD, 0, 0, 0)]
    for name, number in calls.items():
        block = conditional.get(name, [_ALLOW])
        lines += [(_EQUAL, 0, len(block), number), *block]
    return [*lines, (_AT_LEAST, 0, 1, _FIRST_UNKNOWN), _ABSENT, _DENY]


def _argument(index: int, *, high: bool = False) -> Instruction:
    """Load half of a call's argument: `struct seccomp_data` on a little-endian machine."""
    return (_LOAD, 0, 0, 16 + 8 * index + 4 * high)


def _one_of(index: int, values: tuple[int, ...]) -> list[Instruction]:
    """Allow where the argument is one of `values`."""
    tests = [line for value in values for line in ((_EQUAL, 0, 1, value), _ALLOW)]
    return [_argument(index), *tests, _DENY]


def _refuse_value(index: int, mask: int, value: int) -> list[Instruction]:
    """Allow unless the argument's bits under `mask` are `value`."""
    return [_argument(index), (_AND, 0, 0, mask), (_EQUAL, 0, 1, value), _DENY, _ALLOW]
