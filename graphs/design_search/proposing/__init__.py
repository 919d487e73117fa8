"""Agents that propose designs: what a proposing model is asked, and how designs are made without one."""
