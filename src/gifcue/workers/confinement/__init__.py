"""Takes from a child what it does not need, before it sees the first byte of a stranger.

    profile.py     what is asked for, and what became of it
    apply.py       the layers in their order; called by the child
    privileges.py  no new privileges, another user, resource limits
    landlock.py    no files, no TCP, no signals to others
    seccomp.py     which system calls are allowed, refused, or end the process
    bpf.py         the filter as a program for the kernel
    syscalls.py    numbers of system calls

Each layer also holds where the others are missing. Layers need the kernel's support; what is missing is reported, and
the child goes on unless the settings require all of them. docs/decisions/0009-confinement.md says what each is for.
"""
