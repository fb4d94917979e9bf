"""The commands of ``hero-pipeline``, one a file: what each takes, what it does, and what it says of it.

Here and in the other programs a command imports what it works with when it is called, so that ``--help`` and a mistyped
option are answered at once.
"""
