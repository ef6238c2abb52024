"""The web page that shows results beside their sources, with measures and resources.

`builder` is the face. What is measured is the business of `pnncupy.metrics`.
"""
