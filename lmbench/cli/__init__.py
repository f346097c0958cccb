"""The command line: one file per command, found by being here. Parse, call the library, print.

A command's file exports the one function named in its `__all__`; `PANEL` says under which
heading `lmbench --help` lists it. Importing it costs nothing: what is heavy is imported
when the command runs.
"""
