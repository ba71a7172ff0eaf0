"""The site of the pages in `docs/`: staged, built strictly, every link followed.

What is here: `python -m hack.docs`, its parts, and `site.yml`, the site's configuration. What is not: any prose; that is
in `docs/`, and reads as well without a site. Start with `stage`.
"""
