"""Corrections of the plug-in entropy for what a finite sample hides. One file each."""

from __future__ import annotations

from lmbench.registry import Registry

corrections = Registry("lmbench.entropy.corrections", "correction")
