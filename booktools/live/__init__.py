"""Exercises that are written, run and checked on their page, by Python in the reader's browser.

`files` brings the browser's Python into the site, `world` finds what an answer may use of its chapter, `form` is
what a page holds of all this before anybody clicks; `browser/` is what a click loads.
"""
