"""The plugin for napari: layers in, layers out, and a widget that runs tasks.

`napari.yaml` says what napari finds here. What is synthesised, and how, is in `tasks`.
"""
