"""The commands, one module each; a module's `add` puts its command into the application.

What is not here: how errors become exit codes (`cli.main`) and how things are printed (`cli.show`).
"""
