"""What can be wrong with the pages?

DocsError
├── BrokenLinkError    links that lead nowhere
├── NavError           the site's navigation names a page that is not there
└── BuildError         the site generator objects, or is not there
"""


class DocsError(Exception):
    """Something is wrong with the pages; whoever wrote them must act."""


class BrokenLinkError(DocsError):
    """Links that lead nowhere."""


class NavError(DocsError):
    """The navigation names a page that is not there."""


class BuildError(DocsError):
    """The site generator objects, or is not there."""
