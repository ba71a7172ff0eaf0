"""Everything in the repository that is written by a program: what it should say, and whether it still does.

What is here: the CustomResourceDefinitions of `crds/`, made from the pydantic models in `keelstep.kinds`.
What is not: any knowledge about a particular kind; that stands in the models.
Start with `__main__`: `python -m hack.generate` writes, `python -m hack.generate --check` only compares.
"""
