"""Every page in a real browser: the site to look at, the pages it has, and their pictures.

The tests in `tests/browser` walk through the same stage and the same scenes.
"""
